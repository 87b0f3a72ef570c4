package container_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

// wantExit waits for the end of a guarded context and compares its cause.
func wantExit(t *testing.T, guarded context.Context, want zdd.Exited) {
	t.Helper()
	if diff := cmp.Diff(want, *awaitExit(t, guarded)); diff != "" {
		t.Errorf("exit (want, got):\n%s", diff)
	}
}

// awaitExit is the exit that ends the guarded context.
func awaitExit(t *testing.T, guarded context.Context) *zdd.Exited {
	t.Helper()
	select {
	case <-guarded.Done():
	case <-time.After(patience):
		t.Fatalf("no exit within %s", patience)
	}
	var got *zdd.Exited
	if !errors.As(context.Cause(guarded), &got) {
		t.Fatalf("cause: %v, want Exited", context.Cause(guarded))
	}
	return got
}

func reportsExit(t *testing.T, w *world) {
	instances := w.start(t, w.spec(3))
	for _, instance := range instances {
		answers(t, instance)
	}
	guarded, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	if err := guarded.Err(); err != nil {
		t.Fatalf("ended before any exit: %v", context.Cause(guarded))
	}
	_ = get(instances[1], "/exit?code=3")
	wantExit(t, guarded, zdd.Exited{Name: instances[1].Name, Code: 3})
}

func reportsEarlierExit(t *testing.T, w *world) {
	spec := w.spec(1)
	spec.Command = []string{"say", "5", "bad luck"}
	instances := w.start(t, spec)
	eventually(t, "it ends", func() bool {
		found, err := w.engine.List(t.Context(), zdd.Filter{App: spec.App})
		return err == nil && len(found) == 0
	})
	guarded, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	wantExit(t, guarded, zdd.Exited{Name: instances[0].Name, Code: 5})
	if found := w.list(t, spec.App); len(found) != 1 || found[0].ExitCode != 5 {
		t.Errorf("listed as %+v", found)
	}
}

func reportsRemoval(t *testing.T, w *world) {
	instances := w.start(t, w.spec(1))
	if err := w.engine.Remove(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	guarded, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	wantExit(t, guarded, zdd.Exited{Name: instances[0].Name, Removed: true})
}

func bringsBackPromoted(t *testing.T, w *world) {
	instances := w.start(t, w.spec(1))
	answers(t, instances[0])
	if err := w.engine.Promote(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	before, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	_ = get(instances[0], "/exit?code=3")
	select {
	case <-before.Done():
	case <-time.After(patience):
		t.Fatal("a guard from before the exit never ended")
	}
	answers(t, instances[0])
	after, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	var exit *zdd.Exited
	select {
	case <-after.Done():
	case <-time.After(patience):
		t.Fatal("a guard from after the exit never ended")
	}
	if !errors.As(context.Cause(after), &exit) || !exit.Restarted {
		t.Errorf("a guard from after the exit: %v, want Exited and restarted", context.Cause(after))
	}
}

func killsStubborn(t *testing.T, w *world) {
	spec := w.spec(1)
	spec.Command = []string{"stubborn"}
	instances := w.start(t, spec)
	answers(t, instances[0])
	if err := w.engine.Stop(t.Context(), instances, time.Second); err != nil {
		t.Fatal(err)
	}
	found := w.list(t, spec.App)
	if len(found) != 1 || found[0].State != zdd.StateExited || found[0].ExitCode != 137 {
		t.Errorf("after Stop: %+v, want exit status 137", found)
	}
}

func givesLastLines(t *testing.T, w *world) {
	spec := w.spec(1)
	spec.Command = []string{"say", "1", "one", "two", "three", "four \x1b[31mred"}
	instances := w.start(t, spec)
	guarded, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	wantExit(t, guarded, zdd.Exited{Name: instances[0].Name, Code: 1})
	lines, err := w.engine.Logs(t.Context(), instances[0], 4)
	if err != nil {
		t.Fatal(err)
	}
	// The lines go to stdout and stderr in turns. Which of two streams the engine
	// reads first is its own affair; each of them keeps its order.
	var streams [2][]string
	for _, line := range lines {
		stream := 0
		if line == "two" || strings.HasPrefix(line, "four") {
			stream = 1
		}
		streams[stream] = append(streams[stream], line)
	}
	if diff := cmp.Diff([2][]string{{"one", "three"}, {"two", `four \x1b[31mred`}}, streams); diff != "" {
		t.Errorf("lines of stdout and stderr (want, got):\n%s", diff)
	}
	last, err := w.engine.Logs(t.Context(), instances[0], 1)
	if err != nil || len(last) != 1 {
		t.Errorf("the last line is %q, %v; want one", last, err)
	}
}

func runsOnce(t *testing.T, w *world) {
	spec := w.spec(1)
	spec.Env = []string{"COLOR=teal"}
	var out bytes.Buffer
	if err := w.engine.RunOnce(t.Context(), spec, []string{"env", "COLOR"}, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("teal\n", out.String()); diff != "" {
		t.Errorf("output (want, got):\n%s", diff)
	}
	w.wantNoTask(t, spec.App)
}

func reportsCommandFailure(t *testing.T, w *world) {
	spec := w.spec(1)
	var out bytes.Buffer
	err := w.engine.RunOnce(t.Context(), spec, []string{"say", "9", "no such table"}, &out)
	var exit *zdd.Exited
	if !errors.As(err, &exit) || exit.Code != 9 {
		t.Errorf("RunOnce: %v, want Exited with 9", err)
	}
	if diff := cmp.Diff("no such table\n", out.String()); diff != "" {
		t.Errorf("output (want, got):\n%s", diff)
	}
	w.wantNoTask(t, spec.App)
}

func stopsCancelledCommand(t *testing.T, w *world) {
	spec := w.spec(1)
	stopped := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-time.After(300 * time.Millisecond)
		cancel(stopped)
	}()
	if err := w.engine.RunOnce(ctx, spec, []string{"serve"}, &bytes.Buffer{}); !errors.Is(err, stopped) {
		t.Errorf("RunOnce: %v, want %v", err, stopped)
	}
	w.wantNoTask(t, spec.App)
}

// wantNoTask: a task is no instance, so List does not show it; Start under its
// name does not either. RemoveTasks is silent. The name is what tells.
func (w *world) wantNoTask(t *testing.T, app string) {
	t.Helper()
	w.wantNothing(t, app)
	if tasks := w.tasks(t, app); tasks != 0 {
		t.Errorf("%d one-off containers left", tasks)
	}
}
