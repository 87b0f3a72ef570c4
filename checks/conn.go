package checks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

const (
	// maxHeader limits the header of an answer, and of all interim answers
	// before it, in bytes.
	maxHeader = 256 << 10
	// readStep is how much is read from a connection at a time, in bytes.
	readStep = 4 << 10
)

// errEndlessHeader is the error of an answer that never comes to its body.
var errEndlessHeader = fmt.Errorf("the header is longer than %d KiB", maxHeader>>10)

// conn is a connection to a target. It remembers how the answer began.
type conn struct {
	net.Conn
	owner  *direct
	spoken net.Conn    // what HTTP/1.1 goes over: itself, or TLS on it
	forget func() bool // ends what would close it with its context

	mu    sync.Mutex
	first []byte
}

// announce tells whoever traces ctx of the connection.
func (c *conn) announce(ctx context.Context) {
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c})
	}
}

// exchange writes the request and reads the header of its answer.
func (c *conn) exchange(r *http.Request, head []byte, reader *bufio.Reader) (*http.Response, error) {
	// An app may answer and hang up before it has read all: what it said counts.
	_, unsent := c.spoken.Write(head)
	answer := &source{r: c.spoken, left: maxHeader}
	reader.Reset(answer)
	for {
		response, err := http.ReadResponse(reader, r)
		switch {
		case err != nil && unsent != nil:
			return nil, unsent
		case err != nil:
			return nil, c.blame(err, answer)
		case response.StatusCode < 100 || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols:
			answer.left = math.MaxInt
			return response, nil
		}
	}
}

// blame is why no answer could be read: err is what was wrong with it as far as
// it came, which is no news when it did not come whole.
func (c *conn) blame(err error, answer *source) error {
	switch {
	case answer.err == nil:
		return err
	case !errors.Is(answer.err, io.EOF):
		return answer.err
	case !answer.begun:
		return io.EOF
	case c.speaksHTTP1():
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}

// source is what an answer is read from. It remembers why it ended, as the
// readers above it do not, and has a limit as long as the header is read.
type source struct {
	r     io.Reader
	left  int
	begun bool
	err   error
}

func (s *source) Read(b []byte) (n int, err error) {
	if s.err == nil && s.left == 0 {
		s.err = errEndlessHeader
	}
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.r.Read(b[:min(len(b), s.left)])
	s.left -= n
	s.begun = s.begun || n > 0
	return n, s.err
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if missing := 5 - len(c.first); missing > 0 {
		c.first = append(c.first, b[:min(n, missing)]...)
	}
	return n, err
}

func (c *conn) Close() error {
	if c.forget != nil {
		c.forget()
	}
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// speaksTLS reports whether the answer began, where nobody asked for it, with a
// TLS alert or handshake record (RFC 8446, section 5.1).
func (c *conn) speaksTLS() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owner.tls == nil && len(c.first) >= 2 && (c.first[0] == 21 || c.first[0] == 22) && c.first[1] == 3
}

// silent reports whether nothing came.
func (c *conn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.first) == 0
}

// speaksHTTP1 reports whether the answer began like one of HTTP/1.
func (c *conn) speaksHTTP1() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Equal(c.first, []byte("HTTP/"))
}

// readers hold what hundreds of checks at once would else make anew.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readStep) }}

// ownBody closes the connection that it comes by. The body of net/http would
// first read on to its end, which may never come.
type ownBody struct {
	io.Reader
	conn   io.Closer
	reader *bufio.Reader // below Reader; nil when closed
}

func (b *ownBody) Close() error {
	if b.reader != nil {
		b.Reader = http.NoBody
		b.reader.Reset(nil)
		readers.Put(b.reader)
		b.reader = nil
	}
	return b.conn.Close()
}
