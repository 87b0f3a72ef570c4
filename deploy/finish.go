package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zdd/container"
	"zdd/release"
)

// retireSlack is how much longer than the containers' own grace the retirement
// may take: the engine's time to stop and remove them.
const retireSlack = time.Minute

// commit writes down that the target is live. Nothing is undone from here on.
func (m *move) commit(ctx context.Context) error {
	return m.run(ctx, StepCommit, func(context.Context) (string, error) {
		live := m.committed()
		if err := m.app.SaveState(live); err != nil {
			if !m.isOnDisk(live) {
				return "", err
			}
			// Only the folder's fsync failed. To undo what the disk calls live could
			// end with neither release serving.
			m.warn(StepCommit, fmt.Errorf("%w (release %d is live; a crash of the machine now could take that back)", err, m.target.Number))
		}
		m.hasOld = m.state.Live != 0
		m.state = live
		m.undo.forget()
		return fmt.Sprintf("release %d is live", m.target.Number), nil
	})
}

// isOnDisk says whether a state that could not be saved is nevertheless what a
// later command will read.
func (m *move) isOnDisk(state release.State) bool {
	found, err := m.app.State()
	return err == nil && found.Live == state.Live && found.Deploy != nil &&
		found.Deploy.Release == state.Deploy.Release && found.Deploy.Phase == state.Deploy.Phase
}

// committed is the state in which the target is live and only cleaning up is
// left to do.
func (m *move) committed() release.State {
	live := m.state
	live.Previous, live.Live, live.Slot = m.state.Live, m.target.Number, m.slot
	live.Slots = maps.Clone(m.state.Slots)
	taken := live.Slots[m.slot]
	taken.Release, taken.Port, taken.Replicas = m.target.Number, m.target.Port, m.target.Settings.Replicas
	live.Slots[m.slot] = taken
	for slot, known := range live.Slots {
		if known.Release == 0 { // the site already has the idle slot like this
			known.Port, known.Replicas = taken.Port, taken.Replicas
			live.Slots[slot] = known
		}
	}
	journal := *m.state.Deploy
	journal.Phase = release.Committed
	live.Deploy = &journal
	return live
}

// adopt makes the site and the settings of the release that is live now the
// app's. The journal stays open without it: a later command would take the former
// ones for the app's, and an undoing put them back.
func (m *move) adopt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), UndoTimeout)
	defer cancel()
	m.makeRoom()
	accepted := m.withRoot(ctx, func() error { return m.Proxy.Accept(m.name) })
	return errors.Join(accepted, m.saveSettings())
}

// drain waits until the former release has answered its last request. An
// interrupt cuts it short.
func (m *move) drain(ctx context.Context) {
	if m.unadopted = m.adopt(ctx); m.unadopted != nil {
		m.warn(StepCommit, fmt.Errorf("%w (once this is mended: zdd recover %s)", m.unadopted, m.name))
	}
	if !m.hasOld {
		m.drained.Closed = true
		return
	}
	m.after(StepDrain, func() (string, error) {
		var err error
		m.drained, err = m.Proxy.Drain(ctx, m.oldPool(), m.drainLimit())
		switch {
		case err != nil:
			return "", err
		case !m.drained.Closed && m.drained.Open == 0:
			return fmt.Sprintf("release %d was not waited for", m.state.Previous), nil
		case !m.drained.Closed:
			return "", fmt.Errorf("%s to release %d still open after %s: %v",
				plural(m.drained.Open, "connection"), m.state.Previous, m.drained.Waited.Round(time.Millisecond), m.drained.Connections)
		default:
			return fmt.Sprintf("release %d has answered its last request", m.state.Previous), nil
		}
	})
}

// saveSettings remembers what the command line changed.
func (m *move) saveSettings() error {
	if settings := m.state.Deploy.Settings; settings != nil {
		return m.app.SaveSettings(*settings)
	}
	return nil
}

// oldPool is where the former release listens.
func (m *move) oldPool() []string {
	known := m.state.Slots[m.slot.Other()]
	return addressPorts(known.Addresses[:known.Replicas], known.Port)
}

