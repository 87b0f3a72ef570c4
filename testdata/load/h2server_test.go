package load

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// secured serves handler by HTTP/2 over TLS, and returns where, and what trusts
// it. It takes no more than 100 bytes of a body until they are read.
func secured(t *testing.T, handler http.Handler) (address string, trusting *tls.Config) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 100}
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.Listener.Addr().String(), trust(server)
}

// trust is a client that believes the server, which is called example.com.
func trust(server *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// framed is an HTTP/2 server of frames, which can do what no good one does: its
// fault is asked at the end of each request and deals with the stream if it
// returns true.
type framed struct {
	*testApp
	trusting *tls.Config
	fault    func(*framedConn, uint32, string) bool
}

// framedConn is one client's connection to it. Requests come one at a time.
type framedConn struct {
	net.Conn
	*http2.Framer
	body bytes.Buffer
}

func newFramed(t *testing.T, fault func(c *framedConn, stream uint32, id string) bool) *framed {
	t.Helper()
	certificates := httptest.NewTLSServer(nil) // for its certificate alone
	t.Cleanup(certificates.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: certificates.TLS.Certificates, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &framed{testApp: newApp(t, nil), trusting: trust(certificates), fault: fault}
	f.address = listener.Addr().String()
	var open sync.WaitGroup
	t.Cleanup(func() { listener.Close(); open.Wait() })
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { f.serve(conn) })
		}
	})
	return f
}

func (f *framed) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c := &framedConn{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.WriteSettings()
	c.WriteWindowUpdate(0, 1<<30)
	id := ""
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				c.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, field := range frame.RegularFields() {
				if field.Name == "x-load-id" {
					id = field.Value
				}
			}
			c.body.Reset()
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			c.body.Write(frame.Data())
			ended = frame.StreamEnded()
		}
		if stream := frame.Header().StreamID; ended && !f.fault(c, stream, id) {
			f.record(id)
			c.answer(stream, id, echo(id, "v1", &c.body))
		}
	}
}

func (c *framedConn) answer(stream uint32, id, body string) {
	c.head(stream, "200", id)
	c.WriteData(stream, true, []byte(body))
}

func (c *framedConn) head(stream uint32, status, id string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.WriteField(hpack.HeaderField{Name: ":status", Value: status})
	encoder.WriteField(hpack.HeaderField{Name: "x-version", Value: "v1"})
	encoder.WriteField(hpack.HeaderField{Name: "x-load-id", Value: id})
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
}

// fifth lets bad deal with the fifth request alone.
func fifth(bad func(c *framedConn, stream uint32, id string)) func(*framedConn, uint32, string) bool {
	var seen atomic.Int64
	return func(c *framedConn, stream uint32, id string) bool {
		if seen.Add(1) != 5 {
			return false
		}
		bad(c, stream, id)
		return true
	}
}
