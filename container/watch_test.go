package container_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

// brief is how long an engine may be silent in these tests.
const brief = 5 * time.Second

// TestEngine_isGivenUpWhenItTakesConnectionsAndDoesNotAnswer lets an engine hang
// in the middle of every kind of call, the long ones too.
func TestEngine_isGivenUpWhenItTakesConnectionsAndDoesNotAnswer(t *testing.T) {
	t.Parallel()
	fake := dockertest.New(t, nil)
	image := fake.AddImage("acme/web:1", dockertest.Image{})
	way := newClogged(t, fake.Host())
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: way.host, Silence: brief})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	network, _, err := engine.EnsureNetwork(t.Context(), dockertest.Subnet(t))
	if err != nil {
		t.Fatal(err)
	}
	address := firstAddress(network).Next()
	spec := zdd.Spec{App: "web", Release: 1, Slot: "blue", Image: image, Addresses: []netip.Addr{address}}
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	guarded, end := engine.Guard(t.Context(), instances)
	defer end()

	way.clog()
	next := spec
	next.Release = 2
	calls := map[string]func() error{
		"List":    func() error { return second(engine.List(context.Background(), zdd.Filter{})) },
		"Start":   func() error { return second(engine.Start(context.Background(), next)) },
		"Stop":    func() error { return engine.Stop(context.Background(), instances, time.Hour) },
		"Remove":  func() error { return engine.Remove(context.Background(), instances) },
		"Promote": func() error { return engine.Promote(context.Background(), instances) },
		"RunOnce": func() error { return engine.RunOnce(context.Background(), next, []string{"x"}, io.Discard) },
		"Exec": func() error {
			return second(engine.Exec(context.Background(), instances[0], []string{"x"}, io.Discard))
		},
		"Logs":          func() error { return second(engine.Logs(context.Background(), instances[0], 1)) },
		"Tag":           func() error { return engine.Tag(context.Background(), image, "acme/web:2") },
		"Pull":          func() error { return second(engine.Resolve(context.Background(), "acme/web:1", zdd.PullAlways, nil)) },
		"AwaitCreation": func() error { return engine.AwaitCreation(context.Background(), "web", 1, 1, image) },
		"the guard":     func() error { <-guarded.Done(); return context.Cause(guarded) },
	}
	var group sync.WaitGroup
	for what, call := range calls {
		group.Go(func() { wantSilent(t, what, call) })
	}
	group.Wait()
	// What comes later does not wait once more.
	for what, call := range calls {
		wantSilent(t, what+", later", call)
	}

	way.unclog()
	eventually(t, "the engine is asked again", func() bool {
		found, err := engine.List(t.Context(), zdd.Filter{})
		return err == nil && len(found) == 1
	})
	if err := engine.Remove(t.Context(), instances); err != nil {
		t.Error(err)
	}
}

// wantSilent wants a call to end, and to say why, and what to do about it.
func wantSilent(t *testing.T, what string, call func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Errorf("%s never ended", what)
		return
	}
	var (
		unreachable *zdd.Unreachable
		silent      *zdd.Silent
	)
	if !errors.As(err, &unreachable) || !errors.As(err, &silent) || silent.For != brief ||
		!strings.Contains(unreachable.Hint(), "does not answer") {
		t.Errorf("%s: %v, want Unreachable for its silence", what, err)
	}
}

// TestEngine_isNotGivenUpForACallThatTakesLong: the wait for a container's end
// is silent for as long as it runs, and the engine answers meanwhile.
func TestEngine_isNotGivenUpForACallThatTakesLong(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t)
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: w.config.Root, Host: w.config.Host, Silence: brief})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	instances := w.start(t, w.spec(1))
	guarded, cancel := engine.Guard(t.Context(), instances)
	defer cancel()
	select {
	case <-guarded.Done():
		t.Errorf("the guard ended: %v", context.Cause(guarded))
	case <-time.After(2 * brief):
	}
}

// clogged is a way to an engine on which, at will, nothing comes back: as of an
// engine that is stopped, or waits for a lock.
type clogged struct {
	host   string
	mu     sync.Mutex
	closed chan struct{} // nil while it is open; closed when it is open again
}

func newClogged(t *testing.T, engine string) *clogged {
	t.Helper()
	dir, err := os.MkdirTemp("", "zdd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clogged{host: "unix://" + listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close() })
	t.Cleanup(c.unclog)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go c.join(near, strings.TrimPrefix(engine, "unix://"))
		}
	}()
	return c
}

// join passes on what is asked, and the answers while the way is open.
func (c *clogged) join(near net.Conn, engine string) {
	defer near.Close()
	far, err := net.Dial("unix", engine)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := far.Read(buffer)
		c.pass()
		if _, writeErr := near.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// pass returns once the way is open.
func (c *clogged) pass() {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed != nil {
		<-closed
	}
}

func (c *clogged) clog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = make(chan struct{})
}

func (c *clogged) unclog() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		close(c.closed)
		c.closed = nil
	}
}
