package deploy

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"zdd/checks"
	"zdd/container"
	"zdd/release"
)

// resolve finds out what exactly is to be deployed, and registers it as the
// next release.
func (m *move) resolve(ctx context.Context, request Request) error {
	return m.run(ctx, StepResolve, func(ctx context.Context) (string, error) {
		m.target.Image = request.Image // as the hooks are told
		if err := m.findHooks(); err != nil {
			return "", err
		}
		target, err := m.describe()
		if err != nil {
			return "", err
		}
		if err := m.refuseFullDisk(ctx); err != nil {
			return "", err
		}
		image, err := m.image(ctx, request)
		if err != nil {
			return "", err
		}
		target.Image, target.ImageID, target.Digest = image.Ref, image.ID, image.Digest
		target.Pulled = image.Pulled || m.pulledBefore(image)
		target.Port = portOf(target.Settings, image)
		if err := m.register(ctx, target, image); err != nil {
			return "", err
		}
		if request.BuildDir != "" {
			if err := m.dropBuild(ctx); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("release %d is %s, port %d; checks: %s",
			target.Number, shortID(image.ID), target.Port, cmp.Or(m.target.ChecksSource, checks.DefaultSource)), nil
	})
}

// describe reads all that a release is made of but its image.
func (m *move) describe() (release.Release, error) {
	settings := m.settings.WithDefaults()
	number, err := m.nextNumber()
	if err != nil {
		return release.Release{}, err
	}
	target := release.Release{
		App: m.name, Number: number, Settings: settings,
		Created: m.begun.UTC(), By: m.Holder.User + "@" + m.Holder.Host,
	}
	if target.Env, err = m.app.Environment(settings); err != nil {
		return target, err
	}
	own, err := m.ownChecks(settings)
	target.Checks, target.ChecksSource = own.text, own.source
	return target, err
}

// nextNumber is a number that no release has, whatever the state says.
func (m *move) nextNumber() (int, error) {
	numbers, err := m.app.Releases()
	if err != nil || len(numbers) == 0 {
		return m.state.Next, err
	}
	return max(m.state.Next, numbers[len(numbers)-1]+1), nil
}

// image builds, finds or pulls the release's image.
func (m *move) image(ctx context.Context, request Request) (container.Image, error) {
	if request.BuildDir != "" {
		return m.build(ctx, request.BuildDir)
	}
	return m.Engine.Resolve(ctx, request.Image, request.Pull, func(progress container.Progress) {
		m.Progress(StepResolve, progress.String())
	})
}

// build builds the image under a name that goes once the release has its own.
// A killed build leaves that name to the next one.
func (m *move) build(ctx context.Context, dir string) (container.Image, error) {
	m.undo.add("the build", m.dropBuild)
	image, err := m.Engine.Build(ctx, dir, buildTag(m.name), m.Output)
	image.Ref = "build of " + dir
	return image, err
}

func (m *move) dropBuild(ctx context.Context) error {
	return m.Engine.Untag(ctx, buildTag(m.name))
}

// register makes target the deploy in progress: first the journal, then what
// the journal lets a later command find and undo.
func (m *move) register(ctx context.Context, target release.Release, image container.Image) error {
	m.target, m.slot = target, m.idleSlot()
	if err := m.refuseForeignTag(ctx); err != nil {
		return err
	}
	if err := m.openJournal(target.Number + 1); err != nil {
		return err
	}
	m.undo.add("the release", m.dropRelease)
	if target.ChecksSource == "" {
		// It takes a container, which a later command must know to remove.
		m.undo.add("the look into the image", m.removeTasks)
		found, err := m.otherChecks(ctx, target, image)
		if err != nil {
			return err
		}
		target.Checks, target.ChecksSource = found.text, found.source
		m.target = target
	}
	if err := m.app.SaveRelease(target); err != nil {
		return err
	}
	if err := m.Engine.Tag(ctx, target.ImageID, imageTag(m.name, target.Number)); err != nil {
		return err
	}
	return m.claim(ctx)
}

// refuseForeignTag wants the tag of the next release to be nobody's: numbers
// are given once, so a tag that is there is of another root with an app of
// this name, or left of one that is lost.
func (m *move) refuseForeignTag(ctx context.Context) error {
	tag := imageTag(m.name, m.target.Number)
	_, err := m.Engine.TaggedImage(ctx, tag)
	switch {
	case is[*container.NoImage](err):
		return nil
	case err != nil:
		return err
	default:
		return usage("choose another name for the app; if no other root of zdd has one of this name: docker image rm "+tag,
			"the image tag %s is taken, and not by this root", tag)
	}
}

// dropRelease forgets the target, and its image where that is nobody else's.
func (m *move) dropRelease(ctx context.Context) error {
	return m.forgetRelease(ctx, m.target.Number)
}

// openJournal writes down that a move to m.target has begun. Where that fails, the
// number is given to nobody: the next move has it.
func (m *move) openJournal(next int) error {
	former := m.state
	m.state.Next = next
	m.state.Deploy = &release.Journal{
		Kind: m.kind, Release: m.target.Number, Slot: m.slot, Phase: release.Started,
		Image: m.target.Image, ImageID: m.target.ImageID, Started: m.begun.UTC(), Holder: m.Holder,
	}
	if m.change != nil {
		m.state.Deploy.Settings = &m.settings
	}
	m.undo.addLast("the journal", m.closeJournal)
	err := m.app.SaveState(m.state)
	if m.journaled = err == nil || m.isOnDisk(m.state); !m.journaled {
		m.state = former
	}
	return err
}

// idleSlot is where the next release goes.
func (m *move) idleSlot() release.Slot {
	if m.state.Live == 0 {
		return release.Blue
	}
	return m.state.Slot.Other()
}

// choose takes an older release as the target of a rollback.
func (m *move) choose(ctx context.Context, number int) error {
	return m.run(ctx, StepResolve, func(ctx context.Context) (string, error) {
		if m.state.Live == 0 {
			return "", usage("deploy it first: zdd deploy "+m.name+" IMAGE", "app %q has no live release to roll back from", m.name)
		}
		if number == 0 {
			number = m.state.Previous
		}
		if number == 0 {
			return "", usage("see what there is: zdd history "+m.name, "app %q has no release before the live one", m.name)
		}
		if number == m.state.Live {
			return "", usage("see what there is: zdd history "+m.name, "release %d of %q is live already", number, m.name)
		}
		if err := m.findHooks(); err != nil {
			return "", err
		}
		target, err := m.app.Release(number)
		if err != nil {
			return "", err
		}
		image, err := m.Engine.TaggedImage(ctx, imageTag(m.name, number))
		if err != nil {
			return "", fmt.Errorf("finding the image of release %d: %w", number, err)
		}
		if image.ID != target.ImageID {
			return "", usage("deploy it again under its own name: zdd deploy "+m.name+" "+target.Image,
				"the tag %s no longer names the image of release %d", imageTag(m.name, number), number)
		}
		m.target, m.slot = target, m.idleSlot()
		if err := m.openJournal(m.state.Next); err != nil {
			return "", err
		}
		if err := m.claim(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("release %d (%s) of %s", number, target.Image, target.Created.Local().Format(time.DateTime)), nil
	})
}

// portOf is the port of the settings, else the one that the image exposes,
// else release.DefaultPort.
func portOf(settings release.Settings, image container.Image) int {
	switch {
	case settings.Port != 0:
		return settings.Port
	case len(image.Ports) == 1:
		return image.Ports[0]
	default:
		return release.DefaultPort
	}
}

// imageTag is the tag that keeps the image of a release.
func imageTag(app string, number int) string {
	return fmt.Sprintf("zdd/%s:%d", app, number)
}

// buildTag is the tag of an image that is being built.
func buildTag(app string) string { return "zdd/" + app + ":build" }

// shortID is an image ID as people write it.
func shortID(id string) string {
	const prefix, length = "sha256:", 12
	if len(id) >= len(prefix)+length {
		return id[:len(prefix)+length]
	}
	return id
}

// pulledBefore says whether an earlier release that is kept was pulled by zdd
// under the same name: the last of them takes it away.
func (m *move) pulledBefore(image container.Image) bool {
	pulled, err := m.anyKept(func(earlier release.Release) bool {
		return earlier.Pulled && earlier.Image == image.Ref && earlier.ImageID == image.ID
	})
	return err == nil && pulled
}
