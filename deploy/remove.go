package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zdd/container"
	"zdd/release"
)

// Remove takes an app off this host: its site, containers, images, addresses
// and folder. Once begun it can only go on; a killed one is finished by the
// next command. The last app takes the network and a managed nginx with it.
func (d *Deployer) Remove(ctx context.Context, app string, wait *time.Duration) (outcome Outcome, err error) {
	m := d.newMove(release.KindRemove, app)
	m.wait = wait
	defer m.end(ctx, &outcome, &err)

	if err = m.mustExist(); err != nil {
		return
	}
	if err = m.lock(ctx); err != nil {
		return
	}
	if err = m.ensureNginx(ctx); err != nil {
		return
	}
	err = m.run(ctx, StepRetire, func(ctx context.Context) (string, error) {
		if err := m.awaitInterrupted(ctx); err != nil {
			return "", err
		}
		if err := m.removeAll(ctx); err != nil {
			return "", m.halfRemoved(ctx, err)
		}
		m.undo.forget()
		return "", nil
	})
	return
}

// halfRemoved keeps an interrupt, which stops no removal, from being taken for the
// cause of the failure, and the app for one that is as before.
func (m *move) halfRemoved(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return incomplete(m.name, fmt.Errorf("removing %s: %w", m.name, err))
}

// awaitInterrupted lets nothing of a killed move appear after the removal, which
// forgets all that a later command would know it by.
func (m *move) awaitInterrupted(ctx context.Context) error {
	journal := m.state.Deploy
	if journal == nil || journal.Kind == release.KindRemove || journal.Phase == release.Committed {
		return nil
	}
	return m.interrupted().awaitCreation(ctx)
}

// mustExist refuses an app that nobody has deployed.
func (m *move) mustExist() error {
	var err error
	if m.app, err = m.Store.App(m.name); err != nil {
		return err
	}
	if !m.app.Exists() {
		return usage("see what there is: zdd status", "there is no app %q here", m.name)
	}
	return nil
}

// removeAll removes the app, step by step, each of which may have been done
// before by a command that was killed. An interrupt cuts the drain short and
// nothing else.
func (m *move) removeAll(interrupt context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(interrupt), m.undoLimit())
	defer cancel()
	m.state.Deploy = &release.Journal{
		Kind: release.KindRemove, Release: m.state.Live, Slot: m.state.Slot, Phase: release.Committed,
		Started: m.begun.UTC(), Holder: m.Holder,
	}
	if err := m.app.SaveState(m.state); err != nil {
		return err
	}
	if err := m.withRoot(ctx, func() error { return m.Proxy.Remove(ctx, m.name) }); err != nil {
		return err
	}
	var err error
	if m.drained, err = m.Proxy.Drain(interrupt, m.pools(), m.drainLimit()); err != nil {
		m.warn(StepDrain, err)
	} else if m.drained.Open > 0 {
		m.warn(StepDrain, fmt.Errorf("%s cut: %v", plural(m.drained.Open, "connection"), m.drained.Connections))
	}
	if err := m.removeContainers(ctx); err != nil {
		return err
	}
	numbers, err := m.app.Releases()
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if err := m.forgetRelease(ctx, number); err != nil {
			return err
		}
	}
	if err := errors.Join(m.dropBuild(ctx), m.freeAddresses(ctx)); err != nil {
		return err
	}
	// Before the folder, without which no later command would know of them.
	if err := errors.Join(m.removeIdleNetwork(ctx), m.stopIdleNginx(ctx)); err != nil {
		return err
	}
	m.state = release.State{}
	m.gone = true
	return m.app.Delete()
}

func (m *move) removeContainers(ctx context.Context) error {
	all, err := m.Engine.List(ctx, container.Filter{App: m.name, All: true})
	if err != nil {
		return err
	}
	return errors.Join(
		m.Engine.Stop(ctx, all, m.settings.StopTimeout.Or(release.DefaultStopTimeout)),
		m.Engine.Remove(ctx, all),
		m.removeTasks(ctx),
		m.Proxy.Unseal(m.pools()),
	)
}

// pools is everywhere that the app may listen.
func (m *move) pools() []string {
	var all []string
	for _, known := range m.state.Slots {
		if known.Port != 0 {
			all = append(all, addressPorts(known.Addresses, known.Port)...)
		}
	}
	return all
}

// removeIdleNetwork removes the root's network when no app is left.
func (m *move) removeIdleNetwork(ctx context.Context) error {
	return m.whenIdle(ctx, func() error { return m.Engine.RemoveNetwork(ctx) })
}

// stopIdleNginx ends a managed nginx when no app is left.
func (m *move) stopIdleNginx(ctx context.Context) error {
	return m.whenIdle(ctx, func() error { return m.Proxy.Stop(ctx) })
}

// whenIdle does something to the root once no app holds an address in it.
func (m *move) whenIdle(ctx context.Context, do func() error) error {
	return m.withRoot(ctx, func() error {
		inUse, err := m.Store.InUse()
		if err != nil {
			return fmt.Errorf("looking for other apps: %w", err)
		}
		if inUse {
			return nil
		}
		return do()
	})
}
