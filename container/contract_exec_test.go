package container_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

func tellsSinceWhen(t *testing.T, w *world) {
	before := time.Now().Add(-time.Second) // the engine has a clock of its own
	instance := w.start(t, w.spec(1))[0]
	answers(t, instance)
	since, restarts, err := w.engine.Running(t.Context(), instance)
	if err != nil || restarts != 0 || since.Before(before) || since.After(time.Now().Add(time.Second)) {
		t.Errorf("Running: since %s, %d restarts, %v", since, restarts, err)
	}
	if err := w.engine.Promote(t.Context(), []zdd.Instance{instance}); err != nil {
		t.Fatal(err)
	}
	_ = get(instance, "/exit?code=3")
	var later time.Time
	eventually(t, "it runs again", func() bool {
		later, restarts, err = w.engine.Running(t.Context(), instance)
		return err == nil && later.After(since)
	})
	if restarts != 1 {
		t.Errorf("%d restarts, want 1", restarts)
	}
	if err := w.engine.Stop(t.Context(), []zdd.Instance{instance}, 0); err != nil {
		t.Fatal(err)
	}
	w.wantEnded(t, instance, func() error {
		_, _, err := w.engine.Running(t.Context(), instance)
		return err
	})
}

// wantEnded wants *Exited of a stopped instance, and of the same one removed.
func (w *world) wantEnded(t *testing.T, instance zdd.Instance, ask func() error) {
	t.Helper()
	var exit *zdd.Exited
	if err := ask(); !errors.As(err, &exit) || exit.Removed {
		t.Errorf("of a stopped instance: %v, want Exited", err)
	}
	if err := w.engine.Remove(t.Context(), []zdd.Instance{instance}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.As(err, &exit) || !exit.Removed {
		t.Errorf("of a removed instance: %v, want Exited and removed", err)
	}
}

func tellsListeners(t *testing.T, w *world) {
	instances := w.start(t, w.spec(2))
	for _, instance := range instances {
		answers(t, instance)
		found, err := w.engine.Listeners(t.Context(), instance)
		if err != nil || len(found) != 1 || found[0].Port() != 5000 ||
			!found[0].Addr().IsUnspecified() && found[0].Addr() != instance.Address {
			t.Errorf("%s listens at %v, %v; want port 5000 alone", instance.Address, found, err)
		}
	}
	idle := w.spec(1)
	idle.Command = []string{"listen"}
	silent := w.start(t, idle)[0]
	if found, err := w.engine.Listeners(t.Context(), silent); err != nil || len(found) != 0 {
		t.Errorf("what does not listen: %v, %v", found, err)
	}
	if err := w.engine.Stop(t.Context(), instances, 0); err != nil {
		t.Fatal(err)
	}
	w.wantEnded(t, instances[0], func() error {
		_, err := w.engine.Listeners(t.Context(), instances[0])
		return err
	})
}

func runsInInstance(t *testing.T, w *world) {
	spec := w.spec(1)
	spec.Env = []string{"COLOR=teal"}
	instance := w.start(t, spec)[0]
	for _, row := range []struct {
		command []string
		code    int
		out     string
	}{
		{[]string{"/probe", "say", "0"}, 0, ""},
		{[]string{"/probe", "env", "COLOR"}, 0, "teal\n"},
		{[]string{"/probe", "say", "3", "no such table"}, 3, "no such table\n"},
		{[]string{"/probe", "say", "127", "a shell's own"}, 127, "a shell's own\n"},
		{[]string{"/probe", "say", "137"}, 137, ""},
	} {
		var out bytes.Buffer
		code, err := w.engine.Exec(t.Context(), instance, row.command, &out)
		if err != nil || code != row.code {
			t.Errorf("%q: status %d, %v; want %d", row.command, code, err, row.code)
		}
		if diff := cmp.Diff(row.out, out.String()); diff != "" {
			t.Errorf("output of %q (want, got):\n%s", row.command, diff)
		}
	}
	// stdout and stderr; which comes first is the engine's affair.
	var out bytes.Buffer
	code, err := w.engine.Exec(t.Context(), instance, []string{"/probe", "say", "1", "one", "two", "three"}, &out)
	if err != nil || code != 1 || len(out.String()) != len("one\ntwo\nthree\n") || !strings.Contains(out.String(), "two\n") {
		t.Errorf("status %d, %v, output %q", code, err, &out)
	}
	answers(t, instance)
}

func knowsNoCommand(t *testing.T, w *world) {
	instance := w.start(t, w.spec(1))[0]
	var (
		out  bytes.Buffer
		none *zdd.NoCommand
	)
	code, err := w.engine.Exec(t.Context(), instance, []string{"curl", "localhost"}, &out)
	if !errors.As(err, &none) || none.Command != "curl" || none.Name != instance.Name || none.Code != code {
		t.Errorf("Exec: %v, want NoCommand", err)
	}
	if code != 126 && code != 127 {
		t.Errorf("status %d, want 126 or 127", code)
	}
	if !strings.Contains(out.String(), `"curl"`) {
		t.Errorf("output %q does not tell", &out)
	}
	if _, err := w.engine.Exec(t.Context(), instance, nil, &out); err == nil {
		t.Error("Exec of nothing: no error")
	}
}

// noticed is a writer that tells when something was written.
type noticed struct {
	once  sync.Once
	first chan struct{}
}

func (n *noticed) Write(data []byte) (int, error) {
	n.once.Do(func() { close(n.first) })
	return len(data), nil
}

func killsCancelledExec(t *testing.T, w *world) {
	spec := w.spec(1)
	instance := w.start(t, spec)[0]
	stopped := errors.New("interrupted")
	execute := func(ctx context.Context, out *noticed) {
		t.Helper()
		began := time.Now()
		if _, err := w.engine.Exec(ctx, instance, []string{"/probe", "flood"}, out); !errors.Is(err, stopped) {
			t.Errorf("Exec: %v, want %v", err, stopped)
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("ended after %s", took)
		}
		w.wantNoExec(t, instance)
	}
	// While it writes.
	out := &noticed{first: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-out.first
		cancel(stopped)
	}()
	execute(ctx, out)
	// At any moment: before, and while it is being started.
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 15 * time.Millisecond, 30 * time.Millisecond} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), after, stopped)
		execute(ctx, &noticed{first: make(chan struct{})})
		cancel()
	}
	answers(t, instance) // nothing else was killed
}

