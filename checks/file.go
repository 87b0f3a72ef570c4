package checks

import (
	"fmt"
	"time"
)

// What a file that does not set WAIT, TIMEOUT or ATTEMPTS gets.
const (
	DefaultWait     = 5 * time.Second
	DefaultTimeout  = 30 * time.Second
	DefaultAttempts = 5
)

// DefaultSource is the Source of Default: nobody wrote these checks.
const DefaultSource = "default"

// File is what a CHECKS file asks for.
type File struct {
	// Source names the file in messages.
	Source string
	// Wait is the longest pause between two tries of a check; 0 is allowed.
	Wait time.Duration
	// Timeout limits one try, body included. 0 means DefaultTimeout.
	Timeout time.Duration
	// Attempts scales the budget, see Budget. 0 means DefaultAttempts.
	Attempts int
	// Settings are the setting lines as they stand in the file, in its order.
	Settings []Setting
	// Checks are never empty after Parse: a file without any gets the check of
	// Default, which has line 0.
	Checks []Check
}

// Setting is one line NAME=VALUE.
type Setting struct {
	Line  int
	Name  string // WAIT, TIMEOUT or ATTEMPTS
	Value int    // whole seconds, or a number of tries
}

// Check is one question to a target.
type Check struct {
	// Line counts from 1; 0 is a check that no file contains.
	Line int
	// Raw is the line as written, trimmed; URL its first word.
	Raw, URL string
	// Scheme is "http", which empty means too, or "https". No TLS is ever spoken to a target: https is
	// told to it as X-Forwarded-Proto.
	Scheme string
	// Host is what the Host header says; empty means Target.Host.
	Host string
	// Path begins with a slash, is escaped as in a request, and includes the
	// query.
	Path string
	// Content must be in the body, byte by byte; empty leaves the decision to
	// the status.
	Content string
	// Status is what passes; the zero value stands for 200 to 299.
	Status StatusRange
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ Min, Max int }

// Default is what a release without a CHECKS file must do: accept connections
// on its port and answer / with a status below 500. A redirect or a demand for
// a password is an answer too, so redirects are not followed. Its budget is a
// minute: nobody has asked for more, and a release that is not fit by then
// should not keep a pipeline waiting. A slower one says so in a CHECKS file.
func Default() File {
	return File{
		Source:   DefaultSource,
		Wait:     2 * time.Second,
		Timeout:  10 * time.Second,
		Attempts: DefaultAttempts,
		Checks:   []Check{defaultCheck()},
	}
}

// Budget is how long a check may take to pass, counted from the moment the
// lines before it have passed: Attempts tries, each preceded by a pause of Wait
// and Timeout long.
func (f File) Budget() time.Duration {
	return time.Duration(f.attempts()) * (f.Wait + f.timeout())
}

// Where names the check's place in the file called source: `CHECKS line 3`.
func (c Check) Where(source string) string {
	if c.Line == 0 {
		return "default check"
	}
	return fmt.Sprintf("%s line %d", source, c.Line)
}

// Contains reports whether the status is in the range.
func (r StatusRange) Contains(status int) bool {
	if r == (StatusRange{}) {
		return status >= 200 && status <= 299
	}
	return status >= r.Min && status <= r.Max
}

// String is the range in words: `a status from 200 to 299`.
func (r StatusRange) String() string {
	if r == (StatusRange{}) {
		r = StatusRange{Min: 200, Max: 299}
	}
	return fmt.Sprintf("a status from %d to %d", r.Min, r.Max)
}

func (f File) timeout() time.Duration {
	if f.Timeout <= 0 {
		return DefaultTimeout
	}
	return f.Timeout
}

func (f File) attempts() int {
	if f.Attempts <= 0 {
		return DefaultAttempts
	}
	return f.Attempts
}

func defaultCheck() Check {
	return Check{Raw: "/", URL: "/", Scheme: "http", Path: "/", Status: StatusRange{Min: 200, Max: 499}}
}
