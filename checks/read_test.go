package checks

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead_tellsTheFormatByTheContent(t *testing.T) {
	looksLikeJSON := func(line int) []Problem {
		return []Problem{{line, SeverityError, "this looks like JSON, but an app.json begins with {", `{"healthchecks": {"web": [{"path": "/"}]}}`}}
	}
	tests := []struct {
		name, text, path string
		problems         []Problem
	}{
		{"CHECKS", "# {\n/a", "/a", nil},
		{"app.json", `{"healthchecks": {"web": [{"path": "/b"}]}}`, "/b", nil},
		{"app.json after a BOM and blank lines", "\ufeff\r\n\t {\"healthchecks\": {\"web\": [{\"path\": \"/b\"}]}}", "/b", nil},
		{"an array", "\n\n [{\"path\": \"/b\"}]", "/", looksLikeJSON(3)},
		{"a quote", `"/healthz"`, "/", looksLikeJSON(1)},
		{"nothing", " \n", "/", []Problem{{0, SeverityWarning, "the file contains no check: the default is used, / answers with a status below 500", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, problems := Read("the file", []byte(tt.text))
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if file.Source != "the file" || len(file.Checks) != 1 || file.Checks[0].Path != tt.path {
				t.Errorf("file %+v, want one check of %s", file, tt.path)
			}
		})
	}
}

func TestIsAppJSON_looksAtTheFirstCharacter(t *testing.T) {
	for text, want := range map[string]bool{"": false, "/a {": false, "\ufeff \n{": true, "[": false} {
		if got := IsAppJSON([]byte(text)); got != want {
			t.Errorf("IsAppJSON(%q) = %t, want %t", text, got, want)
		}
	}
}

func TestHealthcheck_asksAsDockerDoesAndTriesAtOnce(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name                      string
		test, shell               []string
		interval, timeout, period time.Duration
		retries                   int
		command                   []string
		pace                      Pace
	}{
		{"words, with Docker's defaults", []string{"CMD", "bin/check", "a b"}, nil, 0, 0, 0, 0, []string{"bin/check", "a b"}, Pace{0, 30 * s, 30 * s, 3}},
		{"a line", []string{"CMD-SHELL", "curl -f localhost || exit 1"}, nil, 0, 0, 0, 0, []string{"/bin/sh", "-c", "curl -f localhost || exit 1"}, Pace{0, 30 * s, 30 * s, 3}},
		{"a line for another shell", []string{"CMD-SHELL", "true"}, []string{"/bin/bash", "-ec"}, 0, 0, 0, 0, []string{"/bin/bash", "-ec", "true"}, Pace{0, 30 * s, 30 * s, 3}},
		{"parts of seconds", []string{"CMD", "a"}, nil, 1500 * time.Millisecond, 1, 0, 5, []string{"a"}, Pace{0, 2 * s, 1 * s, 5}},
		{"a start period", []string{"CMD", "a"}, nil, 10 * s, 5 * s, 31 * s, 2, []string{"a"}, Pace{0, 10 * s, 5 * s, 5}},
		{"a start period that fits", []string{"CMD", "a"}, nil, 10 * s, 5 * s, 30 * s, 2, []string{"a"}, Pace{0, 10 * s, 5 * s, 4}},
		{"negative numbers", []string{"CMD", "a"}, nil, -1, -1, -1, -1, []string{"a"}, Pace{0, 30 * s, 30 * s, 3}},
		{"the largest numbers", []string{"CMD", "a"}, nil, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, []string{"a"}, Pace{0, MaxSetting * s, MaxSetting * s, MaxSetting}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := Healthcheck(tt.test, tt.shell, tt.interval, tt.timeout, tt.period, tt.retries)
			if !json.Valid([]byte(text)) || !HasHealthchecks([]byte(text)) {
				t.Fatalf("text %s, want an app.json", text)
			}
			file, problems := Read("HEALTHCHECK", []byte(text))
			if err := Errors("HEALTHCHECK", problems); err != nil {
				t.Fatal(err)
			}
			got := file.Checks[0]
			got.Line, got.Raw = 0, ""
			want := Check{Name: "HEALTHCHECK", Kind: KindCommand, Command: tt.command, Pace: &tt.pace}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("check (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthcheck_isNothingWhereThereIsNone(t *testing.T) {
	for _, test := range [][]string{nil, {}, {"NONE"}, {"NONE", "a"}, {"CMD"}, {"CMD-SHELL"}, {"HTTP", "/"}} {
		if got := Healthcheck(test, nil, 0, 0, 0, 0); got != "" {
			t.Errorf("Healthcheck(%q) = %s, want nothing", test, got)
		}
	}
}
