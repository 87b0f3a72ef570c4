package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"zdd/container"
	"zdd/failpoint"
	"zdd/nginx"
	"zdd/release"
)

// move is one app on its way from a release to another: what a deploy, a
// rollback and a recovery have in common.
type move struct {
	*Deployer
	kind release.Kind
	name string // the app's

	app      *release.App
	appLock  *release.Lock
	newApp   bool             // the app had no folder before this command
	settings release.Settings // with what the command line says, without defaults
	wait     *time.Duration   // for the lock, where the command line says it
	change   func(*release.Settings) error
	gone     bool          // the app was removed
	reverted bool          // recovery has taken back the site already
	state    release.State // what is on disk
	known    bool          // state was read

	hooks     map[string]string // the app's, name → path
	target    release.Release   // the release that is to serve
	slot      release.Slot      // where it runs
	addresses []netip.Addr      // of the slot, one per replica
	instances []container.Instance
	journaled bool // the disk has, or had, the journal of this move

	undo     undo
	ending   func() error // tells history how the move ended, before its journal is closed
	step     Step
	begun    time.Time
	switched time.Time // zero until requests go to target
	drained  nginx.Drained
	hasOld   bool // there is a former release to drain and retire
	// unadopted says why the live release's site and settings are not the app's yet.
	unadopted error
}

func (d *Deployer) newMove(kind release.Kind, app string) *move {
	return &move{Deployer: d, kind: kind, name: app, begun: time.Now()}
}

// drainLimit is how long a release may take for its last answers.
func (m *move) drainLimit() time.Duration { return m.settings.Drain.Or(release.DefaultDrain) }

// undoLimit is how long undoing everything may take.
func (m *move) undoLimit() time.Duration { return UndoTimeout + m.drainLimit() + m.stopTimeout() }

// run does one step: tells when it starts and ends, and refuses to start it
// once the command was interrupted. What do returns is said about the step.
func (m *move) run(ctx context.Context, step Step, do func(context.Context) (string, error)) error {
	m.step = step
	if err := ctx.Err(); err != nil {
		return err
	}
	begun := time.Now()
	m.tell(step, Started, "", 0)
	failpoint.Hit("before " + string(step))
	detail, err := do(ctx)
	failpoint.Hit("after " + string(step))
	if err != nil {
		text := headline(err)
		if ctx.Err() != nil {
			text = "interrupted"
		}
		m.tell(step, Failed, text, time.Since(begun))
		return err
	}
	m.tell(step, Done, detail, time.Since(begun))
	return nil
}

// after does one step of the time after the commit, when nothing may turn
// success into failure: an error becomes a warning.
func (m *move) after(step Step, do func() (string, error)) {
	m.step = step
	begun := time.Now()
	m.tell(step, Started, "", 0)
	failpoint.Hit("before " + string(step))
	detail, err := do()
	failpoint.Hit("after " + string(step))
	if err != nil {
		m.warn(step, err)
		return
	}
	m.tell(step, Done, detail, time.Since(begun))
}

func (m *move) tell(step Step, status Status, detail string, took time.Duration) {
	m.Report(Event{
		Time: time.Now().UTC(), App: m.name, Release: m.target.Number,
		Step: step, Status: status, Detail: detail, Seconds: took.Seconds(),
	})
}

func (m *move) warn(step Step, err error) {
	m.tell(step, Warning, err.Error(), 0)
}

// lock takes the app's lock and reads what is known of the app. State and
// settings are read before it as well: for how long to wait, and for what to
// say when the lock is not to be had.
func (m *move) lock(ctx context.Context) error {
	m.step = StepLock
	app, err := m.Store.App(m.name)
	if err != nil {
		return err
	}
	m.app = app
	// What serves has to be said even if nothing can be read under the lock.
	if err := m.readState(); err != nil {
		return err
	}
	if err := m.readSettings(); err != nil {
		return err
	}
	limit := m.settings.Wait.Or(release.DefaultWait)
	if m.wait != nil {
		limit = *m.wait
	}
	return m.run(ctx, StepLock, func(ctx context.Context) (string, error) {
		m.appLock, err = app.Lock(ctx, limit, m.Holder, func(holder release.Holder) {
			m.Progress(StepLock, "waiting for "+holder.String())
			m.tell(StepLock, Warning, "waiting for "+holder.String(), 0)
		})
		if err != nil {
			return "", err
		}
		// The app may have been removed while this command waited.
		if m.newApp = !app.Exists(); m.newApp && m.kind != release.KindDeploy {
			return "", m.mustExist()
		}
		if m.kind != release.KindDeploy || m.state.Deploy != nil {
			m.makeRoom()
		}
		if err := m.app.Sweep(); err != nil {
			m.warn(StepLock, err)
		}
		if err := m.readState(); err != nil {
			return "", err
		}
		if err := m.endHooks(); err != nil {
			m.warn(StepLock, err) // the next command tries again
		}
		return "", m.readSettings()
	})
}

// readState reads what is live. A removal goes on without knowing: it is the
// way out when the state is lost.
func (m *move) readState() error {
	state, err := m.app.State()
	if is[*release.Corrupt](err) && m.kind == release.KindRemove {
		m.warn(m.step, err)
		state, err = release.State{Next: 1}, nil
	}
	m.state, m.known = state, err == nil
	return err
}

