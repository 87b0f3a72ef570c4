package release

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// firstTicket is where the tickets of a queue begin: far behind whatever is
// written in a lock's file, for the bytes of a lock need not exist.
const firstTicket int64 = 1 << 40

// A place is a process's place in the queue for a lock.
//
// flock(2) keeps no order of its own: of those who wait and those who come at
// the right moment anybody may get the lock. So whoever comes takes the next
// ticket, one byte of the lock's file, by an open file description lock
// (fcntl(2), F_OFD_SETLK), and asks for the flock once nobody holds a lower
// one. The two kinds of locks do not see each other, so a zdd that knows no
// queue is kept out by the flock, and keeps out, as ever. The kernel gives a
// ticket back when its holder dies, so nobody waits for the dead. Descriptors
// are closed in children, which can hold no place for longer than their birth
// takes.
type place struct {
	file   *os.File
	ticket int64 // 0 = none yet
}

// openPlace opens the lock's file, and makes it where there is none. The error
// is fs.ErrNotExist where there is no folder.
func openPlace(path string) (*place, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &place{file: file}, nil
}

// first takes a ticket where the place has none, and reports whether nobody
// stands before it.
func (p *place) first() (bool, error) {
	if p.ticket == 0 {
		if err := p.draw(); err != nil || p.ticket == 0 {
			return false, err
		}
	}
	if p.ticket == firstTicket {
		return true, nil // and a length of 0 would mean all bytes
	}
	_, taken, err := p.held(firstTicket, p.ticket-firstTicket)
	return !taken, err
}

// draw takes the ticket after the last one that is held. It takes none where a
// lock of another kind is in the way: NFS makes each flock one of all bytes.
func (p *place) draw() error {
	for {
		next := firstTicket
		for {
			found, taken, err := p.held(next, 0)
			if err != nil || taken && found.Len == 0 {
				return err
			}
			if !taken {
				break
			}
			next = found.Start + found.Len
		}
		switch err := p.set(unix.F_WRLCK, next); {
		case err == nil:
			p.ticket = next
			return nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES):
			return fmt.Errorf("taking a place in the queue: %w", err)
		}
		// Somebody else was faster by a moment.
	}
}

// held looks for a ticket of anybody else's in length bytes from start, or in
// all from there when length is 0.
func (p *place) held(start, length int64) (found unix.Flock_t, taken bool, err error) {
	found = unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: start, Len: length}
	if err := unix.FcntlFlock(p.file.Fd(), unix.F_OFD_GETLK, &found); err != nil {
		return found, false, fmt.Errorf("looking at the queue: %w", err)
	}
	return found, found.Type != unix.F_UNLCK, nil
}

func (p *place) set(kind int16, ticket int64) error {
	return unix.FcntlFlock(p.file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: ticket, Len: 1})
}

// Whoever stands before is passed by when the lock was free for passAfter, at
// each look every freeInterval: it was suspended (SIGSTOP, Ctrl-Z), for one that
// goes on takes it within longestPause. The order is a courtesy; it is the flock
// that excludes.
const (
	passAfter    = 10 * time.Second
	freeInterval = 500 * time.Millisecond
)

// freedom is for how long a lock was seen free by one who stands behind others.
type freedom struct{ since, looked time.Time }

// tooLong looks at the lock from time to time.
func (f *freedom) tooLong(p *place) bool {
	now := time.Now()
	if now.Sub(f.looked) < freeInterval {
		return false
	}
	f.looked = now
	switch {
	case !p.isFree():
		f.since = time.Time{}
	case f.since.IsZero():
		f.since = now
	}
	return !f.since.IsZero() && now.Sub(f.since) >= passAfter
}

// isFree says whether nobody holds the lock. It holds it itself for a moment, in
// which others meet it as they meet one that is held.
func (p *place) isFree() bool {
	if unix.Flock(int(p.file.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		return false
	}
	return unix.Flock(int(p.file.Fd()), unix.LOCK_UN) == nil
}

// leave gives the ticket back. The file stays open.
func (p *place) leave() {
	if p.ticket != 0 {
		_ = p.set(unix.F_UNLCK, p.ticket) // closing the file does it too
		p.ticket = 0
	}
}

// close leaves the queue and lets go of the lock. It does not count on the
// closing alone: a child that is just being born has the descriptor as well.
func (p *place) close() error {
	p.leave()
	return errors.Join(unix.Flock(int(p.file.Fd()), unix.LOCK_UN), p.file.Close())
}

// take asks for the lock without waiting.
func (p *place) take() (bool, error) {
	err := unix.Flock(int(p.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// at reports whether the file is still the one at path: whoever removes an app
// removes its lock's file too.
func (p *place) at(path string) bool {
	held, err := p.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(held, named)
}
