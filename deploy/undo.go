package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zdd/failpoint"
)

// UndoTimeout bounds the undoing of a failed deploy, all steps together, beside
// the time that the new release gets for its last answers and for stopping.
const UndoTimeout = 2 * time.Minute

// undo remembers how to take back what was done so far. Each step that changes
// the world adds its entry before the next step begins.
type undo struct {
	entries []undoEntry
}

type undoEntry struct {
	what string
	back func(context.Context) error
	// traffic marks an entry that moves requests away from the new release.
	traffic bool
	// last marks an entry that is undone only when all else was.
	last bool
}

// add registers how to take back what, which reads after "undoing".
func (u *undo) add(what string, back func(context.Context) error) {
	u.entries = append(u.entries, undoEntry{what: what, back: back})
}

// addTraffic registers how to take requests back from the new release. If that
// fails, nothing older is undone: the new release's containers may be all that
// answers, and the journal stays for "zdd recover".
func (u *undo) addTraffic(what string, back func(context.Context) error) {
	u.entries = append(u.entries, undoEntry{what: what, back: back, traffic: true})
}

// addLast registers what tells later commands of the move: it stays as long as
// anything else of the move does.
func (u *undo) addLast(what string, back func(context.Context) error) {
	u.entries = append(u.entries, undoEntry{what: what, back: back, last: true})
}

// forget is the commit: what was done stays done.
func (u *undo) forget() { u.entries = nil }

// run takes everything back within limit, last to first and past failures. It
// outlives the interrupt that ctx may have met.
func (u *undo) run(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	var failures []error
	for len(u.entries) > 0 {
		last := u.entries[len(u.entries)-1]
		u.entries = u.entries[:len(u.entries)-1]
		if last.last && len(failures) > 0 {
			continue
		}
		failpoint.Hit("before undoing " + last.what)
		err := last.back(ctx)
		failpoint.Hit("after undoing " + last.what)
		if err != nil {
			failures = append(failures, fmt.Errorf("undoing %s: %w", last.what, err))
			if last.traffic {
				u.forget()
			}
		}
	}
	return errors.Join(failures...)
}
