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
}

func (e *Refused) Error() string {
	if e.File != "" && !e.Ours {
		return fmt.Sprintf("nginx refuses its configuration because of %q, which is not zdd's: %s", e.File, e.Output)
	}
	return "nginx refuses the configuration: " + e.Output
}

// NotTaken says that nginx accepted the configuration but did not start to
// serve it in time. The former configuration is restored and proven to serve.
type NotTaken struct {
	Generation int      // the number that was awaited
	Awaited    string   // what did not come, for how long, and what was seen last
	Log        []string // new lines of nginx's error log, at most 10
	Err        error    // context.Canceled when the caller gave up waiting; else nil
}

func (e *NotTaken) Error() string {
	return "nginx did not take the configuration: " + e.Awaited + quoteLog(e.Log)
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
// that is too old, none running, or its door is silent.
type Unreachable struct {
	Reason string
	Err    error // may be nil
}

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
