package container_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

// TestEngine_isGivenUpInACallThatItDoesNotEnd: it answers everything else, as an
// engine does whose volume driver hangs.
func TestEngine_isGivenUpInACallThatItDoesNotEnd(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	fake := dockertest.New(t, nil)
	image := fake.AddImage("acme/web:1", dockertest.Image{})
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: fake.Host(), CallLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	network, _, err := engine.EnsureNetwork(t.Context(), dockertest.Subnet(t))
	if err != nil {
		t.Fatal(err)
	}
	spec := zdd.Spec{App: "web", Release: 1, Slot: "blue", Image: image, Addresses: []netip.Addr{firstAddress(network).Next()}}
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	hang := func(op dockertest.Op) { fake.Before(op, 1, func() { <-hold }) }

	hang(dockertest.OpStart)
	_, err = engine.Start(t.Context(), spec)
	assertStuck(t, "Start", err)
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	hang(dockertest.OpUpdate)
	assertStuck(t, "Promote", engine.Promote(t.Context(), instances))
	hang(dockertest.OpStop)
	assertStuck(t, "Stop", engine.Stop(t.Context(), instances, 0))
	hang(dockertest.OpRemove)
	assertStuck(t, "Remove", engine.Remove(t.Context(), instances))
	if err := engine.Remove(t.Context(), instances); err != nil {
		t.Error(err)
	}
}

func assertStuck(t *testing.T, what string, err error) {
	t.Helper()
	var (
		unreachable *zdd.Unreachable
		stuck       *zdd.Stuck
	)
	if !errors.As(err, &unreachable) || !errors.As(err, &stuck) || !strings.Contains(unreachable.Hint(), "holds the engine up") {
		t.Errorf("%s: %v, want Unreachable for a call that does not end", what, err)
	}
}
