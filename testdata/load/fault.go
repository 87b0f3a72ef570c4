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
	reasonStream  = "stream reset"
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
	turnedAway   bool   // the server said that it did not look at it
	exposed      bool   // lost as [Config.Exposed] describes
	fault        *fault // nil: one of these
}

// errTurnedAway is the end of a request of which an HTTP/2 server said that it
// did not look at it.
var errTurnedAway = errors.New("turned away")

// errStreamReset is the end of a request that an HTTP/2 server gave up.
var errStreamReset = errors.New("the server reset the stream")

// hungUp reports whether a connection ended because the server closed it.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
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
	case errors.Is(err, errStreamReset):
		f.reason = reasonStream
	case r.begun:
		f.reason = reasonCut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.reason = reasonClosed
	}
	return f
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
