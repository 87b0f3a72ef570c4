package release

import (
	"fmt"
	"strconv"
	"strings"
)

// Invalid says that a value written by a person is not acceptable: in
// app.yaml, in an env file, in a flag.
type Invalid struct {
	File    string // path; "" when the value came from no file
	Line    int    // from 1; 0 when unknown
	Column  int    // from 1, in characters; 0 when unknown
	Key     string // what was set, such as domains[1]; "" for the file as a whole
	Message string // what is wrong, complete without the other fields
	Hint    string // what to do about it; "" when the message says it
}

// Error is the message after the place, as in "app.yaml:3:7: …".
func (e *Invalid) Error() string {
	if place := e.place(); place != "" {
		return place + ": " + e.Message
	}
	return e.Message
}

func (e *Invalid) place() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
		if e.Column > 0 {
			place += ":" + strconv.Itoa(e.Column)
		}
	}
	return strings.TrimPrefix(place, ":")
}

// InvalidName says that a name cannot be an app's.
type InvalidName struct {
	Name       string
	Suggestion string // a valid name made of the same letters; "" when there is none
}

func (e *InvalidName) Error() string {
	return fmt.Sprintf("app name %q: lower-case letters, digits and inner hyphens only, 1 to %d characters", e.Name, longestName)
}

// Hint says what to do about it.
func (e *InvalidName) Hint() string {
	if e.Suggestion == "" {
		return "choose a name such as web or my-shop"
	}
	return fmt.Sprintf("choose %q, for example", e.Suggestion)
}

// Corrupt says that a file which zdd wrote cannot be understood. Nothing was
// changed.
type Corrupt struct {
	File string
	Err  error
}

func (e *Corrupt) Error() string { return fmt.Sprintf("reading %q: %v", e.File, e.Err) }

// Unwrap returns what the parser said.
func (e *Corrupt) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Corrupt) Hint() string {
	return fmt.Sprintf("restore %q from a backup or correct it; a newer zdd may have written it", e.File)
}

// NoRelease says that an app has no release of that number.
type NoRelease struct {
	App     string
	Number  int
	Numbers []int // those that exist, ascending
}

func (e *NoRelease) Error() string {
	return fmt.Sprintf("app %q has no release %d", e.App, e.Number)
}

// Hint names the releases that exist.
func (e *NoRelease) Hint() string {
	if len(e.Numbers) == 0 {
		return fmt.Sprintf("app %q has no release yet", e.App)
	}
	numbers := make([]string, len(e.Numbers))
	for i, n := range e.Numbers {
		numbers[i] = strconv.Itoa(n)
	}
	return "these exist: " + strings.Join(numbers, ", ")
}

// ReleaseExists says that a release would have been changed.
type ReleaseExists struct {
	App    string
	Number int
}

func (e *ReleaseExists) Error() string {
	return fmt.Sprintf("release %d of app %q exists and is never changed", e.Number, e.App)
}

// Locked says that another command held the lock until the wait was over.
type Locked struct {
	Path   string // the lock file
	Holder Holder // zero when unknown
	// Free says that nobody holds it: a command that came before waits for it, and
	// does not go on.
	Free bool
}

func (e *Locked) Error() string {
	if e.Free {
		return fmt.Sprintf("%q is free, but a command that came before has yet to take it; perhaps it was suspended", e.Path)
	}
	return fmt.Sprintf("%q is locked by %s", e.Path, e.Holder)
}

// Hint says what to do next, "" where the holder says all.
func (e *Locked) Hint() string {
	if e.Free {
		return fmt.Sprintf("let it go on, or end it (fuser -v %s shows it); or wait longer, and be served all the same: --wait 1m", e.Path)
	}
	return ""
}
