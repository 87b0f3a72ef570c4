package container

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// Guard gives a context that ends when the first of the instances does: its
// cause is then *Exited, or *Unreachable when the engine went away. An exit
// from before the call counts, even where the engine has started the instance
// again since. The cancel function must be called to let go of the engine.
func (e *Engine) Guard(ctx context.Context, instances []Instance) (context.Context, context.CancelFunc) {
	guarded, end := context.WithCancelCause(ctx)
	// The waits begin before the look at what was: no exit falls between.
	_ = each(instances, func(i int) error {
		done, failed := e.api.ContainerWait(guarded, instances[i].ID, container.WaitConditionNotRunning)
		go func() {
			// One of the two comes in any case, at the latest with the end of
			// guarded; to leave earlier would leave the client hanging.
			select {
			case <-done:
				end(e.exit(guarded, instances[i]))
			case err := <-failed:
				end(e.waitFailed(guarded, instances[i], err))
			}
		}()
		return nil
	})
	err := each(instances, func(i int) error { return e.restarted(guarded, instances[i]) })
	if err != nil {
		end(err)
	}
	return guarded, func() { end(context.Canceled) }
}

// Running tells since when an instance has been running, this time, and how
// often the engine has started it again by itself since it was last started on
// purpose. The error is *Exited when it does not run just now.
func (e *Engine) Running(ctx context.Context, instance Instance) (since time.Time, restarts int, err error) {
	found, err := e.inspectRunning(ctx, instance)
	if err != nil {
		return time.Time{}, 0, err
	}
	since, err = time.Parse(time.RFC3339Nano, found.State.StartedAt)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("start of container %q: %w", instance.Name, err)
	}
	return since, found.RestartCount, nil
}

// inspectRunning is the engine's view of an instance that runs. The error is
// *Exited for one that does not.
func (e *Engine) inspectRunning(ctx context.Context, instance Instance) (container.InspectResponse, error) {
	found, err := e.api.ContainerInspect(ctx, instance.ID)
	switch {
	case errdefs.IsNotFound(err):
		return found, &Exited{Name: instance.Name, Removed: true}
	case ctx.Err() != nil:
		return found, fmt.Errorf("looking at container %q: %w", instance.Name, context.Cause(ctx))
	case err != nil:
		return found, fmt.Errorf("looking at container %q: %w", instance.Name, e.typed(err))
	case !found.State.Running || found.State.Restarting:
		return found, exited(instance, found)
	}
	return found, nil
}

// restarted tells an instance that the engine has started again by itself. Its
// count begins anew with every deliberate start.
func (e *Engine) restarted(ctx context.Context, instance Instance) error {
	found, err := e.api.ContainerInspect(ctx, instance.ID)
	if err != nil {
		return e.waitFailed(ctx, instance, err)
	}
	if found.RestartCount > 0 {
		return exited(instance, found)
	}
	return nil
}

// exit finds out how an instance ended.
func (e *Engine) exit(ctx context.Context, instance Instance) error {
	found, err := e.api.ContainerInspect(ctx, instance.ID)
	if err != nil {
		return e.waitFailed(ctx, instance, err)
	}
	return exited(instance, found)
}

func exited(instance Instance, found container.InspectResponse) *Exited {
	return &Exited{
		Name:      instance.Name,
		Code:      found.State.ExitCode,
		OOMKilled: found.State.OOMKilled,
		Restarted: found.RestartCount > 0 || found.State.Restarting,
	}
}

// waitFailed says why an instance can no longer be watched. A wait that breaks
// off without an answer means that the engine stopped or the way to it broke.
func (e *Engine) waitFailed(ctx context.Context, instance Instance, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errdefs.IsNotFound(err):
		return &Exited{Name: instance.Name, Removed: true}
	default:
		if typed := e.typed(err); is[*Unreachable](typed) {
			return fmt.Errorf("watching container %q: %w", instance.Name, typed)
		}
		return &Unreachable{Host: e.host, Cause: fmt.Errorf("watching container %q: %w", instance.Name, err)}
	}
}
