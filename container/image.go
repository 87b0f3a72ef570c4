package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-connections/nat"

	"zdd/failpoint"
)

// PullPolicy says when Resolve asks a registry.
type PullPolicy string

// The zero value of PullPolicy means DefaultPull.
const (
	PullMissing PullPolicy = "missing" // only when the engine does not have the image
	PullAlways  PullPolicy = "always"  // each time, so that a moved tag is noticed
	PullNever   PullPolicy = "never"   // the engine has it or it is an error
	DefaultPull            = PullMissing
)

// Image is what is known of an image on the engine. It is a value.
type Image struct {
	Ref        string // as it was asked for
	ID         string // "sha256:…", which never means another image
	Pulled     bool   // by this very call, under a name that the engine did not have
	Digest     string // "repository@sha256:…" as the registry knows it; "" for an image that never met one
	Ports      []int  // TCP ports that the image exposes, ascending
	Size       int64  // bytes on the engine, shared layers included
	User       string // whom its process runs as; "" is root
	WorkingDir string
	// Healthcheck is how the image's author finds out whether a container of
	// it is well; nil when the image has no health check, or turns off one
	// that it inherited.
	Healthcheck *Healthcheck
	Shell       []string // what runs a command given as text; nil is /bin/sh -c
}

// Healthcheck is an image's health check. A zero duration or count means
// Docker's own default, see
// https://docs.docker.com/reference/dockerfile/#healthcheck.
type Healthcheck struct {
	Test        []string // ["CMD", argument…] or ["CMD-SHELL", text]
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

// noHealthcheck is the Test that turns a health check off.
const noHealthcheck = "NONE"

// Resolve finds the image that ref names (a tag, a digest or an image ID) on
// the engine, or pulls it as policy says. Progress may be nil; it is called at
// most five times a second, and a last time when everything has arrived.
//
// The error is *NoImage when there is no such image or the registry does not
// give it to us, *PullFailed when its download broke off.
func (e *Engine) Resolve(ctx context.Context, ref string, policy PullPolicy, progress func(Progress)) (Image, error) {
	parsed, err := reference.ParseAnyReference(ref)
	if err != nil {
		return Image{}, &NoImage{Ref: ref, Cause: err}
	}
	named, pullable := parsed.(reference.Named)
	found, err := e.inspectImage(ctx, ref)
	known := err == nil
	switch {
	case err != nil && !errdefs.IsNotFound(err):
		return Image{}, err
	case known && (policy != PullAlways || !pullable):
		return found, nil
	case policy == PullNever || !pullable:
		return Image{}, &NoImage{Ref: ref}
	}
	if err := e.pull(ctx, ref, reference.TagNameOnly(named), progress); err != nil {
		return Image{}, err
	}
	pulled, err := e.inspectImage(ctx, ref)
	pulled.Pulled = !known
	return pulled, err
}

// TaggedImage is the image that tag names on the engine. The error is *NoImage
// when there is none.
func (e *Engine) TaggedImage(ctx context.Context, tag string) (Image, error) {
	return e.Resolve(ctx, tag, PullNever, nil)
}

// Tag gives the image another name, which is taken from any image that had it. It
// is not cut off: the engine would give the name all the same, after whoever wants
// to take it away has looked for it.
func (e *Engine) Tag(ctx context.Context, imageID, tag string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("tagging image %q as %q: %w", imageID, tag, context.Cause(ctx))
	}
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	failpoint.Hit("before tagging an image")
	defer failpoint.Hit("after tagging an image")
	if err := e.api.ImageTag(whole, imageID, tag); err != nil {
		if errdefs.IsNotFound(err) {
			return &NoImage{Ref: imageID}
		}
		return fmt.Errorf("tagging image %q as %q: %w", imageID, tag, e.typed(err))
	}
	return nil
}

// Untag removes this one name. The image goes with its last name, unless
// another image is built on it. That the name is gone already is no error; a
// container that still uses an image without any other name is one
// (errdefs.IsConflict), because the engine would then break that container.
func (e *Engine) Untag(ctx context.Context, tag string) error {
	parsed, err := reference.ParseNormalizedNamed(tag)
	if err != nil {
		return fmt.Errorf("removing tag %q: %w", tag, err)
	}
	// Never by ID: the engine would remove every name of the image.
	name := reference.FamiliarString(reference.TagNameOnly(parsed))
	failpoint.Hit("before untagging an image")
	defer failpoint.Hit("after untagging an image")
	_, err = e.api.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing tag %q: %w", tag, e.typed(err))
	}
	return nil
}

func (e *Engine) inspectImage(ctx context.Context, ref string) (Image, error) {
	found, err := e.api.ImageInspect(ctx, ref)
	if err != nil {
		return Image{}, fmt.Errorf("looking for image %q: %w", ref, e.typed(err))
	}
	result := Image{Ref: ref, ID: found.ID, Size: found.Size, Digest: digestOf(ref, found.RepoDigests)}
	if found.Config == nil {
		return result, nil
	}
	result.User, result.WorkingDir = found.Config.User, found.Config.WorkingDir
	result.Healthcheck, result.Shell = healthcheck(found.Config.Healthcheck), found.Config.Shell
	result.Ports, err = tcpPorts(found.Config.ExposedPorts)
	if err != nil {
		return Image{}, fmt.Errorf("image %q: %w", ref, err)
	}
	return result, nil
}

func healthcheck(config *container.HealthConfig) *Healthcheck {
	if config == nil || len(config.Test) == 0 || config.Test[0] == noHealthcheck {
		return nil
	}
	return &Healthcheck{
		Test: config.Test, Interval: config.Interval, Timeout: config.Timeout,
		StartPeriod: config.StartPeriod, Retries: config.Retries,
	}
}

// digestOf picks the digest of the repository that ref names. An image can be
// known under several, and one that came from elsewhere would mislead.
func digestOf(ref string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	index := slices.IndexFunc(digests, func(digest string) bool {
		known, err := reference.ParseNormalizedNamed(digest)
		return err == nil && known.Name() == named.Name()
	})
	if index < 0 {
		return ""
	}
	return digests[index]
}

func tcpPorts(exposed map[string]struct{}) ([]int, error) {
	var (
		ports []int
		errs  []error
	)
	for spec := range exposed {
		protocol, port := nat.SplitProtoPort(spec)
		if !strings.EqualFold(protocol, "tcp") {
			continue
		}
		first, last, err := nat.ParsePortRangeToInt(port)
		if err != nil {
			errs = append(errs, fmt.Errorf("exposed port %q: %w", spec, err))
			continue
		}
		for number := first; number <= last; number++ {
			ports = append(ports, number)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), errors.Join(errs...)
}
