package container_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

func TestExec_isTheContainersUserInItsFolder(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	spec.User = "12:34"
	instance := w.start(t, spec)[0]
	answers(t, instance)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := w.engine.Exec(ctx, instance, []string{"/probe", "listen"}, io.Discard)
		ended <- err
	}()
	// As ps has them: user, command line.
	eventually(t, "the command runs as the user", func() bool {
		running := w.processes(t, instance)
		return slices.Equal(running, []string{"12 /probe listen", "12 /probe serve"})
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v", err)
	}
	w.wantProcesses(t, instance, "12 /probe serve")
}

// processes are those of an instance, each with its user's number, sorted.
func (w *world) processes(t *testing.T, instance zdd.Instance) []string {
	t.Helper()
	found, err := rawClient(t).ContainerTop(context.Background(), instance.ID, []string{"-eo", "pid,stat,uid,args"})
	if err != nil {
		return nil
	}
	var running []string
	for _, process := range found.Processes {
		// What is dead waits for its parent, here an app that does not care.
		if !strings.HasPrefix(process[1], "Z") {
			running = append(running, strings.Join(process[2:], " "))
		}
	}
	slices.Sort(running)
	return running
}

func (w *world) wantProcesses(t *testing.T, instance zdd.Instance, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.processes(t, instance)); diff != "" {
		t.Errorf("processes (want, got):\n%s", diff)
	}
}

func TestExec_killsAllThatTheCommandStarted(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	instance := w.start(t, w.spec(1))[0]
	answers(t, instance)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := w.engine.Exec(ctx, instance, []string{"/probe", "family"}, io.Discard)
		ended <- err
	}()
	eventually(t, "the whole family runs", func() bool { return len(w.processes(t, instance)) == 4 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v", err)
	}
	eventually(t, "only the app runs", func() bool { return len(w.processes(t, instance)) == 1 })
	w.wantProcesses(t, instance, "0 /probe serve")
	answers(t, instance)
}

func TestExec_leavesACommandThatItCannotKill(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	instance := w.start(t, w.spec(1))[0]
	answers(t, instance)
	// As on an engine in a virtual machine: the processes are not to be seen.
	blind, err := zdd.Connect(t.Context(), zdd.Config{Root: w.config.Root, Proc: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blind.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	out := &noticed{first: make(chan struct{})}
	go func() {
		<-out.first
		cancel()
	}()
	began := time.Now()
	if _, err := blind.Exec(ctx, instance, []string{"/probe", "flood"}, out); !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("ended after %s", took)
	}
	w.wantProcesses(t, instance, "0 /probe flood", "0 /probe serve")
	if found, err := blind.Listeners(t.Context(), instance); found != nil || err != nil {
		t.Errorf("Listeners: %v, %v; want neither", found, err)
	}
}

// slow is a writer that takes its time, until it is told that there is none.
type slow struct{ hurry <-chan struct{} }

func (s slow) Write(data []byte) (int, error) {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	}
	return len(data), nil
}

func TestExec_isNotHeldUpByASlowWriter(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	instance := w.start(t, w.spec(1))[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if _, err := w.engine.Exec(ctx, instance, []string{"/probe", "flood"}, slow{ctx.Done()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Exec: %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("ended after %s", took)
	}
	w.wantNoExec(t, instance)
}

func TestListeners_tellWhoCanReachThem(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	own := netip.AddrPortFrom(spec.Addresses[0], 7004)
	spec.Command = []string{"listen", "127.0.0.1:7001", "0.0.0.0:7002", ":7003", own.String()}
	instance := w.start(t, spec)[0]
	want := []netip.AddrPort{
		own, netip.MustParseAddrPort("127.0.0.1:7001"), netip.MustParseAddrPort("0.0.0.0:7002"), netip.MustParseAddrPort("[::]:7003"),
	}
	slices.SortFunc(want, netip.AddrPort.Compare)
	var got []netip.AddrPort
	eventually(t, "it listens", func() bool {
		found, err := w.engine.Listeners(t.Context(), instance)
		got = found
		return err == nil && len(found) >= len(want)
	})
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("listeners (want, got):\n%s", diff)
	}
}

func TestListeners_areNotThoseOfAnotherProcess(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	instance := w.start(t, w.spec(1))[0]
	answers(t, instance)
	// A machine where the number of the instance's process is another's.
	proc := t.TempDir()
	process := filepath.Join(proc, fmt.Sprint(onEngine(t, instance.Name).State.Pid))
	if err := os.Mkdir(process, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"net", "cgroup"} {
		if err := os.Symlink("/proc/self/"+name, filepath.Join(process, name)); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, err := zdd.Connect(t.Context(), zdd.Config{Root: w.config.Root, Proc: proc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = elsewhere.Close() })
	if found, err := elsewhere.Listeners(t.Context(), instance); found != nil || err != nil {
		t.Errorf("Listeners: %v, %v; want neither", found, err)
	}
}

func TestStart_replacesTheTestOfTheImagesHealthCheck(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	spec.Healthcheck = []string{"CMD", "/probe", "say", "0"}
	instance := w.start(t, spec)[0]
	if diff := cmp.Diff(spec.Healthcheck, onEngine(t, instance.Name).Config.Healthcheck.Test); diff != "" {
		t.Errorf("test (want, got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.engine.RunOnce(ctx, spec, []string{"listen"}, &bytes.Buffer{}) }()
	var task []string
	eventually(t, "the command runs", func() bool {
		found, err := rawClient(t).ContainerInspect(t.Context(), "zdd-"+spec.App+"-7-release")
		if err == nil && found.Config.Healthcheck != nil {
			task = found.Config.Healthcheck.Test
		}
		return err == nil && found.State.Running
	})
	if diff := cmp.Diff([]string{"NONE"}, task); diff != "" {
		t.Errorf("test of a one-off container (want, got):\n%s", diff)
	}
	cancel()
	<-ended
}
