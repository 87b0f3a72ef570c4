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
		err = p.refresh(ctx, prog)
	case p.config.Mode == System:
		err = &Unreachable{Reason: "the system's nginx does not run zdd's configuration (start or reload it: systemctl reload-or-restart nginx)"}
	default:
		started = true
		err = p.start(ctx, prog, ps)
	}
	if err != nil {
		return false, err
	}
	return started, p.config.save()
}

// Settle tidies after a crash: the polite phase ends, temporary files go, and
// when the configuration on disk is not the one that runs, it is loaded,
// proven. Revert the apps whose deploy was interrupted first: a site that nginx
// refuses makes this *Refused. No-op when nginx does not run.
func (p *Proxy) Settle(ctx context.Context) error {
	if err := durable.Remove(p.paths.closing()); ignoreMissing(err) != nil {
		return err
	}
	if err := p.sweepTemporary(); err != nil {
		return err
	}
	ps, err := p.scan()
	if err != nil || ps.master == nil {
		return err
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return err
	}
	return p.refresh(ctx, prog)
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
	for _, dir := range []string{p.paths.dir, p.paths.sites(), p.paths.live(), p.paths.switches(), p.paths.copies()} {
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

// start begins a managed nginx. Workers of a killed master are told to finish
// first: they hold the ports.
func (p *Proxy) start(ctx context.Context, prog *program, ps processes) error {
	if err := p.endOrphans(ctx, ps); err != nil {
		return err
	}
	// nginx cannot bind a socket file that is there, and a killed master leaves it.
	for _, stale := range []string{p.paths.door(), p.paths.pid(), p.paths.closing()} {
		if err := durable.Remove(stale); err != nil {
			return err
		}
	}
	n, err := p.nextGeneration(ps)
	if err != nil {
		return err
	}
	main, err := p.mainFile(prog)
	if err != nil {
		return err
	}
	took, err := p.writeAndTest(ctx, prog, nil, []edit{main}, n)
	if err != nil {
		return err
	}
	if out, err := p.run(ctx, prog); err != nil {
		return &Unreachable{Reason: "starting nginx: " + p.refused(out).Output, Err: err}
	}
	if err := p.await(ctx, n, reloadBudget+testShare*took); err != nil {
		return &Unreachable{Reason: "starting nginx", Err: err}
	}
	return nil
}

// endOrphans asks the workers of a killed master to finish and waits until none
// of them accepts.
func (p *Proxy) endOrphans(ctx context.Context, ps processes) error {
	if len(ps.orphans) == 0 {
		return nil
	}
	for _, o := range ps.orphans {
		if err := signal(o.pid, syscall.SIGQUIT); err != nil {
			return err
		}
	}
	return p.poll(ctx, reloadBudget, "workers of a killed nginx still accept", func(ps processes) bool {
		for _, o := range ps.orphans {
			if o.accepts {
				return false
			}
		}
		return true
	})
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
