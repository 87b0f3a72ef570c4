package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"zdd/durable"
)

// restoreBudget bounds the restoration after a failed change: the test of a
// configuration that may have thousands of sites, and the reload.
const restoreBudget = workLimit + 2*time.Minute

// change makes the edits and whatever follows from them for the base files the
// running configuration, proven, or leaves everything as it was. names are the
// host names for which nginx must not know another server.
func (p *Proxy) change(ctx context.Context, prog *program, names []string, edits []edit) error {
	ps, err := p.scan()
	if err != nil {
		return err
	}
	if ps.master == nil && !p.mayReloadUnseen() {
		return &Unreachable{Reason: "nginx is not running"}
	}
	if err := p.usable(ps); err != nil {
		return err
	}
	n, err := p.nextGeneration(ps)
	if err != nil {
		return err
	}
	former, err := p.snapshot(edits)
	if err != nil {
		return err
	}
	took, err := p.writeAndTest(ctx, prog, names, edits, n)
	if err != nil {
		return unseen(err, former)
	}
	// One polite phase for the reload and its restoration: a reload that was not
	// taken in time may be taken still.
	endPolite, err := p.beginPolite(ctx, prog)
	defer endPolite()
	if err != nil {
		return unseen(err, former)
	}
	err = p.reload(ctx, prog, n, took)
	var gone *Unreachable
	switch {
	case err == nil:
		return nil
	case errors.As(err, &gone): // nothing was signalled
		return unseen(err, former)
	default:
		return p.restore(ctx, prog, former, err)
	}
}

// unseen puts the former files back where no process has seen the new ones. It
// returns the cause, or *Unrestored.
func unseen(cause error, former []edit) error {
	if err := writeAll(former); err != nil {
		return &Unrestored{Cause: cause, Restore: err}
	}
	return cause
}

// writeAndTest writes the generation first: see the package's invariants.
func (p *Proxy) writeAndTest(ctx context.Context, prog *program, names []string, edits []edit, n int) (time.Duration, error) {
	if err := p.write(prog, edits, n); err != nil {
		return 0, err
	}
	return p.test(ctx, prog, names)
}

// write puts the edits, the base files that follow from them and generation n
// on disk.
func (p *Proxy) write(prog *program, edits []edit, n int) error {
	door, err := p.renderDoor(n)
	if err != nil {
		return err
	}
	first := []edit{{p.paths.generation(), fmt.Appendf(nil, "%d\n", n), 0o644}}
	if err := writeAll(slices.Concat(first, edits)); err != nil {
		return err
	}
	base, err := p.baseFiles(prog)
	if err != nil {
		return err
	}
	return writeAll(append(base, edit{p.paths.doorConf(), door, 0o644}))
}

// restore puts the former files back after a reload that was not taken, under a
// new generation, and proves that they serve. It returns the cause, or
// *Unrestored. It goes on when ctx is cancelled.
func (p *Proxy) restore(ctx context.Context, prog *program, former []edit, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreBudget)
	defer cancel()
	err := func() error {
		ps, err := p.scan()
		if err != nil {
			return err
		}
		n, err := p.nextGeneration(ps)
		if err != nil {
			return err
		}
		door, err := p.renderDoor(n)
		if err != nil {
			return err
		}
		// The snapshot ends with the former door and generation.
		files := slices.Concat([]edit{{p.paths.generation(), fmt.Appendf(nil, "%d\n", n), 0o644}},
			former[:len(former)-2], []edit{{p.paths.doorConf(), door, 0o644}})
		if err := writeAll(files); err != nil {
			return err
		}
		took, err := p.test(ctx, prog, nil)
		if err != nil {
			return err
		}
		return p.reload(ctx, prog, n, took)
	}()
	if err != nil {
		return &Unrestored{Cause: cause, Restore: err}
	}
	return cause
}

// snapshot reads the files that a change may write; the door and, last, the
// generation end it, so that a crash while it is put back is noticed.
func (p *Proxy) snapshot(edits []edit) ([]edit, error) {
	var paths []string
	for _, e := range edits {
		paths = append(paths, e.path)
	}
	paths = append(paths, p.paths.zddConf(), p.paths.edgeConf(), p.paths.doorSiteConf(), p.paths.listenConf(),
		p.paths.tlsConf(), p.paths.doorConf(), p.paths.generation())
	var former []edit
	for _, path := range paths {
		data, err := readIfThere(path)
		if err != nil {
			return nil, err
		}
		former = append(former, edit{path, data, 0o644})
	}
	return former, nil
}

// writeAll makes every file what its edit says, in order, and leaves those that
// are so already.
func writeAll(edits []edit) error {
	for _, e := range edits {
		old, err := readIfThere(e.path)
		if err != nil {
			return err
		}
		switch {
		case e.data == nil:
			err = durable.Remove(e.path)
		case old == nil || !bytes.Equal(old, e.data):
			err = durable.WriteFile(e.path, e.data, e.perm)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readIfThere returns nil for a file that does not exist, and never nil for one
// that does.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return append([]byte{}, data...), nil
}

// sweepMarkers removes the markers that no process holds, except the newest.
func (p *Proxy) sweepMarkers(ps processes, newest int) error {
	var errs []error
	for _, n := range p.markerNumbers() {
		if n < newest && !ps.held(n) {
			errs = append(errs, durable.Remove(p.paths.marker(n)))
		}
	}
	return errors.Join(errs...)
}

func pids(list []int) string {
	var b []byte
	for i, pid := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, int64(pid), 10)
	}
	return string(b)
}
