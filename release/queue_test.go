package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// queued counts those who stand in the queue for the lock at path.
func queued(t *testing.T, path string) int {
	t.Helper()
	p, err := openPlace(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	n := 0
	for next := firstTicket; ; next++ {
		if _, more, err := p.held(next, 0); err != nil || !more {
			return n
		}
		if _, taken, err := p.held(next, 1); err != nil {
			t.Fatal(err)
		} else if taken {
			n++
		}
	}
}

// awaitQueue waits until n stand in the queue for the lock at path.
func awaitQueue(t *testing.T, path string, n int) {
	t.Helper()
	eventually(t, "the queue", func() bool { return queued(t, path) == n })
}

// lineUpN starts n waiters, each when the one before stands in the queue. The
// channel gets their numbers from 0, as they are served.
func lineUpN(t *testing.T, path string, n int, lock func(i int) (*Lock, error)) <-chan int {
	t.Helper()
	served := make(chan int, n)
	for i := range n {
		go func() {
			lock, err := lock(i)
			if err != nil {
				t.Error(err)
				served <- -1
				return
			}
			served <- i // before the next one can be served
			_ = lock.Unlock()
		}()
		awaitQueue(t, path, i+1)
	}
	return served
}

func assertOrder(t *testing.T, served <-chan int, n int) {
	t.Helper()
	var want, got []int
	for i := range n {
		want, got = append(want, i), append(got, <-served)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestLock_servesWaitersInTheOrderOfTheirArrival(t *testing.T) {
	const waiters = 8
	app := newApp(t, "web")
	for name, tt := range map[string]struct {
		path string
		lock func(int) (*Lock, error)
	}{
		"the app's lock": {app.Path(lockFile), func(int) (*Lock, error) { return app.Lock(t.Context(), deadline, Self("test"), nil) }},
		"the root's lock": {app.store.Root() + "/" + lockFile, func(int) (*Lock, error) {
			return app.store.Lock(t.Context(), Self("test"), nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			first, err := tt.lock(0)
			if err != nil {
				t.Fatal(err)
			}
			served := lineUpN(t, tt.path, waiters, tt.lock)
			if err := first.Unlock(); err != nil {
				t.Fatal(err)
			}
			assertOrder(t, served, waiters)
			if left := queued(t, tt.path); left != 0 {
				t.Errorf("%d are left in the queue", left)
			}
		})
	}
}

// sleepingWaiter stands first in the queue of a lock that is free, and does not
// take it.
func sleepingWaiter(t *testing.T, app *App) *place {
	t.Helper()
	if err := mustLock(t, app).Unlock(); err != nil {
		t.Fatal(err)
	}
	waiter, err := openPlace(app.Path(lockFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = waiter.file.Close() })
	if first, err := waiter.first(); err != nil || !first {
		t.Fatal(first, err)
	}
	return waiter
}

func TestLock_goesOnPastAWaiterThatIsSuspended(t *testing.T) {
	t.Parallel()
	app := newApp(t, "web")
	sleepingWaiter(t, app)
	var locked *Locked
	if _, err := app.Lock(t.Context(), 2*freeInterval, Self("test"), nil); !errors.As(err, &locked) ||
		!locked.Free || locked.Hint() == "" || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("error %v, want a *Locked that says that nobody holds it", err)
	}
	lock, err := app.Lock(t.Context(), deadline, Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.Lock(t.Context(), 0, Self("test"), nil); !errors.As(err, &locked) || locked.Free || locked.Holder.PID == 0 {
		t.Errorf("error %v, want a *Locked that names this process", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLock_isNotForTheNextWhoComesWhileOthersWait(t *testing.T) {
	app := newApp(t, "web")
	// A waiter that has yet to see that the lock is free.
	waiter := sleepingWaiter(t, app)
	var locked *Locked
	if _, err := app.Lock(t.Context(), 0, Self("test"), nil); !errors.As(err, &locked) {
		t.Errorf("error %v, want a *Locked", err)
	}
	waiter.leave()
	mustLock(t, app)
}

func TestLock_isLeftByAWaiterThatGivesUp(t *testing.T) {
	app := newApp(t, "web")
	mustLock(t, app)
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := app.Lock(ctx, deadline, Self("test"), nil)
		gaveUp <- err
	}()
	awaitQueue(t, app.Path(lockFile), 1)
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if left := queued(t, app.Path(lockFile)); left != 0 {
		t.Errorf("%d are left in the queue", left)
	}
}

// TestLock_goesOnPastAWaiterThatIsKilled kills one of three, whose child lives
// on.
func TestLock_goesOnPastAWaiterThatIsKilled(t *testing.T) {
	app := newApp(t, "web")
	first := mustLock(t, app)
	lock := func(int) (*Lock, error) { return app.Lock(t.Context(), deadline, Self("test"), nil) }
	before := lineUpN(t, app.Path(lockFile), 1, lock)
	killed := startHolder(t, app) // it has told its child, so it waits
	awaitQueue(t, app.Path(lockFile), 2)
	after := make(chan *Lock, 1)
	go func() {
		lock, err := lock(2)
		if err != nil {
			t.Error(err)
		}
		after <- lock
	}()
	awaitQueue(t, app.Path(lockFile), 3)
	if err := killed.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitQueue(t, app.Path(lockFile), 2)
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, before, 1)
	if last := <-after; last != nil {
		if err := last.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// TestLock_excludesAndIsExcludedByAnOlderZdd has an flock on the file in place
// of a zdd that knows no queue.
func TestLock_excludesAndIsExcludedByAnOlderZdd(t *testing.T) {
	app := newApp(t, "web")
	held := mustLock(t, app)
	older, err := os.OpenFile(app.Path(lockFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = older.Close() })
	if err := unix.Flock(int(older.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("flock of a lock that is held: %v, want EWOULDBLOCK", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(older.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if _, busy := app.Busy(); !busy {
		t.Error("the app is not busy")
	}
	var locked *Locked
	if _, err := app.Lock(t.Context(), 0, Self("test"), nil); !errors.As(err, &locked) {
		t.Errorf("error %v, want a *Locked", err)
	}
	served := lineUpN(t, app.Path(lockFile), 1, func(int) (*Lock, error) { return app.Lock(t.Context(), deadline, Self("test"), nil) })
	if err := unix.Flock(int(older.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, served, 1)
}

// TestLock_isTheOneAtThePathAfterTheFolderWasDeleted has those who wait begin
// anew, in their order.
func TestLock_isTheOneAtThePathAfterTheFolderWasDeleted(t *testing.T) {
	const waiters = 4
	app := newApp(t, "web")
	first := mustLock(t, app)
	served := lineUpN(t, app.Path(lockFile), waiters, func(i int) (*Lock, error) {
		lock, err := app.Lock(t.Context(), deadline, Self("next"), nil)
		if err != nil {
			return nil, err
		}
		if !lock.place.at(app.Path(lockFile)) {
			t.Error("the lock is on a deleted file")
		}
		if holder, busy := app.Busy(); !busy || holder.Command != "next" {
			t.Errorf("busy %v with %v", busy, holder)
		}
		return lock, nil
	})
	if err := errors.Join(app.Delete(), first.Unlock()); err != nil {
		t.Fatal(err)
	}
	assertOrder(t, served, waiters)
	eventually(t, "the end of the last lock", func() bool {
		_, busy := app.Busy()
		return !busy
	})
	if left := queued(t, app.Path(lockFile)); left != 0 {
		t.Errorf("%d are left in the queue", left)
	}
}

// TestLock_keepsAPlaceWhenItGoesOverToTheNewFile: nobody who comes then is before
// those who waited for the old one.
func TestLock_keepsAPlaceWhenItGoesOverToTheNewFile(t *testing.T) {
	app := newApp(t, "web")
	first := mustLock(t, app)
	old := waiter{path: app.Path(lockFile), makeDirs: app.makeDirs}
	if got, err := old.step(); got || err != nil {
		t.Fatalf("got %v, %v, want a place", got, err)
	}
	if err := errors.Join(app.Delete(), first.Unlock()); err != nil {
		t.Fatal(err)
	}
	if got, err := old.step(); got || err != nil || !old.place.at(app.Path(lockFile)) {
		t.Fatalf("got %v, %v, want a place at the new file", got, err)
	}
	newcomer := waiter{path: app.Path(lockFile), makeDirs: app.makeDirs}
	if got, err := newcomer.step(); got || err != nil {
		t.Errorf("the newcomer got %v, %v, want it to wait", got, err)
	}
	if got, err := old.step(); !got || err != nil {
		t.Errorf("the one before got %v, %v, want the lock", got, err)
	}
	if err := errors.Join(newcomer.place.close(), old.place.close()); err != nil {
		t.Error(err)
	}
}

func TestLock_namesTheHolderWhenItPassesToAnotherAtTheEndOfAWait(t *testing.T) {
	app := newApp(t, "web")
	mustLock(t, app)
	told := make(chan struct{})
	ended := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	go func() {
		// As between two holders: the name is gone before the wait is over.
		_, err := app.Lock(ctx, 2*time.Second, Self("test"), func(Holder) { close(told) })
		ended <- err
	}()
	<-told
	if err := os.Truncate(app.Path(lockFile), 0); err != nil {
		t.Fatal(err)
	}
	var locked *Locked
	if err := <-ended; !errors.As(err, &locked) || locked.Holder.Command != "test" {
		t.Errorf("error %v, want a *Locked that names the holder", err)
	}
}
