package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"zdd/container"
	"zdd/release"
)

// runReleaseCommand runs the app's release command, if it has one, in a
// one-off container of the new image: database migrations, as a rule.
func (m *move) runReleaseCommand(ctx context.Context) error {
	line := m.target.Settings.ReleaseCommand
	if line == "" {
		return nil
	}
	return m.run(ctx, StepReleaseCommand, func(ctx context.Context) (string, error) {
		m.undo.add("the release command's container", m.removeTasks)
		err := m.Engine.RunOnce(ctx, m.spec(), m.target.Settings.ReleaseArgs(), m.Output)
		var exited *container.Exited
		if errors.As(err, &exited) {
			return "", unfit("mend the release command, or leave it out: --release-command ''",
				fmt.Errorf("running the release command %q: %w", line, err))
		}
		return line, err
	})
}

func (m *move) removeTasks(ctx context.Context) error {
	return m.Engine.RemoveTasks(ctx, m.name)
}

// start runs the release in the idle slot. Whatever is still left there of an
// earlier release is ended first.
func (m *move) start(ctx context.Context) error {
	return m.run(ctx, StepStart, func(ctx context.Context) (string, error) {
		if err := m.clearSlot(ctx); err != nil {
			return "", err
		}
		if err := m.unseal(); err != nil {
			return "", err
		}
		how, err := m.startInstances(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s in %s at %s", plural(len(m.instances), "container"), how, m.slot, list(m.instances)), nil
	})
}

// claim makes sure of the network and of the slot's addresses. What a first
// deploy claimed is given back when it fails.
func (m *move) claim(ctx context.Context) error {
	if m.state.Live == 0 {
		m.undo.add("the start of nginx", m.stopIdleNginx)
		m.undo.add("the network", m.removeIdleNetwork)
		m.undo.add("the addresses", m.freeAddresses)
	}
	err := m.withRoot(ctx, func() error {
		if err := m.ensureNetwork(ctx); err != nil {
			return err
		}
		running, _, lingering, err := m.Proxy.Generations()
		if err != nil {
			return err
		}
		replicas := m.target.Settings.Replicas
		slots, err := m.Store.Allocate(m.name, replicas, func(generation int) bool {
			return len(lingering) == 0 && (running == 0 || generation <= running)
		})
		if err != nil {
			return err
		}
		m.addresses = slots[m.slot][:replicas]
		if err := m.rememberAddresses(slots); err != nil || m.state.Live != 0 {
			return err
		}
		return m.settleNginx(ctx) // the addresses keep others from stopping it
	})
	if err != nil {
		return err
	}
	// What is wrong with the site is better known before anything runs.
	if err := m.refuseForeignDomains(); err != nil {
		return err
	}
	site, err := m.site(m.slot)
	if err != nil {
		return err
	}
	return m.Proxy.Check(site)
}

// ensureNetwork makes sure of the root's network, with the subnet that the
// address book has.
func (m *move) ensureNetwork(ctx context.Context) error {
	subnet, known, err := m.Store.Subnet()
	if err != nil {
		return err
	}
	inUse, err := m.Store.InUse()
	if err != nil {
		return err
	}
	wanted := ""
	if known {
		wanted = subnet.String()
	}
	network, _, err := m.Engine.EnsureNetwork(ctx, wanted)
	if is[*container.PoolTaken](err) && !inUse { // where no app has an address, any will do
		network, _, err = m.Engine.EnsureNetwork(ctx, "")
	}
	if err != nil {
		return err
	}
	return m.Store.SetSubnet(network.Subnet, network.Dynamic)
}

// rememberAddresses writes the slots' addresses into the app's state.
func (m *move) rememberAddresses(slots map[release.Slot][]netip.Addr) error {
	states := map[release.Slot]release.SlotState{}
	for slot, addresses := range slots {
		state := m.state.Slots[slot]
		state.Addresses = addresses
		states[slot] = state
	}
	m.state.Slots = states
	return m.app.SaveState(m.state)
}

// freeAddresses gives the app's addresses back, not to be used again while a
// worker of nginx lives that may still know them.
func (m *move) freeAddresses(ctx context.Context) error {
	return m.withRoot(ctx, func() error {
		_, generation, _, err := m.Proxy.Generations()
		if err != nil {
			return err
		}
		m.state.Slots = nil
		return m.Store.Free(m.name, generation)
	})
}

// clearSlot stops what an earlier release left running in the idle slot. A
// stopped container is left alone: it may be what a rollback starts again.
func (m *move) clearSlot(ctx context.Context) error {
	all, err := m.Engine.List(ctx, container.Filter{App: m.name, All: true})
	if err != nil {
		return err
	}
	var leftovers []container.Instance
	for _, instance := range all {
		if instance.Slot == string(m.slot) && up(instance) {
			leftovers = append(leftovers, instance)
		}
	}
	return m.Engine.Stop(ctx, leftovers, m.stopTimeout())
}

// startInstances starts the kept containers of a rollback's release, or new
// ones. It says which.
func (m *move) startInstances(ctx context.Context) (how string, err error) {
	if !m.kept() {
		m.undo.add("the start", m.removeInstances)
		m.instances, err = m.Engine.Start(ctx, m.spec())
		return "started", err
	}
	m.undo.add("the start", m.stopInstances)
	m.instances, err = m.restart(ctx)
	return "started again", err
}

// restart starts the target's kept containers, or new ones where they are not
// all there or cannot start any more: after their network was made anew, say.
func (m *move) restart(ctx context.Context) ([]container.Instance, error) {
	instances, ok, err := m.Engine.Restart(ctx, m.spec())
	if ok || is[*container.Unreachable](err) || ctx.Err() != nil {
		return instances, err
	}
	return m.Engine.Start(ctx, m.spec())
}

// kept says whether the target is the release whose stopped containers the
// idle slot keeps.
func (m *move) kept() bool {
	return m.kind == release.KindRollback && m.state.Slots[m.slot].Release == m.target.Number
}

// stopInstances stops the target's containers and keeps them.
func (m *move) stopInstances(ctx context.Context) error {
	instances, err := m.targetInstances(ctx)
	if err != nil {
		return err
	}
	return errors.Join(m.Engine.Stop(ctx, instances, m.stopTimeout()), m.unseal())
}

// removeInstances stops and removes the target's containers.
func (m *move) removeInstances(ctx context.Context) error {
	instances, err := m.targetInstances(ctx)
	if err != nil {
		return err
	}
	return errors.Join(
		m.Engine.Stop(ctx, instances, m.stopTimeout()),
		m.Engine.Remove(ctx, instances),
		m.unseal(),
	)
}

// unseal lets connections to the target's addresses be made again: the drain
// may have ended with sealing them.
func (m *move) unseal() error {
	return m.Proxy.Unseal(addressPorts(m.state.Slots[m.slot].Addresses, m.target.Port))
}

// targetInstances are the target's containers, as the engine knows them: after a
// failure or a kill there may be others than were told.
func (m *move) targetInstances(ctx context.Context) ([]container.Instance, error) {
	return m.Engine.List(ctx, container.Filter{App: m.name, Release: m.target.Number, All: true})
}

// spec is the target as the engine is to run it.
func (m *move) spec() container.Spec {
	settings := m.target.Settings
	return container.Spec{
		App: m.name, Release: m.target.Number, Slot: string(m.slot), Image: m.target.ImageID,
		Addresses: m.addresses, Port: m.target.Port, Env: m.target.Env.List(),
		Volumes: settings.Volumes, Networks: settings.Networks, User: settings.User,
		Memory: settings.MemoryBytes(), NanoCPUs: settings.NanoCPUs(), Command: settings.Args(),
		StopTimeout: m.stopTimeout(), Healthcheck: healthTest(settings),
	}
}

// stopTimeout is the target's, or the app's where there is none.
func (m *move) stopTimeout() time.Duration {
	if m.target.Number == 0 {
		return m.settings.StopTimeout.Or(release.DefaultStopTimeout)
	}
	return m.target.Settings.StopTimeout.Or(release.DefaultStopTimeout)
}

// up says whether the engine has something of the instance to stop.
func up(instance container.Instance) bool {
	switch instance.State {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return true
	default:
		return false
	}
}

func list(instances []container.Instance) string {
	addresses := make([]string, len(instances))
	for i, instance := range instances {
		addresses[i] = instance.Address.String()
	}
	return strings.Join(addresses, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