// retire stops the former release, keeps its containers for a rollback, and
// removes what is older than the app keeps. It goes on when interrupted.
func (m *move) retire(ctx context.Context) {
	grace := m.grace()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace+retireSlack)
	defer cancel()
	m.after(StepRetire, func() (string, error) {
		all, err := m.Engine.List(ctx, container.Filter{App: m.name, All: true})
		if err != nil {
			return "", err
		}
		var stop, remove []container.Instance
		for _, instance := range all {
			switch instance.Release {
			case m.state.Live:
			case m.state.Previous:
				stop = append(stop, instance)
			default:
				remove = append(remove, instance)
			}
		}
		err = errors.Join(
			m.Engine.Stop(ctx, append(stop, remove...), grace),
			m.Engine.Remove(ctx, remove),
			m.removeTasks(ctx),
			m.Proxy.Unseal(m.oldPool()),
		)
		err = errors.Join(err, m.recordDone())
		if err != nil || m.unadopted != nil { // the journal stays: the next command goes on from here
			return "", err
		}
		pruned, err := m.prune(ctx)
		return retired(m.state.Previous, pruned), errors.Join(err, m.closeJournal(ctx))
	})
}

// grace is how long the former release may take to stop.
func (m *move) grace() time.Duration {
	old, err := m.app.Release(m.state.Previous)
	if err != nil {
		return m.settings.StopTimeout.Or(release.DefaultStopTimeout)
	}
	return old.Settings.StopTimeout.Or(release.DefaultStopTimeout)
}

// closeJournal ends the move on disk. What history has to tell of it is told
// before: after a kill in between, the journal brings the next command here
// again. It takes a context as all undoing does.
func (m *move) closeJournal(context.Context) error {
	if !m.journaled {
		return nil
	}
	if m.ending != nil {
		if err := m.ending(); err != nil {
			return err
		}
	}
	done := m.state
	done.Deploy = nil
	if err := m.app.SaveState(done); err != nil {
		return err
	}
	m.state = done
	return nil
}

// prune removes the oldest releases and their images, down to the number that
// the app keeps; the live and the previous one are always kept.
func (m *move) prune(ctx context.Context) (pruned []int, err error) {
	numbers, err := m.app.Releases()
	if err != nil {
		return nil, err
	}
	excess := len(numbers) - m.settings.WithDefaults().Keep
	for _, number := range numbers {
		if excess <= 0 {
			break
		}
		if number == m.state.Live || number == m.state.Previous {
			continue
		}
		if err := m.forgetRelease(ctx, number); err != nil {
			return pruned, err
		}
		pruned = append(pruned, number)
		excess--
	}
	return pruned, nil
}

// forgetRelease removes a release's image, where nothing else needs it, and
// its record.
func (m *move) forgetRelease(ctx context.Context, number int) error {
	record, err := m.app.Release(number)
	if is[*release.NoRelease](err) {
		return nil // the tag is made after the record
	}
	names := []string{imageTag(m.name, number)}
	if err == nil && record.Pulled && !m.usedElsewhere(record) {
		names = append(names, record.Image)
	}
	for _, name := range names {
		if err := m.dropName(ctx, name, record.ImageID); err != nil {
			return err
		}
	}
	return m.app.DeleteRelease(number)
}

// dropName removes a name of an image, unless it is another image's by now: a
// host where every deploy pulls would fill up with them. An imageID of "" is one
// that nobody knows any more.
func (m *move) dropName(ctx context.Context, name, imageID string) error {
	image, err := m.Engine.TaggedImage(ctx, name)
	switch {
	case is[*container.NoImage](err):
		return nil
	case err != nil:
		return err
	case imageID != "" && image.ID != imageID:
		return nil
	}
	return m.Engine.Untag(ctx, name)
}

// usedElsewhere says whether another kept release has the same image; where
// that cannot be known, it has.
func (m *move) usedElsewhere(record release.Release) bool {
	used, err := m.anyKept(func(other release.Release) bool {
		return other.Number != record.Number && other.ImageID == record.ImageID
	})
	return used || err != nil
}

// anyKept says whether one of the app's kept releases is like that. Records that
// cannot be read are passed over.
func (m *move) anyKept(like func(release.Release) bool) (bool, error) {
	numbers, err := m.app.Releases()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(numbers, func(number int) bool {
		kept, err := m.app.Release(number)
		return err == nil && like(kept)
	}), nil
}

func retired(previous int, pruned []int) string {
	text := ""
	if previous != 0 {
		text = fmt.Sprintf("release %d is stopped and kept for a rollback", previous)
	}
	if len(pruned) > 0 {
		text += fmt.Sprintf("; removed %v", pruned)
	}
	return text
}
