package deploy

import (
	"context"
	"errors"
	"fmt"

	"zdd/container"
	"zdd/nginx"
	"zdd/release"
)

// Recover finishes or undoes what an interrupted command left of an app. It is
// also the beginning of every other command that changes an app.
func (d *Deployer) Recover(ctx context.Context, app string) (outcome Outcome, err error) {
	m := d.newMove(release.KindRecover, app)
	defer m.end(ctx, &outcome, &err)

	if err = m.mustExist(); err != nil {
		return
	}
	if err = m.lock(ctx); err != nil {
		return
	}
	if err = m.recover(ctx); err != nil {
		return
	}
	if m.state.Live == 0 {
		err = m.stopIdleNginx(ctx)
	} else {
		err = m.revive(ctx)
	}
	m.undo.forget()
	return
}

// revive starts the live release again where somebody or something has ended
// it, and wants its checks to pass. A flag that was lost comes back.
func (m *move) revive(ctx context.Context) error {
	live, err := m.app.Release(m.state.Live)
	if err != nil {
		return err
	}
	m.target, m.slot = live, m.state.Slot
	known := m.state.Slots[m.slot]
	m.addresses = known.Addresses[:known.Replicas]
	up, err := m.Engine.List(ctx, container.Filter{App: m.name, Release: m.target.Number})
	if err != nil {
		return err
	}
	switch {
	case len(up) == 0:
		if err := m.run(ctx, StepStart, m.startAgain); err != nil {
			return err
		}
		if err := m.checkAgain(ctx); err != nil {
			return err
		}
	case len(up) < known.Replicas: // to start the others could end these
		return unfit("deploy it again, which starts it whole: zdd deploy "+m.name+" "+live.Image,
			fmt.Errorf("%d of %d replicas of release %d run", len(up), known.Replicas, live.Number))
	}
	if err := m.Engine.Promote(ctx, up); err != nil {
		return err
	}
	if err := m.Proxy.Switch(m.name, nginx.Slot(m.slot)); err != nil {
		return err
	}
	return m.prove(ctx, m.slot)
}

// checkAgain puts the checks to a live release that was started again. It is
// kept up whatever they say: it is what the app has.
func (m *move) checkAgain(ctx context.Context) error {
	m.lookForHooks()
	return m.run(ctx, StepCheck, func(ctx context.Context) (string, error) {
		detail, err := m.runChecks(ctx, StepCheck, m.replicaChecks(), m.targets(m.slot, m.instances))
		if err != nil {
			err = m.explain(ctx, err)
		}
		return detail, errors.Join(err, m.Engine.Promote(ctx, m.instances))
	})
}

func (m *move) startAgain(ctx context.Context) (string, error) {
	if err := m.withRoot(ctx, func() error { return m.ensureNetwork(ctx) }); err != nil {
		return "", err
	}
	var err error
	m.instances, err = m.restart(ctx)
	return fmt.Sprintf("release %d did not run, and was started again", m.target.Number), err
}

// recover reads the journal. The flag is the commit record of a switch: where
// it is on the interrupted deploy's slot and that release serves, the deploy
// is finished; everywhere else it is undone.
func (m *move) recover(ctx context.Context) error {
	if m.state.Live == 0 && m.state.Deploy == nil {
		return nil // nginx is started once there is something to serve
	}
	if m.state.Live == 0 {
		m.undo.add("the start of nginx", m.stopIdleNginx)
	}
	if err := m.ensureNginx(ctx); err != nil {
		return err
	}
	if m.state.Deploy == nil {
		return nil
	}
	return m.run(ctx, StepRecover, func(ctx context.Context) (string, error) {
		r := m.interrupted()
		how, err := r.settle(ctx)
		m.state, m.gone = r.state, r.gone
		if err == nil && m.gone && m.kind != release.KindRecover {
			return how, m.beginAnew(ctx)
		}
		if err == nil && !m.gone { // the interrupted deploy's may be the app's now
			err = m.readSettings()
		}
		return how, err
	})
}

// beginAnew takes the lock again of an app whose removal was finished just
// now: the lock's file went with its folder.
func (m *move) beginAnew(ctx context.Context) error {
	if err := m.appLock.Unlock(); err != nil {
		return err
	}
	m.gone, m.undo = false, undo{}
	return m.lock(ctx)
}

// ensureNginx makes sure that nginx runs, with what zdd last gave it.
func (m *move) ensureNginx(ctx context.Context) error {
	return m.withRoot(ctx, func() error {
		if m.state.Deploy != nil || m.kind == release.KindRecover {
			if err := errors.Join(m.Store.Sweep(), m.Proxy.Sweep()); err != nil {
				m.warn(m.step, err)
			}
		}
		err := m.settleNginx(ctx)
		switch {
		case err == nil:
			return nil
		case !m.installInterrupted() && is[*nginx.Refused](err) && m.nginxRuns():
			// It goes on with what it has. Only a change of the site will fail.
			m.warn(m.step, err)
			return nil
		case !m.installInterrupted():
			return err
		}
		// A site that nginx refuses may be what the killed command left.
		if takeBackErr := m.takeBackSite(ctx); takeBackErr != nil {
			return errors.Join(err, takeBackErr)
		}
		m.reverted = true
		return m.settleNginx(ctx)
	})
}

