package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Reasons of losses, beside "status N" and "release X is not allowed". They
// are few, so that they can be counted.
const (
	reasonRefused = "connection refused"
	reasonReset   = "connection reset"
	reasonClosed  = "connection closed before the answer"
	reasonCut     = "answer cut short"
	reasonTimeout = "no answer in time"
	reasonID      = "answer to another request"
	reasonBody    = "wrong body"
	reasonOther   = "connection failed"
)

// A fault is why a request counts as lost.
type fault struct {
	reason string // one of few
	detail string // what exactly was seen
}

// An outcome is what became of a request.
type outcome struct {
	begun, ended time.Time
	version      string // the release that answered, "" if none did
	answered     bool   // its own whole answer came
	cut          bool   // it ended early, and may
	fault        *fault // nil: answered or cut
}

// broken is the fault of a request whose connection failed, after as much of
// an answer as r holds.
func broken(err error, r reply) *fault {
	f := &fault{reason: reasonOther, detail: err.Error()}
	switch {
	case r.begun && r.status != 200:
		f.reason = fmt.Sprintf("status %d", r.status)
	case isTimeout(err):
		f.reason = reasonTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		f.reason = reasonRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		f.reason = reasonReset
	case r.begun:
		f.reason = reasonCut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.reason = reasonClosed
	}
	return f
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
