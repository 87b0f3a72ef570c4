package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockGrace is how long a command that does not want to wait for a lock waits
// all the same: somebody may merely be looking whether it is held.
const lockGrace = 100 * time.Millisecond

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
	file *flock.Flock
}

// Unlock frees the lock for the next one who waits. Further calls do nothing.
func (l *Lock) Unlock() error {
	if !l.file.Locked() {
		return nil
	}
	if l.atPath() {
		// Nobody is named as holder between two holders.
		_ = os.Truncate(l.file.Path(), 0)
	}
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("unlocking %q: %w", l.file.Path(), err)
	}
	return nil
}

// Lock takes the store's lock, which guards nginx's files and the address book
// of all apps, and waits for it until ctx ends. If it has to wait, it calls
// waiting once, if that is not nil. The error is that of ctx or of the files.
func (s *Store) Lock(ctx context.Context, holder Holder, waiting func(Holder)) (*Lock, error) {
	return acquire(ctx, filepath.Join(s.root, lockFile), s.makeRoot, holder, waiting)
}

// Lock takes the app's lock and waits for it no longer than wait; 0 means not
// at all. It makes the app's folder if there is none, and nothing else. If it
// has to wait, it calls waiting once, if that is not nil. Who waits first is
// served first, but a newcomer may slip in at the moment of an unlock. The
// error is a *Locked when wait is over, or that of ctx, or of the files.
func (a *App) Lock(ctx context.Context, wait time.Duration, holder Holder, waiting func(Holder)) (*Lock, error) {
	if wait <= 0 {
		wait, waiting = lockGrace, nil
	}
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	path := a.Path(lockFile)
	lock, err := acquire(waitCtx, path, a.makeDirs, holder, waiting)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &Locked{Path: path, Holder: readHolder(path)}
	}
	return lock, err
}

// Busy reports whether a command holds the app's lock, and which. The holder
// is zero when it is not known yet.
func (a *App) Busy() (Holder, bool) {
	file := flock.New(a.Path(lockFile), flock.SetFlag(os.O_RDONLY))
	free, err := file.TryRLock()
	if err != nil {
		return Holder{}, false
	}
	if free {
		_ = file.Unlock()
		return Holder{}, false
	}
	return readHolder(a.Path(lockFile)), true
}

// acquire locks the file at path. Its holder may have deleted it, with the
// folder, by the time that the lock is ours; then the file that is at path now
// is the one that counts.
func acquire(ctx context.Context, path string, makeDirs func() error, holder Holder, waiting func(Holder)) (*Lock, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("waiting for the lock %q: %w", path, err)
		}
		if err := makeDirs(); err != nil {
			return nil, fmt.Errorf("locking %q: %w", path, err)
		}
		lock := &Lock{file: flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))}
		err := lock.wait(ctx, func() {
			if waiting != nil {
				waiting(readHolder(path))
				waiting = nil
			}
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue // the folder was deleted after we made it
		}
		if err != nil {
			return nil, err
		}
		if !lock.atPath() {
			_ = lock.file.Unlock()
			continue
		}
		lock.record(holder)
		return lock, nil
	}
}

// wait blocks in flock(2), whose queue keeps the order of arrival, rather than
// to ask again and again. The descriptor is not inherited by children, so the
// lock cannot outlive the process in one of them.
func (l *Lock) wait(ctx context.Context, blocked func()) error {
	path := l.file.Path()
	locked, err := l.file.TryLock()
	if err != nil {
		return fmt.Errorf("locking %q: %w", path, err)
	}
	if locked {
		return nil
	}
	blocked()
	served := make(chan error, 1)
	go func() { served <- l.file.Lock() }()
	select {
	case err := <-served:
		if err != nil {
			return fmt.Errorf("locking %q: %w", path, err)
		}
		return nil
	case <-ctx.Done():
		go func() {
			// A system call that waits cannot be called back: it is served in
			// its turn and passes the lock on at once.
			if <-served == nil {
				_ = l.file.Unlock()
			}
		}()
		return fmt.Errorf("waiting for the lock %q: %w", path, ctx.Err())
	}
}

// atPath reports whether the locked file is still the one at its path.
func (l *Lock) atPath() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.file.Path())
	return err == nil && os.SameFile(held, named)
}

// record writes the holder into the lock file for those who wait. It is
// written in place, for the file itself is the lock. It is a courtesy: a full
// disk must not keep anybody from removing an app.
func (l *Lock) record(holder Holder) {
	data, err := json.Marshal(holder)
	if err != nil {
		return
	}
	_ = os.Chmod(l.file.Path(), 0o600)
	_ = os.WriteFile(l.file.Path(), append(data, '\n'), 0o600)
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