// readSettings reads the app's settings and lays the command line's over them.
func (m *move) readSettings() error {
	settings, err := m.app.Settings()
	if err != nil && m.kind != release.KindDeploy {
		// A mistake in app.yaml must not keep anybody from going back.
		if live, liveErr := m.app.Release(m.state.Live); liveErr == nil || m.kind == release.KindRemove {
			m.warn(m.step, fmt.Errorf("%w; going on with the settings of the live release", err))
			settings, err = live.Settings, nil
		}
	}
	if err != nil {
		return err
	}
	m.settings = settings
	if m.change == nil {
		return nil
	}
	if err := m.change(&m.settings); err != nil {
		return err
	}
	return m.settings.Validate()
}

// rootPatience is after how long it is told, in a pipe too, that a command waits
// for another one's change of nginx. Most take some hundredths of a second.
const rootPatience = 5 * time.Second

// withRoot holds the root's lock, under which nginx's files and the address
// book change.
func (m *move) withRoot(ctx context.Context, do func() error) (err error) {
	var late *time.Timer
	step := m.step
	lock, err := m.Store.Lock(ctx, m.Holder, func(holder release.Holder) {
		text := "waiting for nginx, which is being changed by " + holder.String()
		m.Progress(step, text)
		late = time.AfterFunc(rootPatience, func() { m.tell(step, Warning, text, 0) })
	})
	if late != nil {
		late.Stop()
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return do()
}

// journal writes down how far the move is, before the next thing happens.
func (m *move) journal(phase release.Phase) error {
	m.state.Deploy.Phase = phase
	return m.app.SaveState(m.state)
}

// end is the one deferred call of every command: it undoes what was not
// committed, writes history, lets go of the lock, and tells the outcome.
func (m *move) end(ctx context.Context, outcome *Outcome, err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("a fault in zdd: %v", fault)
		defer panic(fault)
	}
	var failure *Error
	if *err != nil {
		failure = classify(ctx, *err, m.step)
		m.ending = func() error { return m.recordFailure(failure) }
		m.takeBack(ctx, failure)
		// Where the journal stays open.
		if recordErr := m.recordFailure(failure); recordErr != nil {
			m.warn(m.step, recordErr)
		}
		failure.Serving = m.serving(ctx)
		m.tellFailed(ctx, failure)
		*err = failure
	}
	if m.appLock != nil {
		if unlockErr := m.appLock.Unlock(); unlockErr != nil {
			m.warn(m.step, unlockErr)
		}
	}
	*outcome = m.outcome(failure)
	last := Event{
		Time: time.Now().UTC(), App: m.name, Release: m.target.Number, Step: Step(m.kind),
		Status: Done, Seconds: time.Since(m.begun).Seconds(), Outcome: outcome,
	}
	if failure != nil {
		last.Status = Failed
	}
	m.Report(last)
}

// takeBack undoes what the failed move did. What cannot be undone is the
// operator's, and the exit code says so.
func (m *move) takeBack(ctx context.Context, failure *Error) {
	if len(m.undo.entries) > 0 {
		begun := time.Now()
		m.tell(StepUndo, Started, "", 0)
		m.makeRoom()
		if err := m.undo.run(ctx, m.undoLimit()); err != nil {
			m.tell(StepUndo, Failed, err.Error(), time.Since(begun))
			left := incomplete(m.name, errors.Join(failure.Err, err))
			failure.Exit, failure.Err, failure.Hint = left.Exit, left.Err, left.Hint
			return
		}
		m.tell(StepUndo, Done, "", time.Since(begun))
		failure.undone(ctx)
	}
	// An app that never got as far as a release leaves no folder.
	if m.newApp && m.appLock != nil && m.state.Next <= 1 {
		if err := m.app.Delete(); err != nil {
			m.warn(StepUndo, err)
		}
	}
}

func (m *move) outcome(failure *Error) Outcome {
	outcome := Outcome{Serving: m.state.Live, Slot: string(m.state.Slot), Drained: m.drained.Closed}
	if m.state.Live != 0 {
		if live, err := m.app.Release(m.state.Live); err == nil {
			outcome.Image = live.Image
		}
	}
	if failure == nil {
		if !m.switched.IsZero() {
			outcome.LiveSeconds = m.switched.Sub(m.begun).Seconds()
		}
		return outcome
	}
	outcome.Drained = false
	outcome.Error, outcome.Hint, outcome.Exit = failure.Error(), failure.Hint, failure.Exit
	return outcome
}

// noneRuns says whether it is known that the live release does not run.
func (m *move) noneRuns(ctx context.Context) bool {
	if m.Engine == nil { // it could not be reached
		return false
	}
	running, err := m.Engine.List(ctx, container.Filter{App: m.name, Release: m.state.Live})
	return err == nil && len(running) == 0
}

// serving says in words what serves after a failure.
func (m *move) serving(ctx context.Context) string {
	switch {
	case m.app == nil:
		return ""
	case !m.known:
		return "unknown: the app's state could not be read"
	case m.state.Live == 0:
		return "nothing: this app has no live release"
	}
	live := fmt.Sprintf("release %d", m.state.Live)
	if record, err := m.app.Release(m.state.Live); err == nil {
		live += " (" + record.Image + ")"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ProofTimeout)
	defer cancel()
	if m.noneRuns(ctx) {
		return fmt.Sprintf("nothing: no container of %s, the live release, runs; start it: zdd recover %s", live, m.name)
	}
	switch slot, err := m.Proxy.Answers(ctx, m.name); {
	case err != nil:
		return fmt.Sprintf("%s runs, but nginx does not answer for it: %v", live, err)
	case slot != nginx.Slot(m.state.Slot):
		return fmt.Sprintf("slot %s, to which nginx gives the requests, and not %s", slot, live)
	default:
		return live + ", as before"
	}
}
