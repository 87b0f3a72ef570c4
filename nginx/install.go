package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zdd/durable"
)

// Check says whether Install can take the site, as far as that can be known
// without nginx: its values, and the files that it names. It changes nothing.
// The error is an *Invalid.
func (p *Proxy) Check(s Site) error {
	_, err := p.prepare(&s)
	return err
}

// prepare checks the site, fills its defaults in, and reads what it names.
func (p *Proxy) prepare(s *Site) (material, error) {
	if err := s.Validate(); err != nil {
		return material{}, err
	}
	if s.Certificate != nil && len(p.config.ListenTLS) == 0 {
		return material{}, &Invalid{Field: "certificate", Value: s.Certificate.CertFile, Reason: "nginx has no HTTPS listen address: set ZDD_LISTEN_TLS"}
	}
	*s = s.withDefaults()
	return p.load(*s)
}

// Install makes the site the one that nginx serves for its app: written, tested,
// reloaded, proven. When the rendered bytes are those installed and run already,
// nothing happens and changed is false. What it replaces stays until Accept.
//
// Errors: *Invalid (nothing changed), *Unreachable (nginx is not there or does
// not run), *Refused and *NotTaken (the former site serves, proven),
// *Unrestored (an operator is needed).
func (p *Proxy) Install(ctx context.Context, s Site) (changed bool, err error) {
	m, err := p.prepare(&s)
	if err != nil {
		return false, err
	}
	edits, err := p.siteEdits(s, m)
	if err != nil {
		return false, err
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return false, err
	}
	current, err := p.current(edits)
	if err != nil {
		return false, err
	}
	if current {
		return false, p.Accept(s.App)
	}
	if err := p.keepFormer(s); err != nil {
		return false, err
	}
	if err := p.change(ctx, prog, s.Domains, edits); err != nil {
		var stuck *Unrestored
		if errors.As(err, &stuck) {
			return false, fmt.Errorf("installing the site of %q: %w", s.App, err)
		}
		return false, errors.Join(fmt.Errorf("installing the site of %q: %w", s.App, err), p.Accept(s.App))
	}
	return true, nil
}

// siteEdits are the files of a site, copies before what names them.
func (p *Proxy) siteEdits(s Site, m material) ([]edit, error) {
	data, err := p.renderSite(s, m)
	if err != nil {
		return nil, err
	}
	var edits []edit
	for _, c := range m.copies {
		edits = append(edits, edit{c.path, append([]byte{}, c.data...), 0o600})
	}
	return append(edits,
		edit{p.paths.switchFile(s.App), p.renderSwitch(s.App, s.Strategy, s.Live), 0o644},
		edit{p.paths.site(s.App), data, 0o644}), nil
}

// current tells whether the edits are on disk and the disk's generation runs.
func (p *Proxy) current(edits []edit) (bool, error) {
	for _, e := range edits {
		data, err := readIfThere(e.path)
		if err != nil {
			return false, err
		}
		if (data == nil) != (e.data == nil) || !bytes.Equal(data, e.data) {
			return false, nil
		}
	}
	running, disk, _, err := p.Generations()
	return running == disk && running != 0, err
}

// keepFormer copies the site that is about to be replaced; an empty copy says
// that there was none. When the app comes back from the Reload strategy, the
// flag is set to the slot that is live, before anything looks at it.
func (p *Proxy) keepFormer(s Site) error {
	data, err := readIfThere(p.paths.site(s.App))
	if err != nil {
		return err
	}
	if data != nil && s.Strategy == Flag {
		h, err := parseHeader(s.App, data)
		if err != nil {
			return err
		}
		if h.Strategy == Reload {
			if err := p.setFlag(s.App, h.Slot); err != nil {
				return err
			}
		}
	}
	return durable.WriteFile(p.paths.former(s.App), data, 0o644)
}

// Revert puts back what the last Install of the app replaced, proven like an
// Install, in any process after a crash at any point; no-op when there is nothing
// to put back. When nginx does not run, only the files are put back.
func (p *Proxy) Revert(ctx context.Context, app string) error {
	if err := checkApp(app); err != nil {
		return err
	}
	former, err := readIfThere(p.paths.former(app))
	if err != nil || former == nil {
		return err
	}
	edits := p.absent(app)
	if len(former) > 0 {
		h, err := parseHeader(app, former)
		if err != nil {
			return err
		}
		edits = []edit{
			{p.paths.switchFile(app), p.renderSwitch(app, h.Strategy, h.Slot), 0o644},
			{p.paths.site(app), former, 0o644},
		}
	}
	if err := p.settleOn(ctx, edits); err != nil {
		return fmt.Errorf("putting back the former site of %q: %w", app, err)
	}
	return p.Accept(app)
}

// Accept makes the last Install of the app final: what it replaced is dropped.
func (p *Proxy) Accept(app string) error {
	if err := checkApp(app); err != nil {
		return err
	}
	if err := durable.Remove(p.paths.former(app)); err != nil {
		return err
	}
	return p.sweepCopies(app)
}

// Remove takes the app out of nginx, proven, and removes its files; no-op when
// there are none. When nginx does not run, only the files are removed.
func (p *Proxy) Remove(ctx context.Context, app string) error {
	if err := checkApp(app); err != nil {
		return err
	}
	if err := p.settleOn(ctx, p.absent(app)); err != nil {
		return fmt.Errorf("removing the site of %q: %w", app, err)
	}
	// After the site: as long as it serves, its flag says where.
	if err := durable.Remove(p.paths.flag(app)); err != nil {
		return err
	}
	return p.Accept(app)
}

// absent are the edits that take an app out of nginx.
func (p *Proxy) absent(app string) []edit {
	return []edit{{path: p.paths.site(app)}, {path: p.paths.switchFile(app)}}
}

// settleOn makes the edits current, also when nginx does not run.
func (p *Proxy) settleOn(ctx context.Context, edits []edit) error {
	current, err := p.current(edits)
	if err != nil || current {
		return err
	}
	ps, err := p.scan()
	if err != nil {
		return err
	}
	if ps.master == nil {
		return writeAll(edits)
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return err
	}
	return p.change(ctx, prog, nil, edits)
}

// sweepCopies removes the app's copies that neither its site nor the former one
// names.
func (p *Proxy) sweepCopies(app string) error {
	entries, err := os.ReadDir(p.paths.copies())
	if err != nil || len(entries) == 0 {
		return ignoreMissing(err)
	}
	site, err := readIfThere(p.paths.site(app))
	if err != nil {
		return err
	}
	former, err := readIfThere(p.paths.former(app))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(p.paths.copies(), e.Name())
		line := []byte(" " + path + ";")
		if !strings.HasPrefix(e.Name(), app+".") || bytes.Contains(site, line) || bytes.Contains(former, line) {
			continue
		}
		if err := durable.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes what a process that was killed while it wrote left in nginx's
// folders, but that of the flags, where every app writes at any time. The caller sees to it that nobody else changes them.
func (p *Proxy) Sweep() error {
	var errs []error
	for _, dir := range []string{p.paths.dir, p.paths.sites(), p.paths.switches(), p.paths.copies(), p.paths.markers()} {
		errs = append(errs, durable.Sweep(dir))
	}
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// installed reads the header of the app's installed site.
func (p *Proxy) installed(app string) (h header, installed bool, err error) {
	data, err := readIfThere(p.paths.site(app))
	if err != nil || data == nil {
		return header{}, false, err
	}
	h, err = parseHeader(app, data)
	return h, err == nil, err
}
