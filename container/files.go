package container

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"zdd/failpoint"
)

// maxLinks bounds how often the engine is asked where a link leads. It follows
// chains of them itself, so more than one is rare.
const maxLinks = 10

// ReadFiles gives the contents of those of the absolute paths that are regular
// files in the image, by the path that was asked for. Symbolic links are
// followed, anywhere in a path, and never out of the image. A path that leads
// to nothing, or to anything but a file, is simply not in the result. What the
// image declares as a volume is read too, as a new container would have it.
//
// Of a file at most limit+1 bytes are given, so that a larger one can be told;
// the rest is not even read.
//
// Docker reads files only of containers, so one is made, never started, and
// removed in any case, its anonymous volumes with it. App and release name it:
// what a killed zdd leaves of it is removed by the next call for them, and by
// RemoveTasks. The error is *NoImage when the engine does not have the image,
// *NameTaken, or *Unreachable.
func (e *Engine) ReadFiles(ctx context.Context, app string, release int, imageID string, paths []string, limit int64) (files map[string][]byte, err error) {
	files = make(map[string][]byte, len(paths))
	if len(paths) == 0 {
		return files, nil
	}
	reader, err := e.createReader(ctx, app, release, imageID)
	if err != nil {
		return nil, err
	}
	defer func() {
		if discarded := e.discard(ctx, []Instance{reader}); discarded != nil {
			files, err = nil, errors.Join(err, discarded)
		}
	}()
	for _, path := range paths {
		content, err := e.readFile(ctx, reader, path, limit)
		switch {
		case err == nil:
			files[path] = content
		case ctx.Err() != nil:
			return nil, fmt.Errorf("reading %q of image %q: %w", path, imageID, context.Cause(ctx))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("reading %q of image %q: %w", path, imageID, e.typed(err))
		}
	}
	return files, nil
}

// createReader makes a container for its files alone.
func (e *Engine) createReader(ctx context.Context, app string, release int, imageID string) (Instance, error) {
	reader := Instance{Name: readerName(app, release), App: app, Release: release, Image: imageID}
	if ctx.Err() != nil {
		return reader, fmt.Errorf("creating container %q: %w", reader.Name, context.Cause(ctx))
	}
	// As in create: the request must not be cut off half way.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	failpoint.Hit("before creating a reader of files")
	id, err := e.createNamed(whole, reader.Name, func() (container.CreateResponse, error) {
		return e.api.ContainerCreate(whole, idle(imageID, e.taskLabels(Spec{App: app, Release: release})),
			&container.HostConfig{NetworkMode: "none"}, nil, nil, reader.Name)
	})
	if errdefs.IsNotFound(err) {
		return reader, &NoImage{Ref: imageID}
	}
	if err != nil {
		return reader, fmt.Errorf("creating container %q: %w", reader.Name, e.typed(err))
	}
	reader.ID = id
	return reader, nil
}

// readFile gives at most limit+1 bytes. The error is fs.ErrNotExist where there
// is no regular file.
func (e *Engine) readFile(ctx context.Context, reader Instance, path string, limit int64) ([]byte, error) {
	for range maxLinks {
		archive, about, err := e.api.CopyFromContainer(ctx, reader.ID, path)
		if err != nil {
			return nil, e.noFile(ctx, reader, err)
		}
		if about.Mode&fs.ModeSymlink == 0 {
			return readEntry(archive, limit)
		}
		_ = archive.Close()
		// The engine has resolved it as far as it goes, inside the image.
		path = about.LinkTarget
	}
	return nil, fs.ErrNotExist
}

// noFile tells a path that leads nowhere from an engine that cannot read: some
// versions answer a path through a file, or a loop of links, with an internal
// error. And that there is no such container is "not found" too.
func (e *Engine) noFile(ctx context.Context, reader Instance, err error) error {
	if !errdefs.IsNotFound(err) && !errdefs.IsInternal(err) {
		return err
	}
	if _, broken := e.api.ContainerStatPath(ctx, reader.ID, "/"); broken != nil {
		return err
	}
	return fs.ErrNotExist
}

// readEntry reads the only file of an archive, and leaves the rest of it, be it
// ever so long, on the engine.
func readEntry(archive io.ReadCloser, limit int64) ([]byte, error) {
	defer archive.Close()
	content := tar.NewReader(archive)
	header, err := content.Next()
	if err != nil {
		return nil, fmt.Errorf("archive of the engine: %w", err)
	}
	if header.Typeflag != tar.TypeReg {
		return nil, fs.ErrNotExist
	}
	return io.ReadAll(io.LimitReader(content, limit+1))
}
