package checks

import (
	"fmt"
	"slices"
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

// File is what a CHECKS file, or the part of an app.json that is about checks,
// asks for.
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
	// Checks are never empty after reading: a file without any gets the check of
	// Default, which has line 0.
	Checks []Check
	// Unused are checks of an app.json that decide nothing here.
	Unused []Unused
}

// Unused is a check that says nothing about whether a release may serve: it is
// for a scheduler that watches a running app.
type Unused struct {
	Line int
	Type string // readiness or liveness
}

// Setting is one line NAME=VALUE.
type Setting struct {
	Line  int
	Name  string // WAIT, TIMEOUT or ATTEMPTS
	Value int    // whole seconds, or a number of tries
}

// Kind is how a check asks.
type Kind string

// The kinds of checks.
const (
	KindHTTP    Kind = ""        // a request to the target's port
	KindTCP     Kind = "tcp"     // a connection to it
	KindGRPC    Kind = "grpc"    // a call of grpc.health.v1.Health/Check
	KindCommand Kind = "command" // a command within the target, which must exit with 0
	KindUptime  Kind = "uptime"  // the target must have run for a while
)

// Check is one question to a target.
type Check struct {
	// Line counts from 1; 0 is a check that no file contains.
	Line int
	// Raw is the check as written, trimmed; URL its first word, of HTTP alone.
	Raw, URL string
	// Name is what the file calls it, often nothing; Description is what it
	// says about it, of an app.json alone.
	Name, Description string
	Kind              Kind

	// Scheme is "http", which empty means too, or "https". A release speaks no
	// TLS: https is told to it as X-Forwarded-Proto.
	Scheme string
	// Host is what the Host header says; empty means Target.Host.
	Host string
	// Path begins with a slash, is escaped as in a request, and includes the
	// query.
	Path string
	// Method is that of the request; empty means GET.
	Method string
	// Header is sent beside what every request has.
	Header []HeaderField
	// Status is what passes; none stands for 200 to 299.
	Status Statuses
	// Content must be in the body, byte by byte; empty leaves the decision to
	// the status.
	Content string
	// Match is a regular expression (RE2, as in Go's regexp/syntax) that must
	// match somewhere in the body; empty for none. ^ and $ are the ends of a
	// line.
	Match string
	// JSON are fields that the body must have.
	JSON []Field

	// Port is asked in place of the one in Target.Address; 0 for that one.
	Port int
	// Service is whose health is asked for by gRPC; empty is the server's.
	Service string
	// Command is run within the target.
	Command []string
	// Uptime is for how long the target must have run.
	Uptime time.Duration

	// Pace is the check's own; nil takes the file's.
	Pace *Pace
	// Warn says that a failure is told, and decides nothing.
	Warn bool
	// OnFailure is what to do when the check has failed for good.
	OnFailure OnFailure
}

// Pace is how often and how long a check is tried.
type Pace struct {
	// Delay is before the first try.
	Delay time.Duration
	// Wait, Timeout and Attempts are as in File.
	Wait, Timeout time.Duration
	Attempts      int
}

// HeaderField is a line of a request's header.
type HeaderField struct{ Name, Value string }

// Field is a place in a JSON body, in the syntax of gjson: names and indexes
// with dots between them.
type Field struct {
	Path string `json:"path"`
	// Want is what must stand there: a JSON string in its quotes, or any value
	// as it is written. Empty wants the field to be there.
	Want string `json:"want,omitempty"`
}

// OnFailure is what an app.json wants to happen when a check has failed.
type OnFailure struct {
	Command []string // run within the target
	URL     string   // gets a POST
}

// maxBudget is longer than anybody waits, and leaves room to add to it.
const maxBudget = 10 * 365 * 24 * time.Hour

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

// onlyWarns is said of a file that would let everything pass.
const onlyWarns = "every check of the file only warns: the default decides, / answers with a status below 500"

// Used names where the checks that are run come from: Source, or DefaultSource
// where that has none of its own.
func (f File) Used() string {
	if slices.ContainsFunc(f.Checks, func(c Check) bool { return c.Line > 0 && !c.Warn }) || f.Source == reachableSource {
		return f.Source
	}
	return DefaultSource
}

// decides reports whether any check of the file does more than warn.
func (f File) decides() bool {
	return slices.ContainsFunc(f.Checks, func(c Check) bool { return !c.Warn })
}

// reachableSource is the Source of Reachable.
const reachableSource = "reachable"

// Reachable is what a release must do whose checks ask nothing over HTTP: pass
// an answer of its own on to whoever asks. 502 and 504 are those of a proxy that
// did not get one.
func Reachable() File {
	file := Default()
	file.Source = reachableSource
	file.Checks[0].Status = Statuses{{Min: 200, Max: 501}, {Min: 503, Max: 503}, {Min: 505, Max: 599}}
	return file
}

// AndReachable is the file with the check of Reachable, where no check of it
// asks over HTTP at the target's own port, and decides: a command in a container
// may be content long before anybody could reach the app.
func (f File) AndReachable() File {
	asks := slices.ContainsFunc(f.Checks, func(c Check) bool { return c.Kind == KindHTTP && c.Port == 0 && !c.Warn })
	if asks {
		return f
	}
	f.Checks = append(slices.Clone(f.Checks), Reachable().first())
	return f
}

// first is the file's first check with the file's pace, for use in another.
func (f File) first() Check {
	check := f.Checks[0]
	pace := f.pace(check)
	check.Pace = &pace
	return check
}

// Budget is how long check c of the file may take to pass, counted from the
// moment the lines before it have passed: its delay, and Attempts tries, each
// preceded by a pause of Wait and Timeout long. Uptime comes on top.
func (f File) Budget(c Check) time.Duration {
	p := f.pace(c)
	each := p.Wait + p.Timeout
	if each > 0 && time.Duration(p.Attempts) > maxBudget/each { // the product would overflow
		return maxBudget
	}
	return min(p.Delay+time.Duration(p.Attempts)*each+c.Uptime, maxBudget)
}

// pace is how c is tried, with its defaults.
func (f File) pace(c Check) Pace {
	p := Pace{Wait: f.Wait, Timeout: f.Timeout, Attempts: f.Attempts}
	if c.Pace != nil {
		p = *c.Pace
	}
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	if p.Attempts <= 0 {
		p.Attempts = DefaultAttempts
	}
	return p
}

// Where names the check's place in the file called source: `CHECKS line 3`.
func (c Check) Where(source string) string {
	switch {
	case c.Line == 0:
		return "default check"
	case c.Name == healthcheckName: // nobody wrote its line
		return source
	}
	return fmt.Sprintf("%s line %d", source, c.Line)
}

func defaultCheck() Check {
	return Check{Raw: "/", URL: "/", Scheme: "http", Path: "/", Status: Statuses{{Min: 200, Max: 499}}}
}
