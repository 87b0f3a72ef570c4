package hook

import (
	"io"
	"os"
	"time"
)

// restOfOutput is how long Run reads on when the hook has ended and a child of
// it keeps the pipe open: long enough for a filter that the hook wrote through,
// too short to be noticed.
const restOfOutput = 500 * time.Millisecond

// output passes on what comes through the pipe to which a hook writes both its
// streams.
type output struct {
	pipe   *os.File // the end that is read
	to     io.Writer
	tail   tail
	closed chan struct{} // when everything that will be read has been passed on
}

// newOutput returns the end of the pipe for the hook, which the caller closes.
// to may be nil.
func newOutput(to io.Writer) (*output, *os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if to == nil {
		to = io.Discard
	}
	o := &output{pipe: read, to: to, closed: make(chan struct{})}
	go o.pass()
	return o, write, nil
}

// pass never leaves the pipe full: a writer that fails must not block the hook.
func (o *output) pass() {
	defer close(o.closed)
	defer o.pipe.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := o.pipe.Read(buf)
		o.tail.add(buf[:n])
		if n > 0 {
			_, _ = o.to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// finish takes the rest and returns the last lines. The hook has ended.
func (o *output) finish() []string {
	// Without a deadline a child that keeps the pipe could hold Run for ever; a
	// pipe that pass has closed needs none.
	_ = o.pipe.SetReadDeadline(time.Now().Add(restOfOutput))
	<-o.closed
	return o.tail.lines()
}
