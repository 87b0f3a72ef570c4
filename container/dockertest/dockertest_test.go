package dockertest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"zdd/container"
	"zdd/container/dockertest"
)

// connect gives a fake, its client, and a spec of two replicas for it.
func connect(t *testing.T) (*dockertest.Engine, *container.Engine, container.Spec) {
	t.Helper()
	fake := dockertest.New(t, nil)
	engine, spec := connectTo(t, fake)
	return fake, engine, spec
}

func connectTo(t *testing.T, fake *dockertest.Engine) (*container.Engine, container.Spec) {
	t.Helper()
	engine, err := container.Connect(t.Context(), container.Config{Root: "/srv/zdd", Host: fake.Host(), Proc: fake.Proc()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	network, _, err := engine.EnsureNetwork(t.Context(), dockertest.Subnet(t))
	if err != nil {
		t.Fatal(err)
	}
	first := network.Gateway.Next()
	return engine, container.Spec{
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

func TestProcess_hasItsHealthCheckAndPretendsToListen(t *testing.T) {
	t.Parallel()
	checks := make(chan []string, 1)
	fake := dockertest.New(t, func(p dockertest.Process) int {
		p.Pretend(netip.MustParseAddrPort("127.0.0.1:3000"))
		p.Pretend(netip.MustParseAddrPort("[::]:3001"))
		checks <- p.Healthcheck
		<-p.Term.Done()
		return 0
	})
	engine, spec := connectTo(t, fake)
	spec.Addresses, spec.Healthcheck = spec.Addresses[:1], []string{"CMD-SHELL", "curl localhost"}
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-checks; !slices.Equal(got, spec.Healthcheck) {
		t.Errorf("health check %q", got)
	}
	got, err := engine.Listeners(t.Context(), instances[0])
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3000"), netip.MustParseAddrPort("[::]:3001")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listeners %v, %v; want %v", got, err, want)
	}
}

// Not parallel: it counts what runs in this process.
func TestExec_leaksNothing(t *testing.T) {
	fake, engine, spec := connect(t)
	fake.OnExec(func(p dockertest.Process) int {
		if p.Args[0] != "loop" {
			return len(p.Args)
		}
		for p.Kill.Err() == nil {
			_, _ = p.Stdout.Write(make([]byte, 4096))
		}
		return 0
	})
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	execute := func() {
		t.Helper()
		if code, err := engine.Exec(t.Context(), instances[0], []string{"one", "two"}, io.Discard); code != 2 || err != nil {
			t.Errorf("Exec: %d, %v", code, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := engine.Exec(ctx, instances[0], []string{"loop"}, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Exec: %v", err)
		}
	}
	execute() // what is made once
	before := runtime.NumGoroutine()
	for range 10 {
		execute()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// The kernel ends a container's commands first, so the engine may still say
// that the container runs.
func TestExec_waitsForTheEndOfAContainerThatKilledTheCommand(t *testing.T) {
	t.Parallel()
	fake, engine, spec := connect(t)
	spec.Addresses = spec.Addresses[:1]
	instances, err := engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	fake.OnExec(func(dockertest.Process) int { return 137 })
	fake.Before(dockertest.OpInspect, 2, func() { fake.Kill(instances[0].Name) })
	_, err = engine.Exec(t.Context(), instances[0], []string{"check"}, io.Discard)
	var exit *container.Exited
	if !errors.As(err, &exit) || exit.Code != 137 {
		t.Errorf("Exec: %v, want Exited", err)
	}
}
