package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

const (
	// lookInterval is between two looks at what the engine will know in a
	// moment.
	lookInterval = 20 * time.Millisecond

	// afterKill is how long the engine may take to notice that a process was
	// killed. It waits for up to 2 s on children that hold the output open.
	afterKill = 5 * time.Second

	// collapse is how long a container may outlive the commands that ended
	// because of its end.
	collapse = time.Second

	// killedCode is the exit status of a process that SIGKILL ended.
	killedCode = 137
)

// Exec runs a command in a running instance, as docker exec does: with the
// container's user, environment and working folder, and nothing on its stdin.
// What it writes, stdout and stderr, goes to out as it comes and as it is; a
// slow out slows the command down, and errors of out do not matter. The result
// is the exit status.
//
// The error is *Exited when the instance does not run, or ended meanwhile, and
// *NoCommand when the command cannot be run in it, with the code that a shell
// has for that; what the engine says about it went to out.
//
// When ctx ends, the command is killed with all that it started, and the error
// wraps context.Cause(ctx). Docker itself has no way to kill it, so that is
// done on this machine, and only where zdd sees the process and may kill it: on
// an engine elsewhere or in a virtual machine, or without the right to, the
// command goes on, unheard, until it or the container ends.
func (e *Engine) Exec(ctx context.Context, instance Instance, command []string, out io.Writer) (code int, err error) {
	code, err = e.exec(ctx, instance, command, out)
	var (
		exit *Exited
		none *NoCommand
	)
	switch {
	case err == nil, errors.As(err, &exit), errors.As(err, &none):
		return code, err
	case ctx.Err() != nil:
		return 0, fmt.Errorf("running a command in container %q: %w", instance.Name, context.Cause(ctx))
	default:
		return 0, fmt.Errorf("running a command in container %q: %w", instance.Name, e.typed(err))
	}
}

func (e *Engine) exec(ctx context.Context, instance Instance, command []string, out io.Writer) (int, error) {
	made, err := e.api.ContainerExecCreate(ctx, instance.ID, container.ExecOptions{
		AttachStdout: true, AttachStderr: true, Cmd: command,
	})
	if err != nil {
		return 0, e.execFailed(ctx, instance, err)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	// It outlives ctx: a command that the engine has started must be heard of,
	// or nobody would end it.
	attached, err := e.api.ContainerExecAttach(context.WithoutCancel(ctx), made.ID, container.ExecAttachOptions{})
	if err != nil {
		return e.notAttached(ctx, instance, made.ID, command, out, err)
	}
	defer attached.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		drain(out, attached.Reader)
	}()

	select {
	case <-copied:
		code, err := e.execCode(ctx, instance, made.ID, command)
		if err != nil && ctx.Err() != nil {
			// It had closed its output and went on.
			e.killExec(ctx, instance, made.ID, nil)
		}
		return code, err
	case <-ctx.Done():
		if e.killExec(ctx, instance, made.ID, copied) {
			waitFor(copied, afterKill)
		}
		attached.Close()
		<-copied
		return 0, context.Cause(ctx)
	}
}

// execCode finds out how a command ended whose output has.
func (e *Engine) execCode(ctx context.Context, instance Instance, id string, command []string) (int, error) {
	var found container.ExecInspect
	err := poll(ctx, func() (done bool, err error) {
		found, err = e.api.ContainerExecInspect(ctx, id)
		return !found.Running, err
	})
	if err != nil {
		return 0, e.execFailed(ctx, instance, err)
	}
	if found.ExitCode == 0 {
		return 0, nil
	}
	if err := e.endedWith(ctx, instance, found.ExitCode); err != nil {
		return 0, err
	}
	if neverRan(found) {
		return found.ExitCode, &NoCommand{Name: instance.Name, Command: command[0], Code: found.ExitCode}
	}
	return found.ExitCode, nil
}

// neverRan tells the engine's own 126 or 127 from those of a shell, which is a
// process.
func neverRan(found container.ExecInspect) bool {
	return found.Pid == 0 && (found.ExitCode == 126 || found.ExitCode == 127)
}

// notAttached is for engines that refuse to start a command that cannot be run,
// where others start it and tell in its output.
func (e *Engine) notAttached(ctx context.Context, instance Instance, id string, command []string, out io.Writer, cause error) (int, error) {
	found, err := e.api.ContainerExecInspect(ctx, id)
	if err != nil {
		return 0, e.execFailed(ctx, instance, err)
	}
	if !neverRan(found) {
		return 0, e.execFailed(ctx, instance, cause)
	}
	_, _ = fmt.Fprintf(out, "%v\r\n", cause)
	return found.ExitCode, &NoCommand{Name: instance.Name, Command: command[0], Code: found.ExitCode}
}

// execFailed prefers the end of the instance, when that is the reason.
func (e *Engine) execFailed(ctx context.Context, instance Instance, err error) error {
	if !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return err
	}
	if _, gone := e.inspectRunning(ctx, instance); gone != nil {
		return gone
	}
	return err
}

// endedWith is the end of the instance, when a command ended because of that.
// The kernel ends a container's commands before the container, so the end may
// be a moment away.
func (e *Engine) endedWith(ctx context.Context, instance Instance, code int) error {
	limit := time.Duration(0)
	if code == killedCode {
		limit = collapse
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var gone error
	_ = poll(limited, func() (bool, error) {
		_, gone = e.inspectRunning(ctx, instance)
		return gone != nil, nil
	})
	return gone
}

// killExec kills a command unless it ends by itself, and says whether it did.
func (e *Engine) killExec(ctx context.Context, instance Instance, id string, ended <-chan struct{}) bool {
	if !e.local() {
		return false
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterKill)
	defer cancel()
	killed := false
	_ = poll(limited, func() (bool, error) {
		select {
		case <-ended:
			return true, nil
		default:
		}
		found, err := e.api.ContainerExecInspect(limited, id)
		if err != nil || found.Pid == 0 { // the engine is still at starting it
			return false, err
		}
		killed = found.Running && e.killTree(instance.ID, found.Pid)
		return true, nil
	})
	return killed
}

// poll looks at once and then again until it is done, or ctx ends.
func poll(ctx context.Context, look func() (done bool, err error)) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		if done, err := look(); done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waitFor waits until the channel is closed, and no longer than limit.
func waitFor(closed <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}
