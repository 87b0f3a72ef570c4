package checks

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// maxHeader limits the header of an answer, in bytes.
const maxHeader = 256 << 10

// lines are the ways to one target: its own port, and others that checks name.
type lines struct {
	address string
	tls     bool

	mu     sync.Mutex
	direct map[int]*direct
	http2  map[int]*direct
}

func newLines(address string, tls bool) *lines {
	return &lines{address: address, tls: tls, direct: map[int]*direct{}, http2: map[int]*direct{}}
}

// to is the way to a port; 0 is the target's own.
func (l *lines) to(port int) *direct { return l.way(l.direct, port, newDirect) }

// overHTTP2 is the way to a port for gRPC.
func (l *lines) overHTTP2(port int) *direct { return l.way(l.http2, port, newHTTP2) }

func (l *lines) way(known map[int]*direct, port int, make func(string) *direct) *direct {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known[port] == nil {
		known[port] = make(l.at(port))
		known[port].tls = l.tls
	}
	return known[port]
}

// at is the address with another port.
func (l *lines) at(port int) string {
	host, _, err := net.SplitHostPort(l.address)
	if port == 0 || err != nil {
		return l.address
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, known := range []map[int]*direct{l.direct, l.http2} {
		for _, d := range known {
			d.close()
		}
	}
}

// direct is a transport whose every connection goes to one address. It keeps
// account of them, so that close can promise that none is left.
type direct struct {
	*http.Transport
	address string
	tls     bool // is what is spoken, so that an answer of it is no surprise

	mu     sync.Mutex
	closed bool
	open   map[*conn]struct{}
}

func newDirect(address string) *direct {
	d := &direct{address: address, open: map[*conn]struct{}{}}
	// The zero Proxy is no proxy, whatever the environment says.
	d.Transport = &http.Transport{
		DialContext:            d.dial,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        1 << 10,
	}
	return d
}

// newHTTP2 speaks HTTP/2 without TLS from the first byte on (RFC 9113, section
// 3.3), as gRPC does.
func newHTTP2(address string) *direct {
	d := newDirect(address)
	d.Protocols = new(http.Protocols)
	d.Protocols.SetUnencryptedHTTP2(true)
	return d
}

func (d *direct) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	// Multipath TCP costs a second socket, keep-alive probes outlive nothing.
	dialer := net.Dialer{KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	raw, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, owner: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	d.open[c] = struct{}{}
	return c, nil
}

// close closes every connection that is still open and refuses new ones.
func (d *direct) close() {
	d.mu.Lock()
	d.closed = true
	left := d.open
	d.open = map[*conn]struct{}{}
	d.mu.Unlock()
	for c := range left {
		_ = c.Conn.Close()
	}
	d.CloseIdleConnections()
}

// conn remembers how the answer began.
type conn struct {
	net.Conn
	owner *direct

	mu    sync.Mutex
	first []byte
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if missing := 3 - len(c.first); missing > 0 {
		c.first = append(c.first, b[:min(n, missing)]...)
	}
	return n, err
}

func (c *conn) Close() error {
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
	return !c.owner.tls && len(c.first) >= 2 && (c.first[0] == 21 || c.first[0] == 22) && c.first[1] == 3
}
