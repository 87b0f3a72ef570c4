package checks

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRun_decidesNothingByAWarning(t *testing.T) {
	tests := []struct {
		name, file string
		behave     func(path string, age time.Duration) (int, error)
		passed     bool
		took       time.Duration
		summary    string // of the warning, empty for none
	}{
		{"it fails", "TIMEOUT=3\n/warn\n#: warn\n/other", func(path string, age time.Duration) (int, error) {
			if path == "/warn" || age < 2*time.Second {
				return 503, nil
			}
			return 200, nil
		}, true, 2 * time.Second, "× 503"},
		{"it hangs", "TIMEOUT=3\n/other\n/warn\n#: warn", func(path string, _ time.Duration) (int, error) {
			if path == "/warn" {
				return 0, nil
			}
			return 200, nil
		}, true, warnGrace, "1 × no connection before the time was up"},
		{"it passes", "/other\n/warn\n#: warn", func(string, time.Duration) (int, error) { return 200, nil }, true, 0, ""},
		{"it waits", "/warn\n#: warn\n#: delay 60\n/other", func(string, time.Duration) (int, error) { return 200, nil }, true, 0, ""},
		{"the other fails", "WAIT=1\nTIMEOUT=2\nATTEMPTS=1\n/warn\n#: warn\n/other", func(string, time.Duration) (int, error) { return 500, nil }, false, 3 * time.Second, "× 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report := Run(t.Context(), fileOf(t, tt.file), target("web-1", app(tt.behave)), Options{})
				if report.Passed() != tt.passed {
					t.Fatalf("Passed = %v, want %v: %v", report.Passed(), tt.passed, report.Err())
				}
				if d := report.Elapsed - tt.took; d < 0 || d > max(50*time.Millisecond, tt.took*3/100) {
					t.Errorf("took %v, want %v", report.Elapsed, tt.took)
				}
				warnings := report.Warnings()
				if (len(warnings) > 0) != (tt.summary != "") {
					t.Fatalf("warnings = %+v, want one: %v", warnings, tt.summary != "")
				}
				if tt.summary != "" && !strings.HasSuffix(warnings[0].Summary(), tt.summary) {
					t.Errorf("summary = %q, want %q at its end", warnings[0].Summary(), tt.summary)
				}
			})
		})
	}
}

func TestRun_wantsOnePassOfAWarningHoweverManyOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report := Run(t.Context(), fileOf(t, "/a\n/warn\n#: warn\n"), target("web-1", app(func(path string, age time.Duration) (int, error) {
			if path == "/warn" && age < 1500*time.Millisecond {
				return 503, nil
			}
			return 200, nil
		})), Options{Passes: 3, HealthyFor: 2 * time.Second})
		if err := report.Err(); err != nil || len(report.Warnings()) > 0 {
			t.Errorf("Err = %v, warnings %v, want neither", err, report.Warnings())
		}
	})
}

func TestKnocker_isTheCheckThatCanDecideFirst(t *testing.T) {
	for text, want := range map[string]int{
		"/a\n/b":                             0,
		"#: command a\n/b":                   1,
		"/a\n#: port 1\n#: tcp":              1,
		"/a\n#: warn\n/b":                    1,
		"/a\n#: delay 3\n/b\n#: delay 1\n/c": 2,
		"/a\n#: warn\n/b\n#: delay 3":        1,
		"#: command a\n/a\n#: warn":          1,
		"#: uptime 1":                        -1,
	} {
		if got := knocker(fileOf(t, text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestProgress_saysOneLine(t *testing.T) {
	for want, p := range map[string]Progress{
		"the replica answers":                     {Passed: 1, Total: 1},
		"the replica does not answer yet":         {Total: 1, Waiting: []Waiting{{Target: "web-1"}}},
		"all checks pass, for 1.2 s of 30 s":      {Passed: 2, Total: 2, Held: 1200 * time.Millisecond, HoldFor: 30 * time.Second},
		"1 of 2 replicas answer; b: 503 for 12 s": {Passed: 1, Total: 2, HoldFor: time.Second, Waiting: []Waiting{{Target: "b", Reason: "503", For: 12 * time.Second}}},
	} {
		if diff := cmp.Diff(want, fmt.Sprint(p)); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	}
}
