package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Defaults of a [Config], taken where the field is zero.
const (
	DefaultClients    = 64
	DefaultUploadTime = 2 * time.Second
	DefaultAnswerTime = 1500 * time.Millisecond
	DefaultStreamTime = 5 * time.Second
	DefaultKeepAlive  = 10 * time.Second
	DefaultTimeout    = 30 * time.Second
	DefaultLimit      = 5 * time.Minute
	DefaultLosses     = 20
)

// Config says what a run sends, and where to. Only Address must be set.
type Config struct {
	// Address is the server's, IP:PORT within 127.0.0.0/8. It is also asked
	// when Host names somebody else.
	Address string
	// Host is the Host header; Address if empty.
	Host string

	// Clients is the number of clients that post as fast as they are answered,
	// [DefaultClients] if zero, none if negative; Gets of those that get. Pause
	// is how long each client waits between two requests: a load that only has
	// to notice losses leaves the processors to others.
	Clients, Gets int
	Pause         time.Duration

	// Fresh makes a new connection for each request, and says so to the server
	// (Connection: close). Else a client keeps one connection.
	Fresh bool

	// TLS makes the clients speak HTTP/2 over TLS, and says whom they trust;
	// ServerName is Host if empty. nil is HTTP/1.1 without TLS. Websockets and
	// Fresh are for HTTP/1.1 only.
	TLS *tls.Config

	// SlowUploads is the number of clients that send a body in pieces over
	// UploadTime, SlowAnswers of those that ask for an answer after
	// AnswerTime, Streams of those that follow a stream of StreamTime, and
	// Websockets of those that hold a websocket and talk every 100 ms.
	SlowUploads, SlowAnswers, Streams, Websockets int
	UploadTime, AnswerTime, StreamTime            time.Duration

	// CutStreams says that a stream may end early: set it where StreamTime is
	// longer than the drain. Such an end counts as [Report.Cut].
	CutStreams bool

	// KeepAlive is how long a connection may be idle and still be expected to
	// be open, [DefaultKeepAlive] if zero. A server that closes it sooner, and
	// did not announce that, loses the next request on it.
	KeepAlive time.Duration

	// Exposed, if not zero, tells a loss that the server cannot prevent from one
	// that it can: where so much time went by from the beginning of a request to
	// the moment when the next one was on the same HTTP/1.1 connection, and the
	// server closed in place of answering that one, it counts as
	// [Report.Exposed] and not as lost. Set it to the time for which answers
	// carry Connection: close before a reload: who asks more often is told.
	// Uploads are never exposed: what breaks in the middle is a loss.
	Exposed time.Duration

	// Allowed are the releases that may answer; any if empty. [Run.Allow]
	// changes it.
	Allowed []string

	// Timeout is how long a request may take beyond the time it asks for,
	// [DefaultTimeout] if zero. Limit is how long requests are sent,
	// [DefaultLimit] if zero, whatever the caller forgets.
	Timeout, Limit time.Duration

	// Losses is how many losses the report tells one by one, [DefaultLosses]
	// if zero. All are counted.
	Losses int
}

// withDefaults fills in what is not set, and refuses what must not be sent.
func (c Config) withDefaults() (Config, error) {
	address, err := netip.ParseAddrPort(c.Address)
	if err != nil {
		return c, fmt.Errorf("address to load %q: want IP:PORT: %w", c.Address, err)
	}
	if ip := address.Addr(); !ip.Is4() || !ip.IsLoopback() {
		return c, fmt.Errorf("address to load %q: only 127.0.0.0/8 is loaded", c.Address)
	}
	if c.Host == "" {
		c.Host = c.Address
	}
	if strings.ContainsFunc(c.Host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return c, fmt.Errorf("host %q: not a host name", c.Host)
	}
	if c.TLS != nil && (c.Websockets > 0 || c.Fresh) {
		return c, errors.New("websockets and fresh connections: not over HTTP/2")
	}
	orDefault(&c.Clients, DefaultClients)
	orDefault(&c.UploadTime, DefaultUploadTime)
	orDefault(&c.AnswerTime, DefaultAnswerTime)
	orDefault(&c.StreamTime, DefaultStreamTime)
	orDefault(&c.KeepAlive, DefaultKeepAlive)
	orDefault(&c.Timeout, DefaultTimeout)
	orDefault(&c.Limit, DefaultLimit)
	orDefault(&c.Losses, DefaultLosses)
	return c, nil
}

// hostname is a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
