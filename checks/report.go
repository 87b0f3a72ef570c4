package checks

import (
	"net/http"
	"slices"
	"time"
)

// maxTallies is how many different outcomes a result tells apart.
const maxTallies = 6

// Report is what a run came to.
type Report struct {
	// Source is that of the file.
	Source string
	// Results holds one for each check of each target, ordered by target and
	// then as in the file.
	Results []Result
	// Cause is why the run was ended from outside, or could not begin; nil else.
	Cause   error
	Elapsed time.Duration
}

// Result is what the tries of one check at one target came to.
type Result struct {
	Target, Address string
	Check           Check
	OK              bool
	// Status is that of the last answer, 0 if there was none.
	Status int
	// Attempts counts the tries that ended; 0 means that the target did not
	// accept a connection, or that the run was ended first.
	Attempts int
	// Tallies sums up the tries that did not pass, in the order in which each
	// outcome came first.
	Tallies []Tally
	// Reached says that a try met somebody who accepted the connection.
	Reached bool
	// Passes counts the tries that passed.
	Passes int
	// Detail says more about the last try that did not pass; Missing is what it
	// wanted and did not find, Near what it found in its place. They may be
	// empty, and are safe for a terminal.
	Detail, Missing, Near string
	// Output is the end of what the last command printed, as it came.
	Output []byte
	// Answer is the last one that came, nil if none did.
	Answer *Answer
	// FirstPass is when the check passed first, zero if it never did.
	FirstPass time.Time
	// Elapsed is the time from the beginning of Run to the end of the last try.
	Elapsed time.Duration

	text string // that Missing is about, if it is about one
}

// Tally counts tries with the same outcome.
type Tally struct {
	What  string // "connection refused", "503"
	Count int
}

// Answer is what an HTTP answer showed.
type Answer struct {
	Status int
	// Header holds what is worth seeing.
	Header http.Header
	body   []byte // nil when it was not read
}

// headersWorthSeeing explain most wrong answers.
var headersWorthSeeing = []string{"Location", "Content-Type", "Content-Encoding", "Retry-After", "Www-Authenticate", "Server"}

func newAnswer(r *http.Response) *Answer {
	a := &Answer{Status: r.StatusCode, Header: http.Header{}}
	for _, name := range headersWorthSeeing {
		if values := r.Header.Values(name); len(values) > 0 {
			a.Header[name] = values[:1:1]
		}
	}
	return a
}

// Body is the beginning of the decoded body, at most 64 KiB and as it came:
// not safe for a terminal. It is empty if nothing had to be read.
func (a *Answer) Body() []byte { return a.body }

// Passed reports whether every check passed at every target and nothing ended
// the run.
func (r Report) Passed() bool {
	return r.Cause == nil && len(r.Results) > 0 && len(r.Failed()) == 0
}

// Reached reports whether any target accepted a connection for a check.
func (r Report) Reached() bool {
	for _, result := range r.Results {
		if result.Reached {
			return true
		}
	}
	return false
}

// Failed returns the results that are not OK and decide.
func (r Report) Failed() []Result { return r.notOK(false) }

// Warnings returns the results that are not OK of checks that only warn. One
// whose first try was not due yet tells nothing.
func (r Report) Warnings() []Result {
	return slices.DeleteFunc(r.notOK(true), func(result Result) bool { return result.Attempts == 0 })
}

// Line is what a result of the report came to, in one line.
func (r Report) Line(result Result) string { return (&Unfit{Report: r}).headline(result) }

func (r Report) notOK(warn bool) []Result {
	var failed []Result
	for _, result := range r.Results {
		if !result.OK && result.Check.Warn == warn {
			failed = append(failed, result)
		}
	}
	return failed
}

// Err is nil if the report passed, else an *Unfit.
func (r Report) Err() error {
	if r.Passed() {
		return nil
	}
	return &Unfit{Report: r}
}

func (r *Result) add(t try, at time.Time) {
	r.Attempts++
	r.Reached = r.Reached || t.kind != refused && r.Check.knocks()
	if t.answer != nil {
		r.Answer, r.Status = t.answer, t.answer.Status
	}
	r.Detail, r.Missing, r.Near, r.Output, r.text = t.detail, t.missing, t.near, t.output, t.text
	if t.kind == passes {
		r.Passes++
		if r.FirstPass.IsZero() {
			r.FirstPass = at
		}
		return
	}
	for i := range r.Tallies {
		if r.Tallies[i].What == t.label {
			r.Tallies[i].Count++
			return
		}
	}
	if len(r.Tallies) == maxTallies {
		r.Tallies[maxTallies-1] = Tally{What: "other failures", Count: r.Tallies[maxTallies-1].Count + 1}
		return
	}
	r.Tallies = append(r.Tallies, Tally{What: t.label, Count: 1})
}
