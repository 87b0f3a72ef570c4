package checks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// lines are the ways to one target: its own port, and others that checks name.
type lines struct {
	address string
	tls     *tls.Config

	mu     sync.Mutex
	direct map[int]*direct
}

func newLines(address string, tls *tls.Config) *lines {
	return &lines{address: address, tls: tls, direct: map[int]*direct{}}
}

// to is the way to a port; 0 is the target's own.
func (l *lines) to(port int) *direct {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.direct[port] == nil {
		l.direct[port] = newDirect(withPort(l.address, port), l.tls)
	}
	return l.direct[port]
}

// withPort is the address with another port, or as it is for 0.
func withPort(address string, port int) string {
	host, _, err := net.SplitHostPort(address)
	if port == 0 || err != nil {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.direct {
		d.close()
	}
}

// direct is a client whose every connection goes to one address. It keeps
// account of them, so that close can promise that none is left. Each request
// has a connection of its own: an app that hung up on an idle one would look as
// if it had failed.
//
// It stands in for http.Transport, which takes three goroutines and thrice the
// time for a request, knows of proxies, and ends its connections some time
// after it was told to.
type direct struct {
	address string
	tls     *tls.Config // what is spoken, nil for nothing

	mu     sync.Mutex
	closed bool
	open   map[*conn]struct{}
	http2  *http.Transport // nil until somebody wants it
}

var _ http.RoundTripper = (*direct)(nil)

func newDirect(address string, tls *tls.Config) *direct {
	return &direct{address: address, tls: tls, open: map[*conn]struct{}{}}
}

// RoundTrip makes the request by HTTP/1.1. Closing the answer's body closes the
// connection, and so does the end of the request's context.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	var head bytes.Buffer
	if err := r.Write(&head); err != nil {
		return nil, err
	}
	c, err := d.connect(r.Context(), r.URL.Hostname())
	if err != nil {
		return nil, err
	}
	reader := readers.Get().(*bufio.Reader)
	response, err := c.exchange(r, head.Bytes(), reader)
	if err != nil {
		_ = c.Close()
		readers.Put(reader)
		return nil, err
	}
	response.Body = &ownBody{response.Body, c, reader}
	return response, nil
}

// connect makes a connection that ends with ctx, and speaks TLS on it where
// that is wanted.
func (d *direct) connect(ctx context.Context, host string) (*conn, error) {
	c, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.forget = context.AfterFunc(ctx, func() { _ = c.Conn.Close() })
	c.spoken = c
	if d.tls != nil {
		secured := d.tls.Clone()
		if secured.ServerName == "" {
			secured.ServerName = host
		}
		client := tls.Client(c, secured)
		if err := client.HandshakeContext(ctx); err != nil {
			_ = c.Close()
			return nil, &handshakeError{err}
		}
		c.spoken = client
	}
	c.announce(ctx)
	return c, nil
}

// handshakeError is a connection on which no TLS came about.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func (d *direct) dial(ctx context.Context) (*conn, error) {
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
	http2 := d.http2
	d.mu.Unlock()
	for c := range left {
		_ = c.Conn.Close()
	}
	if http2 != nil {
		http2.CloseIdleConnections()
	}
}

// overHTTP2 speaks HTTP/2 as gRPC does: without TLS from the first byte on (RFC
// 9113, section 3.3), unless TLS is spoken.
func (d *direct) overHTTP2() http.RoundTripper {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.http2 != nil {
		return d.http2
	}
	// The zero Proxy is no proxy, whatever the environment says.
	d.http2 = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := d.dial(ctx)
			if err != nil {
				return nil, err
			}
			c.announce(ctx) // net/http does so later, when the app may have hung up
			return c, nil
		},
		TLSClientConfig:        d.tls,
		Protocols:              new(http.Protocols),
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	d.http2.Protocols.SetHTTP2(d.tls != nil)
	d.http2.Protocols.SetUnencryptedHTTP2(d.tls == nil)
	return d.http2
}

// isHandshake reports whether err is about TLS that did not come about.
func isHandshake(err error) bool {
	var failed *handshakeError
	return errors.As(err, &failed)
}
