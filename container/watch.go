package container

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// DefaultSilence is how long an engine may give no sign of life before it is
// taken for one that hangs.
const DefaultSilence = 25 * time.Second

// looks is into how many parts the time is cut: at the end of each but the first
// a look finds no sign of life. To count looks, and not time, keeps a machine
// that slept from blaming its engine.
const looks = 5

// Silent says that an engine takes connections and does not answer.
type Silent struct{ For time.Duration }

func (s *Silent) Error() string { return fmt.Sprintf("no answer for %s", s.For) }

// watch sees to it that no call waits for ever on an engine that hangs. A pull,
// the wait for a container's end or a command in one may take hours, so it is
// not their length that counts: an engine that hangs does not answer a ping
// beside them either. Then every connection to it is broken, with *Silent as
// the error, and there are no new ones until it answers a ping again.
//
// The connections are where that can be done for all calls at once: those that
// attach to a stream do not heed their context while they wait for an answer.
type watch struct {
	limit time.Duration
	ended chan struct{}
	end   sync.Once

	mu      sync.Mutex
	alive   bool // there was a sign of life since the last look
	missed  int  // looks in a row that found none
	pinging bool
	silent  *Silent // nil while the engine answers
	quiet   chan struct{}
	conns   map[*watched]struct{}
}

func newWatch(limit time.Duration) *watch {
	return &watch{
		limit: limit, ended: make(chan struct{}), quiet: make(chan struct{}), conns: map[*watched]struct{}{},
	}
}

// option makes a client's connections those of the watch. It must come after
// the options that say how to connect.
func (w *watch) option(api *client.Client) error {
	transport, ok := api.HTTPClient().Transport.(*http.Transport)
	if !ok {
		return nil
	}
	dial := transport.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if silent := w.silence(); silent != nil && ctx.Value(pinging{}) == nil {
			return nil, silent
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return w.add(conn), nil
	}
	return nil
}

// pinging marks the context of a ping, which may connect to a silent engine.
type pinging struct{}

// run looks until close is called, and pings before each next look.
func (w *watch) run(ping func(context.Context) error) {
	ticker := time.NewTicker(w.limit / looks)
	defer ticker.Stop()
	for {
		w.ping(ping)
		select {
		case <-ticker.C:
			w.look()
		case <-w.ended:
			return
		}
	}
}

func (w *watch) close() { w.end.Do(func() { close(w.ended) }) }

// ping asks for a sign of life, unless a ping is under way.
func (w *watch) ping(ping func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pinging {
		return
	}
	w.pinging = true
	go func() {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), pinging{}, true), w.limit)
		defer cancel()
		err := ping(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pinging = false
		if err == nil && w.silent != nil { // it is back
			w.silent, w.quiet = nil, make(chan struct{})
		}
	}()
}

// look counts a look that found no sign of life, and breaks the connections
// after the last one.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.alive {
		w.alive, w.missed = false, 0
		return
	}
	if w.missed++; w.missed < looks-1 || w.silent != nil {
		return
	}
	w.silent = &Silent{For: w.limit}
	close(w.quiet)
	for conn := range w.conns {
		conn.broken = w.silent
		_ = conn.Conn.Close()
	}
}

// silence is nil while the engine answers.
func (w *watch) silence() *Silent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.silent
}

// during gives a context that ends when the engine is found silent, with that
// as its cause.
func (w *watch) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	quiet := w.quiet
	w.mu.Unlock()
	go func() {
		select {
		case <-quiet:
			cancel(&Silent{For: w.limit})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// watched is a connection whose every byte that comes in is a sign of life.
type watched struct {
	net.Conn
	of     *watch
	broken *Silent // by the watch; guarded by its mu
}

func (w *watch) add(conn net.Conn) *watched {
	added := &watched{Conn: conn, of: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[added] = struct{}{}
	return added
}

func (c *watched) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	if n > 0 {
		c.of.mu.Lock()
		c.of.alive = true
		c.of.mu.Unlock()
	}
	return n, c.why(err)
}

func (c *watched) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	return n, c.why(err)
}

func (c *watched) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// why is *Silent for an error that the watch has made.
func (c *watched) why(err error) error {
	if err == nil {
		return nil
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	return err
}
