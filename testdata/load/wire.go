package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// mostBody bounds an answer's body, in bytes.
const mostBody = 4 << 20

// A reply is an answer as far as it came.
type reply struct {
	begun   bool // there was a status line and a header
	status  int
	id      string
	version string
	body    []byte
	// unheard is how long the client has not asked on this connection: from the
	// beginning of the request before to where this one was written. Zero for the
	// first one of a connection.
	unheard time.Duration
}

// A carrier brings one request after the other to the server and its answer
// back, each within limit, and never sends one again.
type carrier interface {
	do(q request, limit time.Duration) (reply, error)
	close()
}

// A wire is one client's HTTP/1.1 connection. It is opened when it is needed,
// and never used for a second try.
type wire struct {
	address   string
	host      string        // of the header
	fresh     bool          // for one request only
	keepAlive time.Duration // idle for longer, it may be closed by the server
	opened    func()        // a connection was opened
	announced func()        // the server closed one and had said so

	conn *net.TCPConn
	in   *bufio.Reader
	idle time.Time // since when; of a connection that was used

	asked   time.Time     // the beginning of the last request on conn
	unheard time.Duration // of the request in flight, as in its reply
}

func (w *wire) do(q request, limit time.Duration) (reply, error) {
	deadline := time.Now().Add(limit)
	w.unheard = 0
	r, err := reply{}, w.send(q, deadline)
	if err != nil {
		r = w.lastWords(q)
	} else {
		r, err = w.receive(q)
	}
	r.unheard = w.unheard
	return r, err
}

// send writes q on an open connection. One that was idle for long may have been
// closed, and as nothing of q is written yet another does as well. One that was
// just used is trusted blindly: the server had its chance to say that it will
// close, and a client that has begun to send cannot take it back.
func (w *wire) send(q request, deadline time.Time) error {
	if w.conn != nil && time.Since(w.idle) > w.keepAlive && w.closedByServer() {
		w.close()
	}
	former := w.asked
	if w.conn == nil {
		if err := w.open(deadline); err != nil {
			return err
		}
		former = time.Time{}
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return err
	}
	w.asked = time.Now()
	if _, err := w.conn.Write(w.head(q)); err != nil {
		w.waited(former)
		return fmt.Errorf("sending the request: %w", err)
	}
	w.waited(former)
	return w.sendPieces(q)
}

// waited notes for how long the client did not ask, which ends now.
func (w *wire) waited(former time.Time) {
	if !former.IsZero() {
		w.unheard = time.Since(former)
	}
}

// head is what is written at once.
func (w *wire) head(q request) []byte {
	last := ""
	if w.fresh {
		last = "Connection: close\r\n"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		q.method, q.path, w.host, idHeader, q.id, q.length(), last, q.body)
}

func (w *wire) sendPieces(q request) error {
	if len(q.pieces) == 0 {
		return nil
	}
	tick := time.NewTicker(q.every)
	defer tick.Stop()
	for _, piece := range q.pieces {
		<-tick.C // bounded: the pieces are counted, and the connection has a deadline
		if _, err := w.conn.Write(piece); err != nil {
			return fmt.Errorf("sending the body: %w", err)
		}
	}
	return nil
}

func (w *wire) receive(q request) (reply, error) {
	response, err := http.ReadResponse(w.in, &http.Request{Method: q.method})
	if err != nil {
		return reply{}, fmt.Errorf("reading the answer: %w", err)
	}
	defer response.Body.Close()
	r := reply{
		begun:   true,
		status:  response.StatusCode,
		id:      response.Header.Get(idHeader),
		version: response.Header.Get(versionHeader),
	}
	body := bytes.Buffer{}
	n, err := body.ReadFrom(io.LimitReader(response.Body, mostBody+1))
	r.body = body.Bytes()
	if err == nil && n > mostBody {
		err = fmt.Errorf("longer than %d bytes", mostBody)
	}
	if err != nil {
		return r, fmt.Errorf("reading the answer's body: %w", err)
	}
	w.idle = time.Now()
	if response.Close {
		w.announced()
		w.close()
	}
	return r, nil
}

// lastWords reads what the server said before it stopped listening: a server
// that refuses an upload answers, and closes.
func (w *wire) lastWords(q request) reply {
	if w.conn == nil || w.conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return reply{}
	}
	r, _ := w.receive(q)
	return r
}

func (w *wire) open(deadline time.Time) error {
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.Dial("tcp4", w.address)
	if err != nil {
		return err
	}
	w.opened()
	w.conn = conn.(*net.TCPConn)
	w.in = bufio.NewReader(w.conn)
	return nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn, w.in = nil, nil
	}
}

// closedByServer reports whether the server has closed or reset the idle
// connection, as far as this machine knows by now. Bytes that nobody asked for
// make a connection unusable too; they come before a close.
func (w *wire) closedByServer() bool {
	return w.in.Buffered() > 0 || !nothingCame(w.conn)
}

// nothingCame reports whether the kernel has neither bytes for the connection
// nor its end.
func nothingCame(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		open = errors.Is(err, unix.EAGAIN)
	})
	return err == nil && open
}
