package nginx

import (
	"fmt"
	"strings"
)

// Invalid says that a value may not stand in nginx's configuration or makes no
// sense there. Nothing was changed.
type Invalid struct {
	Field  string // which setting, in the words of Site or Config
	Value  string
	Reason string
}

func (e *Invalid) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Reason)
}

// Refused says that `nginx -t` did not accept the configuration. The former
// files are back; nginx was not touched.
type Refused struct {
	Output string // nginx's own words
	File   string // the file that nginx names, "" when it names none
	Ours   bool   // whether File is one that zdd wrote
	App    string // whose site File belongs to, "" when it is no app's
}

func (e *Refused) Error() string {
	switch {
	case e.File == "":
		return "nginx refuses the configuration: " + e.Output
	case !e.Ours:
		return fmt.Sprintf("nginx refuses its configuration because of %q, which is not zdd's: %s", e.File, e.Output)
	case e.App == "":
		return fmt.Sprintf("nginx refuses the configuration because of zdd's %q: %s", e.File, e.Output)
	}
	return fmt.Sprintf("nginx refuses the configuration because of %q, which is of app %q: %s", e.File, e.App, e.Output)
}

// NotTaken says that nginx accepted the configuration but did not start to
// serve it in time. The former configuration is restored and proven to serve.
type NotTaken struct {
	Generation int      // the number that was awaited
	Awaited    string   // what did not come, for how long, and what was seen last
	Log        []string // new lines of nginx's error log, at most 10
	Taken      []string // the addresses that others listen on, and who, in words
	Err        error    // context.Canceled when the caller gave up waiting; else nil
}

func (e *NotTaken) Error() string {
	why := ""
	if len(e.Taken) > 0 {
		why = strings.Join(e.Taken, ", ") + ": "
	}
	return "nginx did not take the configuration: " + why + e.Awaited + quoteLog(e.Log)
}

// takenHint says what to do about a port in use.
const takenHint = "end what listens there, or let nginx listen elsewhere; then run the command again"

// Hint says what to do about a port in use, else "".
func (e *NotTaken) Hint() string {
	if len(e.Taken) == 0 {
		return ""
	}
	return takenHint
}

func (e *NotTaken) Unwrap() error { return e.Err }

// Unrestored says that a change failed and that putting back the former
// configuration failed too: an operator is needed.
type Unrestored struct {
	Cause   error // why the change failed
	Restore error // why the restoration failed
}

func (e *Unrestored) Error() string {
	return fmt.Sprintf("%v; restoring the former configuration: %v", e.Cause, e.Restore)
}

func (e *Unrestored) Unwrap() []error { return []error{e.Cause, e.Restore} }

// Unreachable says that there is no nginx to work with: no program, a version
// that is too old, none running, one that is stopped, or its door is silent.
type Unreachable struct {
	Reason string
	Next   string // what to do about it; may be ""
	Err    error  // may be nil
}

// Hint says what to do next, "" where Reason says all.
func (e *Unreachable) Hint() string { return e.Next }

func (e *Unreachable) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// UnknownApp says that the running nginx has no site for the app.
type UnknownApp struct{ App string }

func (e *UnknownApp) Error() string {
	return fmt.Sprintf("the running nginx has no site for app %q", e.App)
}

func quoteLog(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "; its error log says: " + strings.Join(lines, " | ")
}
