package hook

import (
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Failed says that a hook ran and did not end well.
type Failed struct {
	Path     string
	Code     int            // exit code; -1 when a signal ended it
	Signal   syscall.Signal // that ended it; 0 when it exited
	TimedOut bool           // killed after Limit; Code and Signal then say how it took that
	Limit    time.Duration
	Tail     []string // the last lines that it wrote, 10 at most, without control characters
}

func (e *Failed) Error() string {
	name := filepath.Base(e.Path)
	switch {
	case e.TimedOut:
		return fmt.Sprintf("hook %q was killed after its limit of %v", name, e.Limit)
	case e.Signal != 0:
		return fmt.Sprintf("hook %q was ended by %s", name, signalName(e.Signal))
	}
	return fmt.Sprintf("hook %q ended with exit code %d", name, e.Code)
}

// signalName is SIGSEGV where fmt would say "segmentation fault".
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
