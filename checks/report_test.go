package checks

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func failedResult() Result {
	return Result{
		Target: "web-2", Address: "10.210.0.11:5000",
		Check:    Check{Line: 3, Raw: "/ Welcome back", URL: "/", Scheme: "http", Path: "/", Content: "Welcome back"},
		Status:   200,
		Attempts: 11,
		Tallies:  []Tally{{"connection refused", 3}, {"503", 2}, {"200 without the expected text", 6}},
		Answer: &Answer{
			Status: 200,
			Header: http.Header{"Content-Type": {"text/html"}, "Retry-After": {"1\x1b[31m"}},
			body:   []byte("<html>\r\n\r\n<h1>welcome   back</h1>\x1b[2J\x07\n\xff\u202e\nfour\nfive\nsix\nseven\n"),
		},
		Missing: `"Welcome back"`,
		Near:    `"welcome   back"`,
		Elapsed: 175 * time.Second,
	}
}

func TestUnfit_tellsWhatHappenedOnAScreen(t *testing.T) {
	other := failedResult()
	other.Target, other.Check.Line = "web-3", 4
	untried := Result{Target: "web-1", Check: Check{Line: 5, Raw: "/b"}, Elapsed: 400 * time.Millisecond}
	report := Report{Source: "CHECKS", Results: []Result{untried, {Target: "web-1", OK: true}, failedResult(), other, other, other, other}}

	want := `CHECKS line 3: / Welcome back
  web-2 (10.210.0.11:5000) did not pass in 175 s: 3 × connection refused, 2 × 503, 6 × 200 without
    the expected text
  last answer: 200 OK
    Content-Type: text/html
    Retry-After: 1\x1b[31m
    | <html>
    | <h1>welcome   back</h1>\x1b[2J\x07
    | \xff\u202e
    | …
  expected, and not found: "Welcome back"
  but there is "welcome   back"
also web-3, CHECKS line 4: 3 × connection refused, 2 × 503, 6 × 200 without the expected text
also web-3, CHECKS line 4: 3 × connection refused, 2 × 503, 6 × 200 without the expected text
and 3 more`
	err := unfit(t, report)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	headline := `web-2 did not pass "/ Welcome back" (CHECKS line 3) in 175 s: 3 × connection refused, 2 × 503, 6 × 200 without the expected text`
	if diff := cmp.Diff(headline, err.Headline()); diff != "" {
		t.Errorf("headline (-want +got):\n%s", diff)
	}
}

func TestUnfit_fitsAScreenWhateverTheAppSends(t *testing.T) {
	r := failedResult()
	r.Detail, r.Check.Raw = strings.Repeat("d", 100), strings.Repeat("/", 10_000)
	for _, name := range headersWorthSeeing {
		r.Answer.Header.Set(name, strings.Repeat("\x1b", 10_000))
	}
	r.Answer.body = []byte(strings.Repeat(strings.Repeat("\x00é\n", 500)+"x", 60))
	report := Report{Source: "CHECKS", Cause: errors.New(strings.Repeat("container\nexited ", 100)), Results: []Result{r, r, r, r, r, r}}
	lines := strings.Split(unfit(t, report).Error(), "\n")
	if len(lines) > 20 {
		t.Errorf("%d lines, want at most 20", len(lines))
	}
	for _, line := range lines {
		if len([]rune(line)) > 100 || strings.ContainsAny(line, "\x00\x1b\r") {
			t.Errorf("unfit line %q", line)
		}
	}
}

func TestUnfit_beginsWithTheCause(t *testing.T) {
	exited := errors.New("container exited with code 3")
	err := unfit(t, Report{Source: "CHECKS", Cause: exited, Results: []Result{{Target: "web-1", Check: defaultCheck(), Elapsed: 20 * time.Millisecond}}})
	want := "checks ended: container exited with code 3\ndefault check: /\n  web-1 did not pass in 20 ms: not tried"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if !errors.Is(err, exited) || err.Headline() != "checks ended: container exited with code 3" {
		t.Errorf("headline = %q, want the cause", err.Headline())
	}
}

func TestNearest_namesWhatComesClose(t *testing.T) {
	tests := []struct{ body, text, want string }{
		{"WELCOME to", "welcome", `"WELCOME to"`},
		{"<html>\n  <title>Welcome to Acne</title>\n</html>", "Welcome to Acme", `"<title>Welcome to Acne</title>"`},
		{"<title>Home | Welcome to Acne, Inc.</title>", "Welcome to Acme", `"…le>Home | Welcome to Acne, Inc.</ti…"`},
		{"Welcome to Acne", "Welcome to Acme", `"Welcome to Acne"`},
		{"Willkommen bei Acme", "Welcome to Acme", ""},
		{"Wilcme to Acne", "Welcome to Acme", `"Wilcme to Acne"`},
		{"caffè latte", "caffé latte", `"caffè latte"`},
		{"it is red\x1b[31m", "is rod", `"it is red\x1b[31m"`},
		{strings.Repeat("x", 40) + "\n" + strings.Repeat("welcome ", 20), strings.Repeat("welcome_", 20),
			`"` + strings.Repeat("welcome ", 8) + `welcom…"`},
		{"a  \n b", "a b", "the text with other white space"},
		{"Tom &amp; Jerry", "Tom & Jerry", "the text with characters escaped as in HTML"},
		{"it&#x27;s", "it's", "the text with characters escaped as in HTML"},
		{"Laravel", `"Laravel"`, "the text without its quotes"},
		{"İ WELCOME", "welcome", `"İ WELCOME"`},
		{"nothing", "welcome", ""},
		{"", "welcome", ""},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, nearest([]byte(tt.body), tt.text)); diff != "" {
			t.Errorf("%q in %q (-want +got):\n%s", tt.text, tt.body, diff)
		}
	}
}

func TestResult_tellsOnlySoManyOutcomesApart(t *testing.T) {
	var r Result
	for status := range 20 {
		r.add(try{kind: wrongAnswer, label: strings.Repeat("x", status+1)}, time.Time{})
	}
	r.add(try{kind: wrongAnswer, label: "x", detail: "d"}, time.Time{})
	if got := r.Tallies[maxTallies-1]; len(r.Tallies) != maxTallies || got != (Tally{"other failures", 15}) {
		t.Errorf("tallies = %v, want the last to hold 15 others", r.Tallies)
	}
	if r.Tallies[0].Count != 2 || r.Attempts != 21 || r.Detail != "d" {
		t.Errorf("result = %+v, want 21 attempts, two of them alike", r)
	}
	passed := time.Unix(1, 0)
	r.add(try{kind: passes, answer: &Answer{Status: 204}}, passed)
	if r.Passes != 1 || r.FirstPass != passed || r.Status != 204 || r.Detail != "" {
		t.Errorf("result = %+v, want it passed", r)
	}
}
