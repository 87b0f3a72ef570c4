package checks

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// maxHeader limits the header of an answer, in bytes.
const maxHeader = 256 << 10

// direct is a transport whose every connection goes to one address. It keeps
// account of them, so that close can promise that none is left.
type direct struct {
	*http.Transport
	address string

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

// speaksTLS reports whether the answer began with a TLS alert or handshake
// record (RFC 8446, section 5.1).
func (c *conn) speaksTLS() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.first) >= 2 && (c.first[0] == 21 || c.first[0] == 22) && c.first[1] == 3
}
