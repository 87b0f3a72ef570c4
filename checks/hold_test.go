package checks

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is an app whose answers are those of the script, one a try, the last
// of them again and again; it notes at what age each try came.
func scripted(tries *[]time.Duration, script ...int) []Target {
	return target("web-1", app(func(_ string, age time.Duration) (int, error) {
		status := script[min(len(*tries), len(script)-1)]
		*tries = append(*tries, age)
		return status, nil
	}))
}

func TestRun_wantsSeveralPassesInARow(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name   string
		script []int
		want   []time.Duration // when it was asked
		tally  []Tally
	}{
		{"at once", []int{200}, []time.Duration{0, s, 2 * s}, nil},
		{"after a failure", []int{503, 200}, []time.Duration{0, wrongFirst, wrongFirst + s, wrongFirst + 2*s}, []Tally{{"503", 1}}},
		{"anew after a failure in between", []int{200, 200, 503, 200}, []time.Duration{0, s, 2 * s, 2*s + wrongFirst, 3*s + wrongFirst, 4*s + wrongFirst}, []Tally{{"503", 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries []time.Duration
				report := Run(t.Context(), fileOf(t, "/"), scripted(&tries, tt.script...), Options{Passes: 3})
				if err := report.Err(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, tries); diff != "" {
					t.Errorf("tries (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.tally, report.Results[0].Tallies); diff != "" {
					t.Errorf("tallies (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRun_givesMoreTimeForMorePasses(t *testing.T) {
	for _, tt := range []struct {
		boot time.Duration
		want bool
	}{{2900 * time.Millisecond, true}, {12 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			file := fileOf(t, "WAIT=1\nTIMEOUT=2\nATTEMPTS=1\n/") // 3 s, and 3 s for each further pass
			report := Run(t.Context(), file, target("web-1", app(func(_ string, age time.Duration) (int, error) {
				if age < tt.boot {
					return 503, nil
				}
				return 200, nil
			})), Options{Passes: 4})
			if report.Passed() != tt.want {
				t.Errorf("boot of %v: Passed = %v, want %v: %v", tt.boot, report.Passed(), tt.want, report.Err())
			}
			if !tt.want && report.Elapsed != 12*time.Second {
				t.Errorf("took %v, want 3 s and 3 × 3 s", report.Elapsed)
			}
		})
	}
}

func TestRun_saysHowOftenACheckHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exited := errors.New("container exited")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(exited) })
		var tries []time.Duration
		var told []string
		report := Run(ctx, fileOf(t, "/"), scripted(&tries, 200), Options{Passes: 3, Observe: func(p Progress) { told = append(told, p.String()) }})
		if want := "the replica does not answer yet; web-1: passed 2 of 3 times for 0 ms"; !slices.Contains(told, want) {
			t.Errorf("told %q, want %q among it", told, want)
		}
		if got, want := report.Results[0].Summary(), "2 × passed, but not often enough"; got != want {
			t.Errorf("summary = %q, want %q", got, want)
		}
	})
}

func TestRun_holdsForAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		var told []string
		report := Run(t.Context(), fileOf(t, "/"), scripted(&tries, 200), Options{HealthyFor: 2500 * time.Millisecond, Observe: func(p Progress) {
			told = append(told, p.String())
		}})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, time.Second, 2 * time.Second, 2500 * time.Millisecond}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Errorf("tries (-want +got):\n%s", diff)
		}
		if want := "all checks pass, for 1.0 s of 2.5 s"; !slices.Contains(told, want) {
			t.Errorf("told %q, want %q among it", told, want)
		}
	})
}

func TestRun_holdsAnewAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		report := Run(t.Context(), fileOf(t, "/"), scripted(&tries, 200, 200, 503, 200), Options{HealthyFor: 3 * time.Second})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		// It failed after 2 s, was asked again at once and holds 3 s from then on.
		if want := 5 * time.Second; report.Elapsed != want {
			t.Errorf("took %v, want %v; tries %v", report.Elapsed, want, tries)
		}
		if diff := cmp.Diff([]Tally{{"503", 1}}, report.Results[0].Tallies); diff != "" {
			t.Errorf("tallies (-want +got):\n%s", diff)
		}
	})
}

