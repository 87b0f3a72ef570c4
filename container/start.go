package container

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"

	"zdd/failpoint"
)

// failureLines is how much of an instance's log goes into NotStarted.
const failureLines = 20

// Start makes and starts one instance for each address, all at once. Whether
// they answer, or even stay up, is for others to find out: see Guard. The
// engine does not start them again when they end, until Promote says so.
//
// Stopped instances of the same release that are in the way are removed. On
// any error, a cancelled context included, nothing that Start made is left. The
// error is *NotStarted, *NameTaken, *StillRunning or *Unreachable; one that
// removing the remains caused is joined to it.
func (e *Engine) Start(ctx context.Context, spec Spec) ([]Instance, error) {
	about, err := e.about(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the engine about itself: %w", e.typed(err))
	}
	instances := make([]Instance, len(spec.Addresses))
	err = each(instances, func(i int) error {
		replica := i + 1
		name := containerName(spec.App, spec.Release, replica)
		id, err := e.create(ctx, name, spec, e.labels(spec, replica), spec.Addresses[i], about)
		instances[i] = Instance{
			ID: id, Name: name, App: spec.App, Release: spec.Release, Slot: spec.Slot, Replica: replica,
			Image: spec.Image, Address: spec.Addresses[i], State: StateRunning,
		}
		if err != nil {
			return err
		}
		return e.start(ctx, instances[i])
	})
	if err != nil {
		return nil, errors.Join(err, e.discard(ctx, instances))
	}
	return instances, nil
}

// Restart starts the kept instances of a release again, without the time that
// making them takes. It says false, and changes nothing, when they are not
// exactly those that Start would make of the same spec: some are missing, or
// their slot, addresses or image are others; Start then replaces them. The
// further settings of a release never change, so they are not compared. An
// error leaves them stopped.
func (e *Engine) Restart(ctx context.Context, spec Spec) ([]Instance, bool, error) {
	kept, err := e.List(ctx, Filter{App: spec.App, Release: spec.Release, All: true})
	if err != nil {
		return nil, false, err
	}
	if !matches(kept, spec) {
		return nil, false, nil
	}
	err = each(kept, func(i int) error {
		// It was promoted once. Until it is again, an exit must stay one.
		if err := e.setPolicy(ctx, kept[i], container.RestartPolicyDisabled); err != nil {
			return err
		}
		kept[i].State, kept[i].ExitCode = StateRunning, 0
		return e.start(ctx, kept[i])
	})
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return nil, false, errors.Join(err, e.Stop(cleanup, kept, 0))
	}
	return kept, true, nil
}

// Promote makes the engine bring the instances back after a crash of theirs, a
// restart of the engine or a reboot, until Stop. It belongs before the switch:
// from then on they are what serves.
//
// Not "unless-stopped": an engine that was killed, and whose containers lived
// on, stops them when it is back, takes that for somebody's wish, and leaves
// them stopped.
func (e *Engine) Promote(ctx context.Context, instances []Instance) error {
	return each(instances, func(i int) error {
		return e.setPolicy(ctx, instances[i], container.RestartPolicyAlways)
	})
}

func (e *Engine) setPolicy(ctx context.Context, instance Instance, mode container.RestartPolicyMode) error {
	failpoint.Hit("before updating a container")
	defer failpoint.Hit("after updating a container")
	err := e.change(ctx, 0, func(ctx context.Context) error {
		_, err := e.api.ContainerUpdate(ctx, instance.ID, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: mode}})
		return err
	})
	if err != nil {
		return fmt.Errorf("setting restart policy of container %q: %w", instance.Name, e.typed(err))
	}
	return nil
}

// matches says whether kept are the instances that spec describes.
func matches(kept []Instance, spec Spec) bool {
	if len(kept) != len(spec.Addresses) {
		return false
	}
	for i, instance := range kept {
		if instance.Replica != i+1 || instance.Slot != spec.Slot ||
			instance.Image != spec.Image || instance.Address != spec.Addresses[i] {
			return false
		}
	}
	return true
}

// create makes a container and joins it to its further networks. The ID comes
// back with an error too, when there is something to remove.
//
// A request that is cut off half way is carried out by the engine all the
// same, and nobody would know the ID. So the cancellation waits until the
// engine has answered.
func (e *Engine) create(ctx context.Context, name string, spec Spec, labels map[string]string, address netip.Addr, about system.Info) (string, error) {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	id, err := e.createNamed(whole, name, func() (container.CreateResponse, error) {
		failpoint.Hit("before creating a container")
		defer failpoint.Hit("after creating a container")
		made, err := e.api.ContainerCreate(whole, spec.config(labels), spec.hostConfig(e.networkName(), about),
			attach(e.networkName(), address), nil, name)
		if err != nil {
			err = &NotStarted{Name: name, Address: address, Cause: e.typed(err)}
		}
		return made, err
	})
	if err != nil {
		return "", err
	}
	for _, other := range spec.Networks {
		failpoint.Hit("before joining a network")
		if err := e.api.NetworkConnect(whole, other, id, &network.EndpointSettings{}); err != nil {
			err = fmt.Errorf("joining network %q: %w", other, e.typed(err))
			return id, &NotStarted{Name: name, Address: address, Cause: err}
		}
	}
	return id, nil
}

// createNamed asks for a container until its name is free. What is in the way
// is removed; where nothing is, the engine is still at work for a command that
// was killed, and there will be something in a moment.
func (e *Engine) createNamed(ctx context.Context, name string, request func() (container.CreateResponse, error)) (id string, err error) {
	err = poll(ctx, func() (bool, error) {
		made, err := request()
		if errdefs.IsConflict(err) {
			return false, e.clearName(ctx, name)
		}
		id = made.ID
		return true, err
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("creating container %q: %w", name, errPending)
	}
	return id, err
}

// clearName removes what an interrupted command left under a name, or kept
// there for a rollback that now goes another way.
func (e *Engine) clearName(ctx context.Context, name string) error {
	found, err := e.api.ContainerInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at container %q: %w", name, e.typed(err))
	}
	if owner := found.Config.Labels[labelRoot]; owner != e.root {
		return &NameTaken{Kind: "container", Name: name, Root: owner}
	}
	if found.State.Running {
		return &StillRunning{Name: name}
	}
	return e.remove(ctx, Instance{ID: found.ID, Name: name})
}

func (e *Engine) start(ctx context.Context, instance Instance) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting container %q: %w", instance.Name, context.Cause(ctx))
	}
	failpoint.Hit("before starting a container")
	err := e.change(ctx, 0, func(ctx context.Context) error {
		return e.api.ContainerStart(ctx, instance.ID, container.StartOptions{})
	})
	failpoint.Hit("after starting a container")
	if err == nil {
		return nil
	}
	failure := &NotStarted{Name: instance.Name, Address: instance.Address, Cause: e.typed(err)}
	if ctx.Err() == nil {
		// The log is a help, not a need: the cause is told in any case.
		failure.Logs, _ = e.Logs(ctx, instance, failureLines)
	}
	return failure
}

// discard removes what a failed Start made, also after the context has ended.
func (e *Engine) discard(ctx context.Context, instances []Instance) error {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	made := make([]Instance, 0, len(instances))
	for _, instance := range instances {
		if instance.ID != "" {
			made = append(made, instance)
		}
	}
	return e.Remove(cleanup, made)
}
