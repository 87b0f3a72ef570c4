package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

var errRefused = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)

// app is a transport whose answers depend on the path and the time since now.
func app(behave func(path string, age time.Duration) (int, error)) http.RoundTripper {
	born := time.Now()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		status, err := behave(r.URL.Path, time.Since(born))
		if err != nil {
			return nil, err
		}
		if status == 0 { // hangs
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return answer(status, "body"), nil
	})
}

func target(name string, transport http.RoundTripper) []Target {
	return []Target{{Name: name, Address: "10.0.0.1:5000", Transport: transport}}
}

func fileOf(t *testing.T, text string) File {
	t.Helper()
	file, problems := Parse("CHECKS", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return file
}

func TestRun_noticesTheFirstPossibleAnswerSoon(t *testing.T) {
	for _, before := range []struct {
		name   string
		status int
		err    error
	}{{"refused", 0, errRefused}, {"answered 503", 503, nil}} {
		for _, boot := range []time.Duration{0, 100 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, 47 * time.Second, time.Minute, 170 * time.Second} {
			t.Run(fmt.Sprint(before.name, " for ", boot), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					// The moment of the boot must not fall on a try by luck.
					boot += boot / 997
					report := Run(t.Context(), fileOf(t, "/"), target("web-1", app(func(_ string, age time.Duration) (int, error) {
						if age < boot {
							return before.status, before.err
						}
						return 200, nil
					})), Options{})
					if err := report.Err(); err != nil {
						t.Fatal(err)
					}
					limit := max(boot*3/100, 10*time.Millisecond)
					if before.err == nil {
						limit = max(limit, wrongFirst)
					}
					if lag := report.Elapsed - boot; lag < 0 || lag > limit {
						t.Errorf("lag = %v, want at most %v", lag, limit)
					}
				})
			})
		}
	}
}

func TestRun_pausesNoLongerThanItSays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		file     string
		min, max time.Duration
	}{
		{"refused", errRefused, "ATTEMPTS=1\nWAIT=5\n/", refusedFirst, refusedLast},
		{"wrong", nil, "ATTEMPTS=60\nWAIT=1\n/", wrongFirst, time.Second},
		{"wrong, no WAIT", nil, "ATTEMPTS=1\nWAIT=0\n/", wrongFirst, wrongFirst},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries []time.Duration
				Run(t.Context(), fileOf(t, tt.file), target("web-1", app(func(_ string, age time.Duration) (int, error) {
					tries = append(tries, age)
					return 503, tt.err
				})), Options{})
				if tries[0] != 0 {
					t.Errorf("first try after %v, want at once", tries[0])
				}
				shortest, longest := time.Hour, time.Duration(0)
				for i := range tries[1:] {
					pause := tries[i+1] - tries[i]
					shortest, longest = min(shortest, pause), max(longest, pause)
				}
				if shortest != tt.min || longest != tt.max {
					t.Errorf("pauses from %v to %v, want from %v to %v", shortest, longest, tt.min, tt.max)
				}
			})
		})
	}
}

func TestRun_usesItsWholeBudgetAndNoMore(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		status     int
		err        error
		want       time.Duration
		summary    string // how it ends
	}{
		{"refused", "/", 0, errRefused, 175 * time.Second, "× connection refused"},
		{"wrong", "WAIT=1\nTIMEOUT=2\nATTEMPTS=3\n/", 500, nil, 9 * time.Second, "× 500"},
		{"hanging", "WAIT=1\nTIMEOUT=2\nATTEMPTS=3\n/", 0, nil, 9 * time.Second, "4 × no connection within 2.0 s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := fileOf(t, tt.file)
				report := Run(t.Context(), file, target("web-1", app(func(string, time.Duration) (int, error) { return tt.status, tt.err })), Options{})
				if report.Passed() || report.Elapsed != tt.want || file.Budget(file.Checks[0]) != tt.want {
					t.Errorf("Passed = %v after %v of a budget of %v, want a failure after %v", report.Passed(), report.Elapsed, file.Budget(file.Checks[0]), tt.want)
				}
				if got := report.Results[0].Summary(); !strings.HasSuffix(got, tt.summary) {
					t.Errorf("summary = %q, want %q at its end", got, tt.summary)
				}
			})
		})
	}
}

func TestRun_beginsTheBudgetOfALineWhenThoseBeforeItHavePassed(t *testing.T) {
	for _, tt := range []struct {
		second time.Duration // age at which the second line begins to pass
		want   bool
		took   time.Duration
	}{{17 * time.Second, true, 0}, {19 * time.Second, false, 18 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			file := fileOf(t, "WAIT=1\nTIMEOUT=1\nATTEMPTS=5\n/first\n/second\n") // budget 10 s
			report := Run(t.Context(), file, target("web-1", app(func(path string, age time.Duration) (int, error) {
				if path == "/first" && age >= 8*time.Second || age >= tt.second {
					return 200, nil
				}
				return 503, nil
			})), Options{})
			if report.Passed() != tt.want {
				t.Errorf("second line from %v on: Passed = %v, want %v", tt.second, report.Passed(), tt.want)
			}
			if d := report.Elapsed - tt.took; !tt.want && (d < 0 || d > 300*time.Millisecond) {
				t.Errorf("took %v, want about %v", report.Elapsed, tt.took)
			}
		})
	}
}

func TestRun_endsAtOnceWithTheCauseOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exited := errors.New(`container "zdd-web-12-2" exited with code 3`)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1300*time.Millisecond, func() { cancel(exited) })
		targets := append(target("web-1", app(func(string, time.Duration) (int, error) { return 200, nil })),
			target("web-2", app(func(string, time.Duration) (int, error) { return 0, nil }))...)
		report := Run(ctx, fileOf(t, "/"), targets, Options{})
		if report.Passed() || !errors.Is(report.Err(), exited) || report.Elapsed != 1300*time.Millisecond {
			t.Errorf("after %v: %v, want the cause after 1.3 s", report.Elapsed, report.Err())
		}
		if !report.Results[0].OK || report.Results[1].OK {
			t.Errorf("results = %+v, want those seen so far", report.Results)
		}
	})
}

func TestRun_doesNotPassWhenTheContextEndedWithTheLastCheck(t *testing.T) {
	exited := errors.New("container exited")
	ctx, cancel := context.WithCancelCause(t.Context())
	report := Run(ctx, Default(), target("web-1", app(func(string, time.Duration) (int, error) { cancel(exited); return 200, nil })), Options{})
	if report.Passed() || !errors.Is(report.Err(), exited) {
		t.Errorf("Err = %v, want %v", report.Err(), exited)
	}
}

func TestRun_tellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := func(boot time.Duration) []Target {
			return target("web-"+boot.String(), app(func(_ string, age time.Duration) (int, error) {
				if age < boot {
					return 0, errRefused
				}
				return 200, nil
			}))
		}
		var told []string
		report := Run(t.Context(), fileOf(t, "/"), append(up(0), up(2300*time.Millisecond)...), Options{Observe: func(p Progress) {
			if line := p.String(); len(told) == 0 || told[len(told)-1] != line {
				told = append(told, line)
			}
		}})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"1 of 2 replicas answer; web-2.3s: connection refused for 1.0 s",
			"1 of 2 replicas answer; web-2.3s: connection refused for 2.0 s",
			"2 of 2 replicas answer",
		}
		if diff := cmp.Diff(want, told[max(0, len(told)-3):]); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		first := report.Results[0]
		if first.FirstPass.IsZero() || first.Attempts != 1 || first.Elapsed != 0 {
			t.Errorf("result = %+v, want a pass at the first try", first)
		}
	})
}
