package container

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// lastWords is how long an engine may take to hand out what a command wrote
// before it ended.
const lastWords = 10 * time.Second

// RunOnce runs a command in a container of its own, made like an instance of
// the release (image, environment, volumes, networks, limits, user) but for the
// address and the health check, which it has not, and waits for its end. What it writes, stdout and stderr, goes to
// out as it comes and as it is. When ctx ends first, the command gets the stop
// signal and the spec's StopTimeout.
//
// The error is *Exited for a command that ended with a status other than 0, and
// otherwise as for Start. The container is removed in any case.
func (e *Engine) RunOnce(ctx context.Context, spec Spec, command []string, out io.Writer) (err error) {
	about, err := e.about(ctx)
	if err != nil {
		return fmt.Errorf("asking the engine about itself: %w", e.typed(err))
	}
	spec.Command = command
	// It asks an app that serves, and a command does not.
	spec.Healthcheck = []string{noHealthcheck}
	task := Instance{Name: taskName(spec.App, spec.Release), App: spec.App, Release: spec.Release, Image: spec.Image}
	task.ID, err = e.create(ctx, task.Name, spec, e.taskLabels(spec), netip.Addr{}, about)
	defer func() {
		discarded := e.discard(ctx, []Instance{task})
		if err == nil {
			err = discarded
		}
	}()
	if err != nil {
		return err
	}
	return e.run(ctx, task, spec, out)
}

// RemoveTasks removes the one-off containers of an app that a killed zdd left,
// running or not.
func (e *Engine) RemoveTasks(ctx context.Context, app string) error {
	found, err := e.api.ContainerList(ctx, container.ListOptions{
		All:     true,
		Filters: e.ours(labelApp+"="+app, labelTask+"="+taskRelease),
	})
	if err != nil {
		return fmt.Errorf("listing containers: %w", e.typed(err))
	}
	tasks := make([]Instance, 0, len(found))
	for _, summary := range found {
		tasks = append(tasks, e.instance(summary))
	}
	return e.Remove(ctx, tasks)
}

// run starts a container that has been made and follows it to its end.
func (e *Engine) run(ctx context.Context, task Instance, spec Spec, out io.Writer) error {
	// Attached and waited for before the start: no line and no exit is missed.
	// Both outlive ctx, so that the last words of a cancelled command are heard.
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	attached, err := e.api.ContainerAttach(whole, task.ID, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attaching to container %q: %w", task.Name, e.typed(err))
	}
	defer attached.Close()
	done, failed := e.api.ContainerWait(whole, task.ID, container.WaitConditionNextExit)
	if err := e.start(ctx, task); err != nil {
		cancel()
		drop(done, failed)
		return err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		drain(out, attached.Reader)
	}()

	select {
	case <-done:
		// The engine may still be handing out what the command wrote.
		waitFor(copied, lastWords)
		attached.Close()
		<-copied
		if failure := e.exit(whole, task); failure != nil {
			return clean(failure)
		}
		return nil
	case err := <-failed:
		attached.Close()
		<-copied
		return e.waitFailed(whole, task, err)
	case <-ctx.Done():
		stopErr := e.stopTask(whole, task, spec)
		cancel()
		drop(done, failed)
		attached.Close()
		<-copied
		if stopErr != nil {
			return fmt.Errorf("running container %q: %w; %w", task.Name, context.Cause(ctx), stopErr)
		}
		return fmt.Errorf("running container %q: %w", task.Name, context.Cause(ctx))
	}
}

// drain gives out what a command writes, both streams, until it ends.
func drain(out io.Writer, framed io.Reader) {
	// A reader that has gone away is no reason to stop the command, but its
	// output must be taken, or it would block.
	if _, err := stdcopy.StdCopy(out, out, framed); err != nil {
		_, _ = io.Copy(io.Discard, framed)
	}
}

// stopTask gives the command its grace, and the engine time beyond that.
func (e *Engine) stopTask(ctx context.Context, task Instance, spec Spec) error {
	ctx, cancel := context.WithTimeout(ctx, spec.stopTimeout()+cleanupTimeout)
	defer cancel()
	return e.Stop(ctx, []Instance{task}, spec.stopTimeout())
}

// clean makes an exit with status 0 the success that it is for a command.
func clean(failure error) error {
	if exit, ok := failure.(*Exited); ok && exit.Code == 0 && !exit.OOMKilled && !exit.Removed {
		return nil
	}
	return failure
}

// drop takes the one answer of a wait that nobody needs any more; the client
// would hang on it.
func drop(done <-chan container.WaitResponse, failed <-chan error) {
	go func() {
		select {
		case <-done:
		case <-failed:
		}
	}()
}
