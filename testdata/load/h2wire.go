package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// h2Window is how many bytes the server may send on a connection and on each
	// of its streams: more than any of them ever has, so that no more is granted.
	h2Window = 1 << 30
	// h2Glance bounds the look for what the server sent on an idle connection,
	// where the kernel says that something has come. That may be a part of TLS
	// alone, such as a session ticket.
	h2Glance = time.Millisecond
)

// An h2wire is one client's HTTP/2 connection over TLS, with one stream at a
// time. It speaks in frames, since both of Go's HTTP/2 clients send a request
// again by themselves when the server has turned it away.
//
// Where the server says GOAWAY, the stream in flight is finished if it is one of
// those that the server will answer, else it is turned away; the next request
// opens another connection. Between two requests the client reads what has come,
// as those do that read all the time.
type h2wire struct {
	address, host     string
	tls               *tls.Config
	opened, announced func()

	conn    *tls.Conn
	idle    func() bool // whether nothing has come
	in      *bufio.Reader
	framer  *http2.Framer
	block   bytes.Buffer // what encoder writes
	encoder *hpack.Encoder
	next    uint32 // stream
	settled bool   // the server's settings were read
	away    bool   // GOAWAY was read

	frame     uint32 // bytes that the server takes in one
	window    int64  // bytes that it still takes on the connection
	perStream int64  // bytes that it takes on a new stream
}

func (w *h2wire) do(q request, limit time.Duration) (reply, error) {
	deadline := time.Now().Add(limit)
	if w.conn != nil && !w.usable() {
		w.leave()
	}
	if w.conn == nil {
		if err := w.open(deadline); err != nil {
			return reply{}, err
		}
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return reply{}, err
	}
	s := &h2stream{id: w.next, window: w.perStream}
	w.next += 2
	err := w.send(s, q)
	if err != nil && !errors.Is(err, errTurnedAway) {
		err = w.lastWords(s, err)
	}
	for err == nil && !s.ended {
		err = w.step(s)
	}
	if w.away {
		w.leave()
	}
	return s.reply, err
}

// send writes the header, and the body as far as the server takes it.
func (w *h2wire) send(s *h2stream, q request) error {
	w.block.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: q.method}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: w.host}, {Name: ":path", Value: q.path},
		{Name: "x-load-id", Value: q.id}, {Name: "content-length", Value: strconv.Itoa(q.length())},
	} {
		if err := w.encoder.WriteField(field); err != nil {
			return err
		}
	}
	err := w.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: s.id, BlockFragment: w.block.Bytes(), EndHeaders: true, EndStream: q.length() == 0,
	})
	if err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	if len(q.body) > 0 {
		return w.data(s, q.body, len(q.pieces) == 0)
	}
	if len(q.pieces) == 0 {
		return nil
	}
	tick := time.NewTicker(q.every)
	defer tick.Stop()
	for i, piece := range q.pieces {
		<-tick.C // bounded: the pieces are counted, and the connection has a deadline
		if err := w.data(s, piece, i == len(q.pieces)-1); err != nil || s.ended {
			return err
		}
	}
	return nil
}

// data sends a part of the body, and reads where the server takes no more.
func (w *h2wire) data(s *h2stream, part []byte, last bool) error {
	for len(part) > 0 && !s.ended {
		n := min(int64(len(part)), int64(w.frame), s.window, w.window)
		if n <= 0 {
			if err := w.step(s); err != nil {
				return err
			}
			continue
		}
		if err := w.framer.WriteData(s.id, last && n == int64(len(part)), part[:n]); err != nil {
			return fmt.Errorf("sending the body: %w", err)
		}
		part = part[n:]
		s.window -= n
		w.window -= n
	}
	return nil
}

// lastWords reads what the server said before it stopped listening; err is how
// that was noticed, and stands if it said nothing of the stream.
func (w *h2wire) lastWords(s *h2stream, err error) error {
	if w.conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return err
	}
	for !s.ended {
		if last := w.step(s); errors.Is(last, errTurnedAway) {
			return last
		} else if last != nil {
			return err
		}
	}
	return nil
}

// usable reads what has come since the last request, and reports whether the
// connection may have another one.
func (w *h2wire) usable() bool {
	for !w.away && (w.in.Buffered() > 0 || !w.idle()) {
		if w.conn.SetDeadline(time.Now().Add(h2Glance)) != nil {
			return false
		}
		if _, err := w.in.Peek(1); err != nil {
			if isTimeout(err) {
				break
			}
			return false
		}
		if w.conn.SetDeadline(time.Now().Add(DefaultTimeout)) != nil || w.step(nil) != nil {
			return false
		}
	}
	return !w.away
}

func (w *h2wire) open(deadline time.Time) error {
	tcp, err := (&net.Dialer{Deadline: deadline}).Dial("tcp4", w.address)
	if err != nil {
		return err
	}
	w.opened()
	config := w.tls.Clone()
	config.NextProtos = []string{http2.NextProtoTLS}
	if config.ServerName == "" {
		config.ServerName = hostname(w.host)
	}
	w.conn = tls.Client(tcp, config)
	w.idle = func() bool { return nothingCame(tcp.(*net.TCPConn)) }
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if err := w.conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shaking hands: %w", timeoutOf(ctx, err))
	}
	if got := w.conn.ConnectionState().NegotiatedProtocol; got != http2.NextProtoTLS {
		return fmt.Errorf("the server speaks %q, not HTTP/2", got)
	}
	return w.greet(deadline)
}

// greet sends the client's side of the connection's beginning, and reads the
// server's.
func (w *h2wire) greet(deadline time.Time) error {
	w.in = bufio.NewReaderSize(w.conn, 32<<10) // a whole record of TLS, so that none stays hidden
	w.framer = http2.NewFramer(w.conn, w.in)
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.block.Reset()
	w.encoder = hpack.NewEncoder(&w.block)
	w.next, w.away = 1, false
	// RFC 9113: what holds until the server says otherwise (6.5.2, 6.9.2).
	w.frame, w.window, w.perStream = 16384, 65535, 65535
	if err := w.conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, err := io.WriteString(w.conn, http2.ClientPreface)
	err = errors.Join(err,
		w.framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2Window}),
		w.framer.WriteWindowUpdate(0, h2Window-65535))
	// What the server takes is in its first frame; some hold a client to it that
	// has not read it yet.
	for w.settled = false; err == nil && !w.settled && !w.away; {
		err = w.step(nil)
	}
	if err == nil && w.away {
		return fmt.Errorf("%w: the server goes away at once", errTurnedAway)
	}
	return err
}

// leave closes a connection that the server ended between two requests or has
// announced to end.
func (w *h2wire) leave() {
	if w.away {
		w.announced()
	}
	w.close()
}

func (w *h2wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}
