package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockGrace is how long a command that does not want to wait for a lock waits
// all the same: somebody may merely be looking whether it is held.
const lockGrace = 100 * time.Millisecond

// The shortest and the longest time between two looks at a lock's queue, each
// of which takes some ten microseconds.
const (
	shortestPause = time.Millisecond
	longestPause  = 25 * time.Millisecond
)

// openTries is how often a lock's file is opened that somebody deletes.
const openTries = 10

// Holder says who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	Command string    `json:"command"` // as it was typed, without secrets
	Since   time.Time `json:"since"`
}

// Self describes this process at work on command from now on.
func Self(command string) Holder {
	holder := Holder{PID: os.Getpid(), User: os.Getenv("USER"), Command: command, Since: time.Now().UTC().Truncate(time.Millisecond)}
	if who, err := user.Current(); err == nil {
		holder.User = who.Username
	}
	holder.Host, _ = os.Hostname()
	return holder
}

// String is like "zdd deploy web (pid 4711, ada@build) since 14:02:03".
func (h Holder) String() string {
	if h.PID == 0 {
		return "somebody unknown"
	}
	return fmt.Sprintf("%s (pid %d, %s@%s) since %s", h.Command, h.PID, h.User, h.Host, h.Since.Local().Format(time.TimeOnly))
}

// A Lock is held from its making until Unlock or the end of the process.
type Lock struct {
	path  string
	place *place // nil once it was unlocked
}

// Unlock frees the lock for the next one who waits. Further calls do nothing.
func (l *Lock) Unlock() error {
	if l.place == nil {
		return nil
	}
	// Nobody is named as holder between two holders.
	_ = l.place.file.Truncate(0)
	err := l.place.close()
	l.place = nil
	if err != nil {
		return fmt.Errorf("unlocking %q: %w", l.path, err)
	}
	return nil
}

// Lock takes the store's lock, which guards nginx's files and the address book
// of all apps, and waits for it until ctx ends. Who comes first is served
// first. If it has to wait, it calls waiting once, if that is not nil. The
// error is that of ctx or of the files.
func (s *Store) Lock(ctx context.Context, holder Holder, waiting func(Holder)) (*Lock, error) {
	w := waiter{path: filepath.Join(s.root, lockFile), makeDirs: s.makeRoot, waiting: waiting}
	return w.lock(ctx, holder)
}

// Lock takes the app's lock and waits for it no longer than wait; 0 means not
// at all. It makes the app's folder if there is none, and nothing else. Who
// comes first is served first. If it has to wait, it calls waiting once, if
// that is not nil, when it has its place in the queue. The error is a *Locked
// when wait is over, or that of ctx, or of the files.
func (a *App) Lock(ctx context.Context, wait time.Duration, holder Holder, waiting func(Holder)) (*Lock, error) {
	if wait <= 0 {
		wait, waiting = lockGrace, nil
	}
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	w := waiter{path: a.Path(lockFile), makeDirs: a.makeDirs, waiting: waiting}
	lock, err := w.lock(waitCtx, holder)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		holder, busy := a.Busy()
		return nil, &Locked{Path: w.path, Holder: cmp.Or(holder, w.seen), Free: !busy && !w.free.since.IsZero()}
	}
	return lock, err
}

// Busy reports whether a command holds the app's lock, and which. The holder
// is zero when it is not known yet.
func (a *App) Busy() (Holder, bool) {
	file, err := os.Open(a.Path(lockFile))
	if err != nil {
		return Holder{}, false
	}
	defer file.Close()
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		return Holder{}, false
	}
	return readHolder(a.Path(lockFile)), true
}

// waiter is one who wants a lock.
type waiter struct {
	path     string
	makeDirs func() error
	waiting  func(Holder) // nil once it was called
	seen     Holder       // who held the lock, zero while that is not known
	place    *place
	free     freedom
}

// lock stands in the queue until the lock is there, or until ctx ends.
func (w *waiter) lock(ctx context.Context, holder Holder) (lock *Lock, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("waiting for the lock %q: %w", w.path, err)
	}
	defer func() {
		if err != nil && w.place != nil {
			_ = w.place.close()
		}
	}()
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		got, err := w.step()
		if err != nil {
			return nil, fmt.Errorf("locking %q: %w", w.path, err)
		}
		if got {
			record(w.place.file, holder)
			w.place.leave()
			return &Lock{path: w.path, place: w.place}, nil
		}
		w.tell(time.Since(begun))
		timer.Reset(pause(time.Since(begun)))
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %q: %w", w.path, ctx.Err())
		case <-timer.C:
		}
	}
}

// step looks at the queue once, and takes the lock when it is the waiter's
// turn. Its holder may have deleted the file, with the folder: then the file
// that is at the path now is the one that counts. The first of the old queue
// goes over first and keeps its place there until it has one in the new, so
// that the others follow in their order.
func (w *waiter) step() (got bool, err error) {
	if w.place == nil {
		if w.place, err = w.open(); err != nil {
			return false, err
		}
	}
	first, err := w.place.first()
	if err != nil || !first && !w.free.tooLong(w.place) {
		return false, err
	}
	if got, err = w.place.take(); err != nil {
		return false, err
	}
	if w.place.at(w.path) {
		return got, nil
	}
	next, err := w.open()
	if err != nil {
		return false, err
	}
	if _, err := next.first(); err != nil {
		return false, errors.Join(err, next.close())
	}
	former := w.place
	w.place = next
	return false, former.close()
}

// open opens the lock's file. Whoever removes the app may delete the folder
// again after it was made here, but not time after time.
func (w *waiter) open() (opened *place, err error) {
	for range openTries {
		if err = w.makeDirs(); err == nil {
			opened, err = openPlace(w.path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return opened, err
}

// tell says once for whom the lock is awaited. Between two holders nobody is
// named for a moment, which is waited for.
func (w *waiter) tell(waited time.Duration) {
	if w.seen == (Holder{}) {
		w.seen = readHolder(w.path)
	}
	if w.waiting != nil && (w.seen != Holder{} || waited > lockGrace) {
		w.waiting(w.seen)
		w.waiting = nil
	}
}

// pause is the time between two looks at the queue: a fortieth of what was
// waited so far, so that nobody waits longer than by that for a lock that is
// free.
func pause(waited time.Duration) time.Duration {
	return min(max(waited/40, shortestPause), longestPause)
}

// record writes the holder into the lock's file for those who wait. It is
// written in place, for the file itself is the lock. It is a courtesy: a full
// disk must not keep anybody from removing an app.
func record(file *os.File, holder Holder) {
	data, err := json.Marshal(holder)
	if err != nil {
		return
	}
	_ = file.Chmod(0o600)
	_ = file.Truncate(0)
	_, _ = file.WriteAt(append(data, '\n'), 0)
}

// readHolder reads who holds the lock at path; zero when that is unknown: it
// was just taken, or the machine died while it was written.
func readHolder(path string) Holder {
	var holder Holder
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &holder) != nil {
		return Holder{}
	}
	return holder
}