func TestRun_doesNotHoldWhatFailsInTheLastRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := fileOf(t, "WAIT=1\nTIMEOUT=2\nATTEMPTS=2\n/") // 6 s
		report := Run(t.Context(), file, target("web-1", app(func(_ string, age time.Duration) (int, error) {
			if age >= 10*time.Second {
				return 503, nil
			}
			return 200, nil
		})), Options{HealthyFor: 10 * time.Second})
		if got := report.Results[0].Tallies; report.Passed() || len(got) != 1 || got[0].What != "503" {
			t.Errorf("Passed = %v, tallies %v, want the failure", report.Passed(), got)
		}
	})
}

func TestRun_givesUpHoldingWhenTheLongestBudgetIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := fileOf(t, "WAIT=1\nTIMEOUT=2\nATTEMPTS=2\n/flaky\n/steady\n#: attempts 3") // 6 s and 9 s
		failed := time.Duration(0)
		report := Run(t.Context(), file, target("web-1", app(func(path string, age time.Duration) (int, error) {
			if path == "/flaky" && age >= failed+4*time.Second {
				failed = age
				return 503, nil
			}
			return 200, nil
		})), Options{HealthyFor: 5 * time.Second})
		if report.Passed() || report.Results[0].OK {
			t.Fatalf("report = %+v, want a failure", report)
		}
		// The longest budget allows for a new beginning until 9 s are over; that
		// of 8 s fails after 4 s, and there is no further one.
		if want := 12 * time.Second; report.Elapsed != want {
			t.Errorf("took %v, want %v: %v", report.Elapsed, want, report.Err())
		}
		if got, want := report.Results[0].Tallies, []Tally{{"503", 3}}; cmp.Diff(want, got) != "" {
			t.Errorf("tallies = %v, want %v", got, want)
		}
	})
}

func TestRun_endsHoldingWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exited := errors.New("container exited")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2300*time.Millisecond, func() { cancel(exited) })
		var tries []time.Duration
		report := Run(ctx, fileOf(t, "/"), scripted(&tries, 200), Options{HealthyFor: time.Minute})
		if report.Passed() || !errors.Is(report.Err(), exited) || report.Elapsed != 2300*time.Millisecond {
			t.Errorf("after %v: %v, want the cause after 2.3 s", report.Elapsed, report.Err())
		}
	})
}

func TestRun_waitsBeforeTheFirstTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := fileOf(t, "WAIT=1\nTIMEOUT=2\nATTEMPTS=2\n/slow\n#: delay 7\n/other\n")
		asked := map[string]time.Duration{}
		report := Run(t.Context(), file, target("web-1", app(func(path string, age time.Duration) (int, error) {
			asked[path] = age
			return 200, nil
		})), Options{})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]time.Duration{"/slow": 7 * time.Second, "/other": 0}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if got, want := file.Budget(file.Checks[0]), 13*time.Second; got != want {
			t.Errorf("Budget = %v, want %v", got, want)
		}
	})
}

func TestRun_triesEachCheckAtItsOwnPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := fileOf(t, "WAIT=1\nTIMEOUT=20\nATTEMPTS=1\n/hangs\n#: timeout 2\n#: attempts 3\n#: wait 1\n")
		report := Run(t.Context(), file, target("web-1", app(func(string, time.Duration) (int, error) { return 0, nil })), Options{})
		if report.Elapsed != 9*time.Second || report.Results[0].Summary() != "4 × no connection within 2.0 s" {
			t.Errorf("after %v: %s, want 9 s of tries of 2 s", report.Elapsed, report.Results[0].Summary())
		}
	})
}
