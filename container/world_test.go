package container_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

// patience is how long a test waits for what must come; only a test that fails
// waits that long.
const patience = time.Minute

// world is an engine, real or fake, on which a test makes things, with all
// that it needs: a root's network, an image of the probe, addresses.
type world struct {
	engine  *zdd.Engine
	config  zdd.Config
	network zdd.Network
	image   string // ID of the probe's image
	tag     string // a name of it
	// registry gives names of images to pull: one that is there, one that is
	// not, and one whose download breaks off.
	registry func(t *testing.T) (good, unknown, torn string)
	// add puts an image on the engine, until the test ends, and gives its ID.
	add func(t *testing.T, image dockertest.Image) string

	mu   sync.Mutex
	next netip.Addr
}

// spec is for an app of the test's own that serves on port 5000.
func (w *world) spec(replicas int) zdd.Spec {
	spec := zdd.Spec{
		App: unique("app"), Release: 7, Slot: "blue", Image: w.image, Port: 5000,
		Command: []string{"serve"}, StopTimeout: time.Second,
	}
	for range replicas {
		spec.Addresses = append(spec.Addresses, w.address())
	}
	return spec
}

// address is one of the network that no other test uses.
func (w *world) address() netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = w.next.Next()
	return w.next
}

// start starts a release and removes it after the test.
func (w *world) start(t *testing.T, spec zdd.Spec) []zdd.Instance {
	t.Helper()
	instances, err := w.engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	w.removeAfter(t, instances)
	return instances
}

func (w *world) removeAfter(t *testing.T, instances []zdd.Instance) {
	t.Helper()
	t.Cleanup(func() {
		if err := w.engine.Remove(context.Background(), instances); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

// list is every instance of the app.
func (w *world) list(t *testing.T, app string) []zdd.Instance {
	t.Helper()
	found, err := w.engine.List(context.Background(), zdd.Filter{App: app, All: true})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantNothing is the end of each test of a failure: no container is left.
func (w *world) wantNothing(t *testing.T, app string) {
	t.Helper()
	if found := w.list(t, app); len(found) != 0 {
		t.Errorf("left behind: %+v", found)
	}
}

// other is a connection to the same engine for another root.
func (w *world) other(t *testing.T, root string) *zdd.Engine {
	t.Helper()
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: root, Host: w.config.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// made is the world that TestMain has to take down; nil when no test asked for
// it.
var made *world

// real makes the world of the machine's engine on first use.
var real = sync.OnceValues(func() (*world, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config := zdd.Config{Root: "/var/lib/" + unique("zdd-test")}
	engine, err := zdd.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	w := &world{engine: engine, config: config, tag: unique("zdd-probe") + ":1", add: loadImage}
	w.registry = func(t *testing.T) (good, unknown, torn string) {
		r := newRegistry(t, "", "")
		return r.ref("v1"), r.ref("v9"), r.ref("torn")
	}
	made = w
	if w.image, err = importProbe(ctx, w.tag); err != nil {
		return w, err
	}
	if w.network, _, err = engine.EnsureNetwork(ctx, ""); err != nil {
		return w, err
	}
	w.next = firstAddress(w.network)
	return w, nil
})

func realWorld(t *testing.T) *world {
	t.Helper()
	w, err := real()
	if err != nil {
		t.Fatalf("these tests need a Docker engine: %v", err)
	}
	return w
}

func firstAddress(network zdd.Network) netip.Addr {
	first := network.Subnet.Addr()
	for range 9 {
		first = first.Next()
	}
	return first
}

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests mostly wait for the engine, not for this machine's CPUs.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := takeDown(); err != nil {
		fmt.Fprintln(os.Stderr, "cleaning up:", err)
		code = 1
	}
	os.Exit(code)
}

func takeDown() error {
	w := made
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	left, err := w.engine.List(ctx, zdd.Filter{All: true})
	if err != nil {
		return err
	}
	if err := w.engine.Remove(ctx, left); err != nil {
		return err
	}
	if err := w.engine.RemoveNetwork(ctx); err != nil {
		return err
	}
	if err := w.engine.Untag(ctx, w.tag); err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("the tests left %+v", left)
	}
	return nil
}

// unique is a name that no other test and no other process of it has.
func unique(prefix string) string {
	return prefix + "-" + fmt.Sprintf("%.10s", lower(rand.Text()))
}

func lower(text string) string { return string(bytes.ToLower([]byte(text))) }

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, patience)
		case <-tick.C:
		}
	}
}

// answers waits until an instance serves.
func answers(t *testing.T, instance zdd.Instance) {
	t.Helper()
	eventually(t, instance.Name+" answers", func() bool { return get(instance, "/") == nil })
}

// get asks an instance once, on a connection of its own.
func get(instance zdd.Instance, path string) error {
	caller := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := caller.Get("http://" + netip.AddrPortFrom(instance.Address, 5000).String() + path)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