func runsNothingInEnded(t *testing.T, w *world) {
	instance := w.start(t, w.spec(1))[0]
	if err := w.engine.Stop(t.Context(), []zdd.Instance{instance}, 0); err != nil {
		t.Fatal(err)
	}
	w.wantEnded(t, instance, func() error {
		_, err := w.engine.Exec(t.Context(), instance, []string{"/probe", "say", "0"}, &bytes.Buffer{})
		return err
	})
}

func reportsExitDuringExec(t *testing.T, w *world) {
	instance := w.start(t, w.spec(1))[0]
	answers(t, instance)
	out := &noticed{first: make(chan struct{})}
	go func() {
		<-out.first
		_ = get(instance, "/exit?code=3")
	}()
	_, err := w.engine.Exec(t.Context(), instance, []string{"/probe", "flood"}, out)
	var exit *zdd.Exited
	if !errors.As(err, &exit) {
		t.Fatalf("Exec: %v, want Exited", err)
	}
	if diff := cmp.Diff(zdd.Exited{Name: instance.Name, Code: 3}, *exit); diff != "" {
		t.Errorf("exit (want, got):\n%s", diff)
	}
}

// unwilling is a writer that is full, after a while.
type unwilling struct{ left int }

func (u *unwilling) Write(data []byte) (int, error) {
	if u.left -= len(data); u.left < 0 {
		return 0, errors.New("full")
	}
	return len(data), nil
}

func takesUnwantedOutput(t *testing.T, w *world) {
	instance := w.start(t, w.spec(1))[0]
	code, err := w.engine.Exec(t.Context(), instance, []string{"/probe", "chatter", "3000000"}, &unwilling{left: 5000})
	if err != nil || code != 0 {
		t.Errorf("status %d, %v", code, err)
	}
}
