package container

import (
	"context"
	"fmt"

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
		return &Unreachable{Host: e.host, Cause: fmt.Errorf("watching container %q: %w", instance.Name, err)}
	}
}
