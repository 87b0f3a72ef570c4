package container

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"zdd/failpoint"
)

// Stop ends the instances, all at once: the image's stop signal (SIGTERM
// unless it says otherwise), then SIGKILL after grace, which is rounded up to
// seconds; 0 kills at once. The engine does not bring them back, not even
// after a reboot, whatever Promote said. An instance that has ended or is gone
// is no error.
func (e *Engine) Stop(ctx context.Context, instances []Instance, grace time.Duration) error {
	return each(instances, func(i int) error {
		failpoint.Hit("before stopping a container")
		// First, so that no restart of the engine, at whatever moment, brings
		// back what is to stop.
		demoted := e.demote(ctx, instances[i])
		err := e.change(ctx, grace, func(ctx context.Context) error {
			return e.api.ContainerStop(ctx, instances[i].ID, container.StopOptions{Timeout: seconds(grace)})
		})
		failpoint.Hit("after stopping a container")
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("stopping container %q: %w", instances[i].Name, e.typed(err))
		}
		return demoted
	})
}

// demote makes the engine leave an instance alone once it has ended. One that
// is gone, or as good as that, is no error.
func (e *Engine) demote(ctx context.Context, instance Instance) error {
	if instance.State == stateRemoving || instance.State == stateDead {
		return nil // the engine would refuse
	}
	err := e.setPolicy(ctx, instance, container.RestartPolicyDisabled)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// Remove deletes the instances with their anonymous volumes, running or not.
// Their labels are read again first: what is not this root's is left alone,
// and an error (*NameTaken). One that is gone already is none.
func (e *Engine) Remove(ctx context.Context, instances []Instance) error {
	return each(instances, func(i int) error {
		found, err := e.api.ContainerInspect(ctx, instances[i].ID)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at container %q: %w", instances[i].Name, e.typed(err))
		}
		if owner := found.Config.Labels[labelRoot]; owner != e.root {
			return &NameTaken{Kind: "container", Name: instances[i].Name, Root: owner}
		}
		return e.remove(ctx, instances[i])
	})
}

// remove returns when the container is gone, whoever removed it.
func (e *Engine) remove(ctx context.Context, instance Instance) error {
	failpoint.Hit("before removing a container")
	err := e.change(ctx, 0, func(ctx context.Context) error {
		err := e.api.ContainerRemove(ctx, instance.ID, container.RemoveOptions{RemoveVolumes: true, Force: true})
		if !errdefs.IsConflict(err) {
			return err
		}
		// The engine is at it for someone else, and the name is taken until
		// it has finished.
		done, failed := e.api.ContainerWait(ctx, instance.ID, container.WaitConditionRemoved)
		select {
		case <-done:
			return nil
		case err := <-failed:
			return err
		}
	})
	failpoint.Hit("after removing a container")
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing container %q: %w", instance.Name, e.typed(err))
	}
	return nil
}
