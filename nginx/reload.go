package nginx

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"zdd/failpoint"
)

const (
	// A reload may take this long, and five times what nginx -t took: parsing
	// thousands of sites is slow, and a port in use blocks the master for 2.5 s.
	reloadBudget = 5 * time.Second
	testShare    = 5
	// A master that is still at work gets more time, up to workLimit: on a busy
	// host it may be slow beyond any share of -t (seen: 16 s after a -t of 2 s).
	// One that has refused a configuration sleeps, for restTime at least.
	restTime  = 2 * time.Second
	workLimit = 2 * time.Minute
	// effortInterval is how often it is looked at: to find the processes takes
	// reading all of /proc.
	effortInterval = 100 * time.Millisecond
)

// reload makes nginx load generation n, which is on disk and passed -t, and
// proves it. *NotTaken when the proof does not come; then nothing is restored yet.
func (p *Proxy) reload(ctx context.Context, prog *program, n int, tested time.Duration) error {
	log := p.openLogMark()
	if err := p.signalReload(ctx, prog); err != nil {
		return err
	}
	if err := p.await(ctx, n, reloadBudget+testShare*tested); err != nil {
		var late *NotTaken
		if errors.As(err, &late) {
			late.Log = log.newLines()
			late.Taken = takenPorts(late.Log...)
		}
		return err
	}
	return nil
}

// signalReload sends SIGHUP to the master that holds the door. In system mode,
// before zdd's configuration was ever loaded, nginx itself must find its master.
func (p *Proxy) signalReload(ctx context.Context, prog *program) error {
	ps, err := p.scan()
	if err != nil {
		return err
	}
	if ps.master != nil {
		failpoint.Hit("before signalling nginx")
		defer failpoint.Hit("after signalling nginx")
		if err := syscall.Kill(ps.master.pid, syscall.SIGHUP); err != nil {
			return &Unreachable{Reason: fmt.Sprintf("signalling nginx's master process %d", ps.master.pid), Err: err}
		}
		return nil
	}
	if !p.mayReloadUnseen() {
		return &Unreachable{Reason: "nginx is not running"}
	}
	if out, err := p.run(ctx, prog, "-s", "reload"); err != nil {
		return &Unreachable{Reason: "nginx is not running", Err: errors.New(out)}
	}
	return nil
}

// await proves that generation n serves: the door answered with it, a worker
// runs it, and no older worker accepts. It gives up when the budget is spent and
// nothing is at work that it waits for, and at workLimit.
func (p *Proxy) await(ctx context.Context, n int, budget time.Duration) error {
	start := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	proof := proof{proxy: p, generation: n, looked: start, seen: "nothing"}
	for {
		done, err := proof.look(ctx)
		if done || err != nil {
			return err
		}
		took := time.Since(start)
		late := &NotTaken{Generation: n, Awaited: fmt.Sprintf("awaited generation %d for %s, saw %s",
			n, took.Round(time.Millisecond), proof.seen)}
		if took >= workLimit || took >= budget && proof.idle() {
			return late
		}
		select {
		case <-ctx.Done():
			late.Err = ctx.Err()
			return late
		case <-ticker.C:
		}
	}
}

// proof is one run of await.
type proof struct {
	proxy      *Proxy
	generation int
	answered   bool // the door has answered with the generation
	blocked    bool // what it still waits for has been stopped by somebody
	master     effort
	looked     time.Time // when the processes were looked at last
	seen       string    // what is in the way, for a person
}

// look asks the door until it has answered, and looks at the processes ten times
// a second, at each call from then on.
func (f *proof) look(ctx context.Context) (done bool, err error) {
	if !f.answered {
		got, err := f.proxy.answeredGeneration(ctx)
		f.answered = err == nil && got >= f.generation
		if f.seen = fmt.Sprintf("generation %d at its door", got); err != nil {
			f.seen = err.Error()
		}
	}
	if !f.answered && time.Since(f.looked) < effortInterval {
		return false, nil
	}
	f.looked = time.Now()
	ps, err := f.proxy.scan()
	if err != nil {
		return false, err
	}
	f.master.look(ps.master)
	stopped := ps.stopped()
	f.blocked = len(stopped) > 0
	older := ps.older(f.generation, true)
	switch {
	case !f.answered && f.blocked:
		f.seen += ", and stopped processes: " + pids(stopped)
	case !f.answered:
	case !ps.taken(f.generation):
		f.seen = "no worker that runs it"
	case f.blocked && len(older) > 0:
		f.seen = "older workers that still accept: " + pids(older) + "; stopped processes: " + pids(stopped)
	case len(older) > 0:
		f.seen = "older workers that still accept: " + pids(older)
	default:
		return true, f.proxy.sweepMarkers(ps, f.generation)
	}
	return false, nil
}

// idle tells whether more time would bring nothing. Once the door has answered,
// the reload is taken, and its older workers end, however slow the host is,
// unless somebody has stopped them.
func (f *proof) idle() bool {
	if f.answered {
		return f.blocked
	}
	return f.master.rested() >= restTime
}
