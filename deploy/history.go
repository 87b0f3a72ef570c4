package deploy

import (
	"time"

	"zdd/release"
)

// entry is the line of history that the move leaves.
func (m *move) entry(outcome release.Outcome) release.Entry {
	entry := release.Entry{
		Time: time.Now().UTC(), Kind: m.kind, Release: m.target.Number, Image: m.target.Image,
		ImageID: m.target.ImageID, Outcome: outcome, Seconds: time.Since(m.begun).Seconds(),
		By: m.Holder.User + "@" + m.Holder.Host, Serving: m.state.Live,
	}
	if !m.switched.IsZero() {
		entry.LiveSeconds = m.switched.Sub(m.begun).Seconds()
	}
	return entry
}

// recordDone writes the success down, before the journal is closed: a command
// that is killed in between is finished by the next one, which looks first
// whether it is written already.
func (m *move) recordDone() error {
	if m.told() == release.Done {
		return nil
	}
	entry := m.entry(release.Done)
	entry.From = m.state.Previous
	entry.Drained, entry.Open = m.drained.Closed, m.drained.Connections
	return m.app.Append(entry)
}

// told is what history says of this move: "" for nothing yet. The command has
// written it, or one that was killed after that, or whose undoing failed: such a
// failure can be a success in the end.
func (m *move) told() release.Outcome {
	last, ok, err := m.app.LastEntry()
	if err != nil || !ok || last.Kind != m.kind || last.Release != m.target.Number || !last.Time.After(m.begun) {
		return ""
	}
	return last.Outcome
}

// recordUndone writes down that an interrupted move was undone.
func (m *move) recordUndone() error {
	if m.told() != "" {
		return nil
	}
	entry := m.entry(release.Undone)
	entry.From = m.state.Live
	entry.Step, entry.Error = string(StepRecover), "the command did not come to its end"
	return m.app.Append(entry)
}

// recordFailure writes the failure of a move down, if it got as far as to have a
// journal: until then it changes nothing, and its number is the next one's. Of
// one that broke down after its commit the next command tells, which finishes it:
// it has succeeded.
func (m *move) recordFailure(failure *Error) error {
	if m.gone || !m.journaled {
		return nil
	}
	if journal := m.state.Deploy; journal != nil && journal.Phase == release.Committed || m.told() != "" {
		return nil
	}
	outcome := release.Failed
	if failure.Exit == ExitInterrupted {
		outcome = release.Interrupted
	}
	entry := m.entry(outcome)
	entry.From, entry.Step, entry.Error = m.state.Live, string(failure.Step), headline(failure.Err)
	return m.app.Append(entry)
}
