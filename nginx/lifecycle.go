package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"zdd/durable"
)

// Ensure makes nginx ready for Install: the folder, the base files, a running
// nginx that serves them, proven. In managed mode it starts nginx when it does
// not run (started is true then), also after a kill -9 of the master or of the
// machine; in system mode it checks that zdd was set up and nginx runs. A changed
// listen address or nginx version is a verified reload.
//
// Errors: *Unreachable, *Refused, *NotTaken, *Unrestored; *Invalid when nginx's
// workers may not look into the folder.
func (p *Proxy) Ensure(ctx context.Context) (started bool, err error) {
	prog, err := p.findProgram(ctx)
	if err != nil {
		return false, err
	}
	if p.config.Mode == System {
		if err := p.checkSetup(); err != nil {
			return false, err
		}
	}
	if err := p.layout(); err != nil {
		return false, err
	}
	ps, err := p.scan()
	if err != nil {
		return false, err
	}
	switch {
	case ps.master != nil:
		if err = p.usable(ps); err == nil {
			err = p.refresh(ctx, prog)
		}
	case p.config.Mode == System:
		err = p.systemDown(ps)
	default:
		started = true
		err = p.start(ctx, prog, ps)
	}
	if err != nil {
		return false, err
	}
	return started, p.config.save()
}

// systemDown says why the system's nginx cannot be worked with, which zdd does not
// start.
func (p *Proxy) systemDown(ps processes) error {
	err := &Unreachable{
		Reason: "the system's nginx does not run zdd's configuration",
		Next:   "start or reload nginx (systemctl reload-or-restart nginx), then run the command again",
	}
	if len(ps.orphans) > 0 {
		err.Reason = "the system's nginx has lost its master process; workers of it are left: " + orphanPIDs(ps.orphans)
		err.Next = "start nginx again (systemctl restart nginx), then run the command again"
	}
	return err
}

// Settle tidies after a crash: temporary files go, and when the configuration on
// disk is not the one that runs, it is loaded, proven; then a polite phase that was
// left ends. Revert the apps whose deploy was interrupted first: a site that nginx
// refuses makes this *Refused. No-op when nginx does not run.
func (p *Proxy) Settle(ctx context.Context) error {
	if err := p.sweepTemporary(); err != nil {
		return err
	}
	err := p.settleRunning(ctx)
	return errors.Join(err, durable.Remove(p.paths.closing()))
}

// settleRunning does not return in the middle of a reload which a killed zdd asked
// for: nginx starts the new workers 100 ms before it ends the older ones, whose
// idle connections it then closes.
func (p *Proxy) settleRunning(ctx context.Context) error {
	ps, err := p.scan()
	if err != nil || ps.master == nil {
		return err
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return err
	}
	if err := p.refresh(ctx, prog); err != nil {
		return err
	}
	if left, err := readIfThere(p.paths.closing()); err != nil || left == nil {
		return err
	}
	n, err := p.diskGeneration()
	if err != nil {
		return err
	}
	return p.await(ctx, n, reloadBudget)
}

// refresh reloads when the base files or the generation that runs are not what
// they should be.
func (p *Proxy) refresh(ctx context.Context, prog *program) error {
	base, err := p.baseFiles(prog)
	if err != nil {
		return err
	}
	current, err := p.current(base)
	if err != nil || current {
		return err
	}
	return p.change(ctx, prog, nil, nil)
}

// sweepTemporary removes what an interrupted write left: durable's temporary
// files begin with a dot.
func (p *Proxy) sweepTemporary() error {
	for _, dir := range []string{p.paths.dir, p.paths.sites(), p.paths.switches(), p.paths.copies()} {
		entries, err := os.ReadDir(dir)
		if ignoreMissing(err) != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), ".conf.former") || e.IsDir() {
				continue
			}
			if err := durable.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// stopGrace is how long requests in progress may take before Stop ends them.
const stopGrace = 3 * time.Second

// Stop ends a managed nginx: open requests have 3 s, then they are cut. No
// process, socket or pid file is left. Nothing happens when it does not run, and
// in system mode, where nginx is not zdd's.
func (p *Proxy) Stop(ctx context.Context) error {
	if p.config.Mode != Managed {
		return nil
	}
	if p.underSystemd() { // which would start what it did not stop itself
		if err := p.stopUnit(ctx); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGQUIT, stopGrace}, {syscall.SIGTERM, stopGrace}, {syscall.SIGKILL, reloadBudget}} {
		ps, err := p.scan()
		if err != nil {
			return err
		}
		if err := ps.signal(step.signal); err != nil {
			return err
		}
		err = p.poll(ctx, step.wait, "nginx still runs", func(ps processes) bool {
			return ps.master == nil && len(ps.orphans) == 0
		})
		if err == nil {
			return errors.Join(durable.Remove(p.paths.door()), durable.Remove(p.paths.pid()))
		} else if ctx.Err() != nil {
			return err
		}
	}
	return errors.New("stopping nginx: its processes outlive SIGKILL")
}

// signal reaches the master, which passes it on, and orphans. SIGKILL cannot be
// passed on.
func (ps processes) signal(s syscall.Signal) error {
	all := ps.orphans
	if ps.master != nil {
		all = append(all, *ps.master)
	}
	if s == syscall.SIGKILL {
		all = append(all, ps.workers...)
	}
	for _, proc := range all {
		if err := signal(proc.pid, s); err != nil {
			return err
		}
	}
	return nil
}

func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling nginx process %d: %w", pid, err)
	}
	return nil
}

// poll scans until done, for at most limit; the error says what was seen still.
func (p *Proxy) poll(ctx context.Context, limit time.Duration, still string, done func(processes) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(2 * pollInterval)
	defer ticker.Stop()
	for {
		ps, err := p.scan()
		if err != nil || done(ps) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s after %s: %w", still, limit, ctx.Err())
		case <-ticker.C:
		}
	}
}