// takeBackSite puts the former site back, and the flag with it: by that every
// later command knows that the move is to be undone, should this one fail.
func (m *move) takeBackSite(ctx context.Context) error {
	if m.state.Live != 0 && m.interrupted().strategy() == nginx.Flag {
		if err := m.Proxy.Switch(m.name, nginx.Slot(m.state.Slot)); err != nil {
			return err
		}
	}
	return m.Proxy.Revert(ctx, m.name)
}

func (m *move) nginxRuns() bool {
	running, _, _, err := m.Proxy.Generations()
	return err == nil && running != 0
}

// settleNginx starts nginx where it does not run, and makes it load what is on
// disk where it has not.
func (m *move) settleNginx(ctx context.Context) error {
	if _, err := m.Proxy.Ensure(ctx); err != nil {
		return err
	}
	return m.Proxy.Settle(ctx)
}

// installInterrupted says whether a command was killed while the app's site
// may have been half installed.
func (m *move) installInterrupted() bool {
	journal := m.state.Deploy
	return journal != nil && (journal.Phase == release.Installing || journal.Phase == release.Switching)
}

// interrupted is the move that the journal tells of.
func (m *move) interrupted() *move {
	journal := m.state.Deploy
	r := m.newMove(journal.Kind, m.name)
	r.app, r.state, r.slot, r.step, r.begun = m.app, m.state, journal.Slot, StepRecover, journal.Started
	r.known, r.journaled, r.reverted = true, true, m.reverted
	if settings, err := m.app.Settings(); err == nil { // not what this command says
		r.settings = settings
	} else if live, err := m.app.Release(m.state.Live); err == nil {
		r.settings = live.Settings
	}
	r.target = release.Release{App: m.name, Number: journal.Release, Image: journal.Image, ImageID: journal.ImageID}
	if target, err := m.app.Release(journal.Release); err == nil {
		r.target = target
	}
	if journal.Settings != nil {
		r.settings = *journal.Settings
	}
	r.lookForHooks()
	return r
}

// settle ends the interrupted move one way or the other, and says how.
func (r *move) settle(ctx context.Context) (string, error) {
	journal := r.state.Deploy
	switch {
	case journal.Kind == release.KindRemove:
		return "removed " + r.name, r.removeAll(ctx)
	case journal.Phase == release.Committed:
		return r.conclude(ctx)
	case r.serves(ctx):
		if err := r.commit(ctx); err != nil {
			return "", err
		}
		return r.conclude(ctx)
	}
	if err := r.awaitCreation(ctx); err != nil {
		return "", err
	}
	r.registerUndo()
	r.ending = r.recordUndone
	if err := r.undo.run(ctx, r.undoLimit()); err != nil {
		return "", incomplete(r.name, fmt.Errorf("undoing the interrupted %s of release %d: %w", r.kind, r.target.Number, err))
	}
	return fmt.Sprintf("undid the %s of release %d, which was interrupted", r.kind, r.target.Number), nil
}

// awaitCreation waits for what the engine may still be making for the
// interrupted move, which nobody would remove otherwise.
func (m *move) awaitCreation(ctx context.Context) error {
	replicas := m.target.Settings.Replicas
	if replicas == 0 { // killed before there was a record
		replicas = m.settings.WithDefaults().Replicas
	}
	return m.Engine.AwaitCreation(ctx, m.name, m.target.Number, replicas, m.target.ImageID)
}

// conclude does what a killed command left to do after its commit. Nothing may
// begin before the live release's site and settings are the app's.
func (r *move) conclude(ctx context.Context) (string, error) {
	r.hasOld = r.state.Previous != 0
	r.drain(ctx)
	r.retire(ctx)
	return fmt.Sprintf("finished the %s of release %d, which was interrupted", r.kind, r.target.Number), r.unadopted
}

// serves says whether requests go to the interrupted move's release and are
// answered as its checks want.
func (r *move) serves(ctx context.Context) bool {
	if r.state.Deploy.Phase != release.Switching || r.reverted {
		return false
	}
	slot, installed, err := r.Proxy.Live(r.name)
	if err != nil || !installed || slot != nginx.Slot(r.slot) {
		return false
	}
	if r.instances, err = r.targetInstances(ctx); err != nil || len(r.instances) == 0 {
		return false
	}
	if err := r.prove(ctx, r.slot); err != nil {
		return false
	}
	_, err = r.checkThroughNginx(ctx)
	return err == nil
}

// registerUndo fills the undo stack as the interrupted move would have.
func (r *move) registerUndo() {
	journal := r.state.Deploy
	r.undo.addLast("the journal", r.closeJournal)
	if journal.Kind == release.KindDeploy {
		r.undo.add("the release", r.dropRelease)
	}
	if r.state.Live == 0 {
		r.undo.add("the network", r.removeIdleNetwork)
		r.undo.add("the addresses", r.freeAddresses)
	}
	if r.kept() {
		r.undo.add("the start", r.stopInstances)
	} else {
		r.undo.add("the start", r.removeInstances)
	}
	r.undo.add("the release command's container", r.removeTasks)
	switch {
	case journal.Phase == release.Started:
	case journal.Phase == release.Installing || r.state.Live == 0:
		r.undo.addTraffic("the site", r.revertSite)
	case r.strategy() == nginx.Reload:
		r.undo.addTraffic("the switch", r.switchBack)
		r.undo.addTraffic("the site", r.revertSite)
	default:
		r.undo.addTraffic("the site", r.revertSite)
		r.undo.addTraffic("the switch", r.switchBack)
	}
}
