package deploy

import (
	"context"
	"fmt"

	"zdd/checks"
	"zdd/container"
	"zdd/nginx"
	"zdd/release"
)

// Checkup is what the checks of a live release came to.
type Checkup struct {
	App     string
	Release int
	Image   string
	Slot    string
	// Replicas is about the replicas at their own addresses, Nginx about the
	// same checks through nginx.
	Replicas, Nginx checks.Report
	// Unfinished says that a command was killed at the app, and what to do.
	Unfinished string
}

// Check puts the checks of an app's live release to it once more, each of them
// once: at each replica's address and through nginx. It takes no lock, runs no
// hook, and changes nothing, whatever the checks say. When one does not pass,
// the error is an *Error, and the checkup says which.
func (d *Deployer) Check(ctx context.Context, app string) (Checkup, error) {
	m := d.newMove(release.KindRecover, app)
	m.step = StepCheck
	checkup, err := m.checkup(ctx)
	if err != nil {
		return checkup, classify(ctx, err, StepCheck)
	}
	return checkup, nil
}

func (m *move) checkup(ctx context.Context) (Checkup, error) {
	if err := m.readLive(); err != nil {
		return Checkup{App: m.name}, err
	}
	checkup := Checkup{App: m.name, Release: m.target.Number, Image: m.target.Image, Slot: string(m.slot)}
	if err := m.findLive(ctx); err != nil {
		return checkup, err
	}
	once := checks.Options{Once: true, Observe: func(p checks.Progress) { m.Progress(StepCheck, p.String()) }}
	m.lookForHooks()
	checkup.Replicas = checks.Run(ctx, m.replicaChecks(), m.liveTargets(), once)
	checkup.Nginx = m.checkupThroughNginx(ctx, once)
	if ctx.Err() != nil { // half an answer is none
		return Checkup{App: m.name}, &Error{Err: ctx.Err(), Hint: "nothing was changed"}
	}
	checkup.Unfinished = m.unfinished(AppStatus{}).Hint
	if checkup.Nginx.Cause != nil { // that is worse than any check
		err := checkup.Nginx.Err()
		return checkup, &Error{Exit: exitOf(err, StepCheck), Err: err, Hint: "look at it: zdd status " + m.name + "; mend it: zdd recover " + m.name}
	}
	for _, report := range []checks.Report{checkup.Replicas, checkup.Nginx} {
		if err := report.Err(); err != nil {
			return checkup, &Error{Exit: exitOf(err, StepCheck), Err: err, Hint: m.checkupHint()}
		}
	}
	return checkup, nil
}

// readLive makes the live release the one that this move is about.
func (m *move) readLive() error {
	if err := m.mustExist(); err != nil {
		return err
	}
	if err := m.readState(); err != nil {
		return err
	}
	if m.state.Live == 0 {
		return usage("deploy it first: zdd deploy "+m.name+" IMAGE", "app %q has no live release", m.name)
	}
	var err error
	if m.target, err = m.app.Release(m.state.Live); err != nil {
		return err
	}
	if m.settings, err = m.app.Settings(); err != nil {
		m.settings = m.target.Settings // a mistake in app.yaml is no fault of what runs
	}
	m.slot = m.state.Slot
	return nil
}

// findLive finds the replicas of the live release, of which one must run.
func (m *move) findLive(ctx context.Context) (err error) {
	m.instances, err = m.Engine.List(ctx, container.Filter{App: m.name, Release: m.target.Number})
	if err == nil && len(m.instances) == 0 {
		err = unfit("start it again: zdd recover "+m.name, fmt.Errorf("no container of release %d, which is live, runs", m.target.Number))
	}
	return err
}

// liveTargets are all replicas that there should be, those that do not run too.
func (m *move) liveTargets() []checks.Target {
	running := map[int]container.Instance{}
	for _, instance := range m.instances {
		running[instance.Replica] = instance
	}
	all := make([]container.Instance, len(m.pool(m.slot)))
	for i := range all {
		instance, runs := running[i+1]
		if !runs {
			instance = container.Instance{Name: fmt.Sprintf("replica %d", i+1)}
		}
		all[i] = instance
	}
	return m.targets(m.slot, all)
}

func (m *move) checkupThroughNginx(ctx context.Context, once checks.Options) checks.Report {
	slot, err := m.Proxy.Answers(ctx, m.name)
	if err == nil && slot != nginx.Slot(m.slot) {
		err = fmt.Errorf("nginx gives the requests to slot %s, and not to %s", slot, m.slot)
	}
	if err != nil {
		return checks.Report{Source: m.target.ChecksSource, Cause: err}
	}
	transport := m.Proxy.Transport()
	defer transport.CloseIdleConnections()
	return checks.Run(ctx, m.nginxChecks(), []checks.Target{m.nginxTarget(transport)}, once)
}

func (m *move) checkupHint() string {
	hint := fmt.Sprintf("nothing was changed: release %d still gets the requests; see zdd status %s", m.target.Number, m.name)
	if m.state.Previous != 0 {
		hint += ", or go back: zdd rollback " + m.name
	}
	return hint
}
