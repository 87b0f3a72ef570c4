package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"zdd/failpoint"
)

// DefaultSettling is how long the names of a killed command's containers are
// held before it is believed that the engine has nothing more to do for it.
const DefaultSettling = time.Second

// pendingTimeout bounds the wait for a container that the engine is still
// making. It copies what the image has at a volume's path, which can be much.
const pendingTimeout = 2 * time.Minute

// errPending says that a name is taken and that there is no container of it:
// the engine is still making or removing one.
var errPending = errors.New("the engine is at work on a container of that name")

// AwaitCreation waits until nothing appears any more of what a killed command
// may have asked for: an engine carries out a request whose sender has died. It
// belongs before the removal of what such a command has left.
//
// For each container that the release can have, it makes one of that name
// itself, which is never started. Where the engine refuses that, it is making
// one, which is waited for; where it does not, the late request is refused as
// long as the name is held. That, and any other late request, a start say, has
// the time of Config.Settling to arrive. Then the names are free again.
//
// Without the image nothing can be made of it, so a lost image is no error; an
// imageID of "" is not known and leaves only the time. The error is plain when
// the engine does not get ready with a container.
func (e *Engine) AwaitCreation(ctx context.Context, app string, release, replicas int, imageID string) (err error) {
	if release == 0 {
		return nil
	}
	names := []string{taskName(app, release), readerName(app, release)}
	for replica := range replicas {
		names = append(names, containerName(app, release, replica+1))
	}
	if imageID == "" {
		names = nil
	}
	holders := make([]Instance, len(names))
	defer func() { err = errors.Join(err, e.discard(ctx, holders)) }()
	err = each(names, func(i int) error {
		var err error
		holders[i], err = e.hold(ctx, names[i], e.taskLabels(Spec{App: app, Release: release}), imageID)
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for what the engine still makes: %w", err)
	}
	timer := time.NewTimer(e.settling)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hold makes a container only to have its name. None comes back where the name
// is another's: of a container that is there, and can be seen by everybody.
func (e *Engine) hold(ctx context.Context, name string, labels map[string]string, imageID string) (Instance, error) {
	holder := Instance{Name: name}
	limited, cancel := context.WithTimeoutCause(ctx, pendingTimeout, fmt.Errorf("container %q: %w", name, errPending))
	defer cancel()
	err := poll(limited, func() (bool, error) {
		failpoint.Hit("before holding a name")
		defer failpoint.Hit("after holding a name")
		// Not cut off, as in create: it would be what it is to prevent.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		made, err := e.api.ContainerCreate(whole, idle(imageID, labels), &container.HostConfig{NetworkMode: "none"}, nil, nil, name)
		switch {
		case err == nil:
			holder.ID = made.ID
			return true, nil
		case errdefs.IsNotFound(err):
			return true, nil
		case !errdefs.IsConflict(err):
			return true, fmt.Errorf("creating container %q: %w", name, e.typed(err))
		}
		_, err = e.api.ContainerInspect(whole, name)
		if errdefs.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return true, fmt.Errorf("looking at container %q: %w", name, e.typed(err))
		}
		return true, nil
	})
	return holder, err
}

// idle is a container that is never run. The engine wants something to run all
// the same, and an image may have nothing.
func idle(imageID string, labels map[string]string) *container.Config {
	return &container.Config{Image: imageID, Entrypoint: []string{"none"}, Labels: labels}
}
