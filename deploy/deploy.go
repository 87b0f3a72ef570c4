package deploy

import (
	"context"
	"io"
	"time"

	"zdd/container"
	"zdd/release"
)

// Config is what a Deployer works with. Store, Engine and Proxy must be set.
type Config struct {
	Store  *release.Store
	Engine Engine
	Proxy  Proxy
	// Report gets every event, the command's last one included; nil drops them.
	Report func(Event)
	// Progress gets short texts while a step waits ("12 MB of 40 MB"); nil
	// drops them. They are for a person's eye alone.
	Progress func(Step, string)
	// Output gets what builds, release commands and hooks print; nil drops it.
	Output io.Writer
	// Holder is written into the locks, so that a waiter can say whom it waits for.
	Holder release.Holder
}

// Deployer moves apps from one release to another.
type Deployer struct {
	Config
}

// New returns a Deployer for config.
func New(config Config) *Deployer {
	if config.Report == nil {
		config.Report = func(Event) {}
	}
	if config.Progress == nil {
		config.Progress = func(Step, string) {}
	}
	if config.Output == nil {
		config.Output = io.Discard
	}
	return &Deployer{config}
}

// Request is what a deploy was asked for.
type Request struct {
	App string
	// Image is a reference to an image; BuildDir, a folder with a Dockerfile,
	// stands in its place. Exactly one is set.
	Image    string
	BuildDir string
	// Pull is when to pull Image; container.PullMissing by default.
	Pull container.PullPolicy
	// Wait is how long to wait for the app's lock; nil takes the app's setting.
	Wait *time.Duration
	// Change lays what the command line says over the app's settings. The
	// result is remembered when the deploy is committed.
	Change func(*release.Settings) error
}

// Deploy replaces the live release of an app by a new one. When it fails, what
// it did is undone, the former release serves, and the error is an *Error.
func (d *Deployer) Deploy(ctx context.Context, request Request) (outcome Outcome, err error) {
	m := d.newMove(release.KindDeploy, request.App)
	m.wait, m.change = request.Wait, request.Change
	defer m.end(ctx, &outcome, &err)

	if err = m.lock(ctx); err != nil {
		return
	}
	if err = m.recover(ctx); err != nil {
		return
	}
	if err = m.resolve(ctx, request); err != nil {
		return
	}
	if err = m.preDeploy(ctx); err != nil {
		return
	}
	if err = m.runReleaseCommand(ctx); err != nil {
		return
	}
	err = m.replace(ctx)
	return
}

// Rollback makes an older release live again: number, or the one that served
// before the live one when number is 0. It is the same pipeline as a deploy.
func (d *Deployer) Rollback(ctx context.Context, app string, number int, wait *time.Duration) (outcome Outcome, err error) {
	m := d.newMove(release.KindRollback, app)
	m.wait = wait
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
	if err = m.choose(ctx, number); err != nil {
		return
	}
	if err = m.preDeploy(ctx); err != nil {
		return
	}
	err = m.replace(ctx)
	return
}

// replace puts the move's release into the idle slot, and the app's requests
// onto it. Up to commit every step can be undone; from there on what remains
// is cleaning up, which can warn but no longer fail.
func (m *move) replace(ctx context.Context) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.check(ctx); err != nil {
		return err
	}
	if err := m.installSite(ctx); err != nil {
		return err
	}
	if err := m.switchOver(ctx); err != nil {
		return err
	}
	if err := m.verify(ctx); err != nil {
		return err
	}
	if err := m.commit(ctx); err != nil {
		return err
	}
	m.drain(ctx)
	m.retire(ctx)
	m.postDeploy(ctx)
	return nil
}
