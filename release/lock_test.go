package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The test binary as another process: it takes the lock of app web in the root
// that is named here, and holds it until its standard input ends.
const (
	holdRoot = "ZDD_TEST_HOLD_ROOT"
	holdIdle = "ZDD_TEST_IDLE"
)

// deadline of what must happen, on however busy a machine.
const deadline = 60 * time.Second

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(holdIdle) != "":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case os.Getenv(holdRoot) != "":
		if err := holdLock(os.Getenv(holdRoot)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// holdLock holds the lock of app web, and has a child, which outlives it and
// which it has already while it waits for the lock.
func holdLock(root string) error {
	store, err := Open(root)
	if err != nil {
		return err
	}
	app, err := store.App("web")
	if err != nil {
		return err
	}
	child := exec.Command(os.Args[0])
	child.Env, child.Stdin = append(os.Environ(), holdIdle+"=1"), os.Stdin
	start := func(Holder) {
		if err = child.Start(); err == nil {
			fmt.Println(child.Process.Pid)
		}
	}
	if _, err := app.Lock(context.Background(), deadline, Self("zdd deploy web"), start); err != nil {
		return err
	}
	if child.Process == nil {
		start(Holder{})
	}
	if err != nil {
		return err
	}
	return child.Wait()
}

// startHolder runs another process that holds the app's lock, or waits for it.
func startHolder(t *testing.T, app *App) *exec.Cmd {
	t.Helper()
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdRoot+"="+app.store.Root())
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The child of a killed holder becomes ours, to be waited for.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	t.Cleanup(func() {
		_ = in.Close() // ends the child too
		_ = holder.Process.Kill()
		_ = holder.Wait()
		if child > 0 {
			_, _ = unix.Wait4(child, nil, 0, nil)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if child, _ = strconv.Atoi(strings.TrimSpace(line)); child == 0 {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return holder
}

func mustLock(t *testing.T, app *App) *Lock {
	t.Helper()
	lock, err := app.Lock(t.Context(), deadline, Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Unlock() })
	return lock
}

// eventually waits until done.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(deadline)
	for !done() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("%s did not come about in %s", what, deadline)
		}
	}
}

func TestLock_saysWhichProcessHoldsIt(t *testing.T) {
	app := newApp(t, "web")
	other := startHolder(t, app)
	var told Holder
	_, err := app.Lock(t.Context(), time.Millisecond, Self("test"), func(h Holder) { told = h })
	var locked *Locked
	if !errors.As(err, &locked) {
		t.Fatalf("error %v (%T), want a *Locked", err, err)
	}
	want := Self("zdd deploy web")
	want.PID, want.Since = other.Process.Pid, locked.Holder.Since
	if diff := cmp.Diff(want, locked.Holder); diff != "" {
		t.Errorf("holder (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("holder that was told (-want +got):\n%s", diff)
	}
	if holder, busy := app.Busy(); !busy || holder != want {
		t.Errorf("busy %v with %v", busy, holder)
	}
	if said := err.Error(); !strings.Contains(said, fmt.Sprintf("zdd deploy web (pid %d, ", other.Process.Pid)) {
		t.Errorf("the error does not name the holder: %s", said)
	}
}

func TestLock_endsWithItsHolderThoughAChildLivesOn(t *testing.T) {
	app := newApp(t, "web")
	other := startHolder(t, app)
	if err := other.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	mustLock(t, app)
}

func TestLock_doesNotCallWaitingWithoutAWait(t *testing.T) {
	app := newApp(t, "web")
	waiting := func(Holder) { t.Error("waiting was called") }
	lock, err := app.Lock(t.Context(), deadline, Self("test"), waiting)
	if err != nil {
		t.Fatal(err)
	}
	var locked *Locked
	if _, err := app.Lock(t.Context(), 0, Self("test"), waiting); !errors.As(err, &locked) {
		t.Errorf("error %v, want a *Locked", err)
	}
	if err := errors.Join(lock.Unlock(), lock.Unlock()); err != nil {
		t.Error(err)
	}
	if _, busy := app.Busy(); busy {
		t.Error("the lock is still held")
	}
	if holder := readHolder(app.Path(lockFile)); holder != (Holder{}) {
		t.Errorf("the former holder is still named: %v", holder)
	}
}

func TestLock_takesATornHolderAsUnknown(t *testing.T) {
	app := newApp(t, "web")
	mustLock(t, app)
	writeTestFile(t, app.Path(lockFile), `{"pid":4711,"user":"a`)
	_, err := app.Lock(t.Context(), 0, Self("test"), nil)
	var locked *Locked
	if !errors.As(err, &locked) || locked.Holder != (Holder{}) {
		t.Errorf("error %v, want a *Locked by somebody unknown", err)
	}
}
