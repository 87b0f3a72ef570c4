package dockertest_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"zdd/container"
	"zdd/container/dockertest"
)

// connect gives a fake, its client, and a spec of two replicas for it.
func connect(t *testing.T) (*dockertest.Engine, *container.Engine, container.Spec) {
	t.Helper()
	fake := dockertest.New(t, nil)
	engine, err := container.Connect(t.Context(), container.Config{Root: "/srv/zdd", Host: fake.Host()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	network, _, err := engine.EnsureNetwork(t.Context(), dockertest.Subnet(t))
	if err != nil {
		t.Fatal(err)
	}
	first := network.Gateway.Next()
	return fake, engine, container.Spec{
		App: "web", Release: 1, Slot: "blue", Image: fake.AddImage("acme/web:1", dockertest.Image{}),
		Addresses: []netip.Addr{first, first.Next()},
	}
}

func TestFail_failsTheNthCallOnly(t *testing.T) {
	t.Parallel()
	fake, engine, spec := connect(t)
	fake.Fail(dockertest.OpStart, 2, http.StatusInternalServerError, "no more shims")
	_, err := engine.Start(t.Context(), spec)
	var failure *container.NotStarted
	if !errors.As(err, &failure) {
		t.Errorf("Start: %v, want NotStarted", err)
	}
	if left := fake.Containers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := engine.Start(t.Context(), spec); err != nil {
		t.Errorf("Start after it: %v", err)
	}
}

func TestBefore_runsInTheMiddleOfThings(t *testing.T) {
	t.Parallel()
	fake, engine, spec := connect(t)
	var seen []string
	fake.Before(dockertest.OpStart, 1, func() { seen = fake.Containers() })
	spec.Addresses = spec.Addresses[:1]
	if _, err := engine.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []string{"zdd-web-1-1"}) {
		t.Errorf("when it was started there were %v", seen)
	}
}

func TestKill_isAnExitWithTheStatusOfTheSignal(t *testing.T) {
	t.Parallel()
	fake, engine, spec := connect(t)
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	guarded, cancel := engine.Guard(t.Context(), instances)
	defer cancel()
	if !fake.Kill("zdd-web-1-2") || fake.Kill("nobody") {
		t.Error("Kill does not say whether there was anything to kill")
	}
	<-guarded.Done()
	var exit *container.Exited
	if !errors.As(context.Cause(guarded), &exit) || *exit != (container.Exited{Name: "zdd-web-1-2", Code: 137}) {
		t.Errorf("cause: %v", context.Cause(guarded))
	}
}

func TestDown_breaksEveryConnection(t *testing.T) {
	t.Parallel()
	fake, engine, spec := connect(t)
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	guarded, cancel := engine.Guard(t.Context(), instances)
	defer cancel()
	fake.Down()
	<-guarded.Done()
	var unreachable *container.Unreachable
	if _, err := engine.List(t.Context(), container.Filter{}); !errors.As(err, &unreachable) {
		t.Errorf("List: %v, want Unreachable", err)
	}
	if !errors.As(context.Cause(guarded), &unreachable) {
		t.Errorf("cause: %v, want Unreachable", context.Cause(guarded))
	}
}
