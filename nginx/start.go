package nginx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"zdd/durable"
)

// start begins a managed nginx, or lets systemd begin it where it has its unit.
// Workers of a killed master serve until its configuration has passed -t; then
// they are told to finish, for they hold the ports.
func (p *Proxy) start(ctx context.Context, prog *program, ps processes) error {
	n, took, err := p.writeForStart(ctx, prog, ps)
	if err != nil {
		return err
	}
	if len(ps.orphans) > 0 { // they serve, and what takes their place is not given up half way
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), orphanLimit+restoreBudget)
		defer cancel()
	}
	if err := p.endOrphans(ctx, ps); err != nil {
		return err
	}
	begin := p.startDaemon
	if p.underSystemd() {
		begin = p.startUnit
	}
	if err := begin(ctx, prog); err != nil {
		return err
	}
	err = p.await(ctx, n, reloadBudget+testShare*took)
	var late *NotTaken
	if errors.As(err, &late) && p.underSystemd() {
		// systemd may have started it itself meanwhile, with the files of before.
		err = p.refresh(ctx, prog)
	}
	if err != nil {
		return &Unreachable{Reason: "starting nginx", Err: err}
	}
	return nil
}

// writeForStart writes, tests and numbers the configuration with which nginx is
// to start.
func (p *Proxy) writeForStart(ctx context.Context, prog *program, ps processes) (n int, took time.Duration, err error) {
	if n, err = p.nextGeneration(ps); err != nil {
		return 0, 0, err
	}
	main, err := p.mainFile(prog)
	if err != nil {
		return 0, 0, err
	}
	took, err = p.writeAndTest(ctx, prog, nil, []edit{main}, n)
	return n, took, err
}

// startDaemon runs nginx, which leaves zdd's session by itself.
func (p *Proxy) startDaemon(ctx context.Context, prog *program) error {
	// nginx cannot bind a socket file that is there, and a killed master leaves it.
	for _, stale := range []string{p.paths.door(), p.paths.pid(), p.paths.closing()} {
		if err := durable.Remove(stale); err != nil {
			return err
		}
	}
	if out, err := p.run(ctx, prog); err != nil {
		return p.notStarted(out, err)
	}
	return nil
}

// notStarted makes an error of nginx's last words.
func (p *Proxy) notStarted(output string, err error) error {
	failed := &Unreachable{Reason: "starting nginx: " + p.refused(output).Output, Err: err}
	if taken := takenPorts(output); len(taken) > 0 {
		failed.Reason = "starting nginx: " + strings.Join(taken, ", ") + ": " + p.refused(output).Output
		failed.Next = takenHint
	}
	return failed
}

// orphanLimit is how long the workers of a killed master may take to give up
// nginx's ports; they do so at once, unless something holds them.
const orphanLimit = 30 * time.Second

// endOrphans asks the workers of a killed master to finish, also those that
// somebody has stopped, and waits until none of them accepts.
func (p *Proxy) endOrphans(ctx context.Context, ps processes) error {
	if len(ps.orphans) == 0 {
		return nil
	}
	for _, o := range ps.orphans {
		if err := errors.Join(signal(o.pid, syscall.SIGQUIT), signal(o.pid, syscall.SIGCONT)); err != nil {
			return err
		}
	}
	accepts := func(o process) bool { return o.accepts }
	left := ps.orphans
	err := p.poll(ctx, orphanLimit, "workers of a killed nginx still hold its ports", func(ps processes) bool {
		left = ps.orphans
		return !slices.ContainsFunc(left, accepts)
	})
	if err == nil {
		return nil
	}
	return &Unreachable{
		Reason: "ending processes " + orphanPIDs(left),
		Next:   fmt.Sprintf("end them: kill -KILL %s; then run the command again", strings.ReplaceAll(orphanPIDs(left), ",", "")),
		Err:    err,
	}
}

func orphanPIDs(orphans []process) string {
	var list []int
	for _, o := range orphans {
		list = append(list, o.pid)
	}
	return pids(list)
}
