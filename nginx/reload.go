package nginx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"zdd/durable"
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
	// Once the door has answered, the rest of the proof gets so many times the
	// budget: it takes looks at /proc, which are slow where much else goes on.
	seenShare = 4
	// effortInterval is how often it is looked at: to find the processes takes
	// reading all of /proc.
	effortInterval = 100 * time.Millisecond
	// politePhase is how long answers carry "Connection: close" before a reload,
	// so that no client has an idle connection to lose. Measured: 0.25 s is too
	// short for clients that pause 1.5 s, 0.5 s lost nothing.
	politePhase = 500 * time.Millisecond
	// logLines is how much of the error log goes into an error.
	logLines = 10
)

// reload makes nginx load generation n, which is on disk and passed -t, and
// proves it. *NotTaken when the proof does not come; then nothing is restored yet.
func (p *Proxy) reload(ctx context.Context, prog *program, n int, tested time.Duration) error {
	endPolite, err := p.beginPolite(ctx, prog)
	defer endPolite()
	if err != nil {
		return err
	}
	log := p.openLogMark()
	if err := p.signalReload(ctx, prog); err != nil {
		return err
	}
	if err := p.await(ctx, n, reloadBudget+testShare*tested); err != nil {
		var late *NotTaken
		if errors.As(err, &late) {
			late.Log = log.newLines()
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
// the master rests, and at workLimit.
func (p *Proxy) await(ctx context.Context, n int, budget time.Duration) error {
	start := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var master effort
	looked := start
	answered, seen := false, "nothing"
	for {
		if !answered {
			got, err := p.answeredGeneration(ctx)
			answered = err == nil && got >= n
			if seen = fmt.Sprintf("generation %d at its door", got); err != nil {
				seen = err.Error()
			}
		}
		if answered || time.Since(looked) >= effortInterval {
			looked = time.Now()
			ps, err := p.scan()
			if err != nil {
				return err
			}
			master.look(ps.master)
			older := ps.older(n, true)
			switch {
			case !answered:
			case !ps.taken(n):
				seen = "no worker that runs it"
			case len(older) > 0:
				seen = "older workers that still accept: " + pids(older)
			default:
				return p.sweepMarkers(ps, n)
			}
		}
		late := &NotTaken{Generation: n, Awaited: fmt.Sprintf("awaited generation %d for %s, saw %s",
			n, time.Since(start).Round(time.Millisecond), seen)}
		took := time.Since(start)
		limit := budget
		if answered {
			limit = seenShare * budget
		}
		if took >= workLimit || took >= limit && master.rested() >= restTime {
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

// effort watches whether a process is at work.
type effort struct {
	spent float64   // its processor time when last seen, in seconds
	last  time.Time // when it was last seen at work; zero for never
}

// look sees whether the process, nil for none, runs, waits for a disk, or has
// done so since the last look.
func (e *effort) look(of *process) {
	if of == nil {
		return
	}
	proc, err := procfs.NewProc(of.pid)
	if err != nil {
		return // it has ended
	}
	stat, err := proc.Stat()
	if err != nil {
		return
	}
	if stat.State == "R" || stat.State == "D" || stat.CPUTime() > e.spent {
		e.last = time.Now()
	}
	e.spent = stat.CPUTime()
}

// rested is for how long it has not been at work.
func (e *effort) rested() time.Duration { return time.Since(e.last) }

// beginPolite lets nginx close its clients' connections after their next answer,
// until none is open or the phase is over. The returned function ends it; it is
// never nil. From 1.27.4 on nginx does better by itself (keepalive_min_timeout).
func (p *Proxy) beginPolite(ctx context.Context, prog *program) (end func(), err error) {
	end = func() {}
	open, err := p.clientConnections()
	if err != nil || open == 0 || prog.atLeast(1, 27, 4) {
		return end, err
	}
	end = func() {
		if err := durable.Remove(p.paths.closing()); err != nil {
			p.config.Warn(fmt.Sprintf("removing %q: %v (answers carry Connection: close until it is gone)", p.paths.closing(), err))
		}
	}
	if err := durable.WriteFile(p.paths.closing(), nil, 0o644); err != nil {
		return end, err
	}
	limit := time.NewTimer(politePhase)
	defer limit.Stop()
	ticker := time.NewTicker(politePhase / 20)
	defer ticker.Stop()
	for open > 0 {
		select {
		case <-ctx.Done():
			return end, ctx.Err()
		case <-limit.C:
			return end, nil
		case <-ticker.C:
		}
		if open, err = p.clientConnections(); err != nil {
			return end, err
		}
	}
	return end, nil
}

// clientConnections counts the established connections to nginx's addresses.
func (p *Proxy) clientConnections() (int, error) {
	var listens []listen
	for _, list := range [][]string{p.config.Listen, p.config.ListenTLS} {
		for _, addr := range list {
			l, err := parseListen(addr)
			if err != nil {
				return 0, err
			}
			listens = append(listens, l)
		}
	}
	open := 0
	err := eachConnection(func(local, _ netip.AddrPort, state uint8) {
		for _, l := range listens {
			anyHost := !l.host.IsValid() || l.host.IsUnspecified()
			if state == tcpEstablished && l.port == local.Port() && (anyHost || l.host.Unmap() == local.Addr()) {
				open++
				return
			}
		}
	})
	return open, err
}

// States of a TCP socket (the kernel's include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
)

// eachConnection visits the host's TCP sockets, IPv4 addresses in their short
// form. It asks the kernel by netlink: 2 ms for 2,000 sockets, where reading
// /proc/net/tcp takes many times as long.
func eachConnection(visit func(local, remote netip.AddrPort, state uint8)) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return fmt.Errorf("reading the host's connections: %w", err)
		}
		for _, s := range sockets {
			local, _ := netip.AddrFromSlice(s.ID.Source)
			remote, _ := netip.AddrFromSlice(s.ID.Destination)
			visit(netip.AddrPortFrom(local.Unmap(), s.ID.SourcePort),
				netip.AddrPortFrom(remote.Unmap(), s.ID.DestinationPort), s.State)
		}
	}
	return nil
}

// logMark is a place in nginx's error log.
type logMark struct {
	path string
	size int64
}

// openLogMark remembers where the log ends now. Without a readable log, there
// are no new lines later.
func (p *Proxy) openLogMark() logMark {
	m := logMark{path: p.paths.errorLog()}
	if p.config.Mode == System {
		system, err := p.loadSystem()
		if err != nil {
			return logMark{}
		}
		m.path = system.ErrorLog
	}
	if info, err := os.Stat(m.path); err == nil {
		m.size = info.Size()
	}
	return m
}

// newLines returns the last lines since the mark, warnings and worse, each once.
func (m logMark) newLines() []string {
	data, err := os.ReadFile(m.path)
	if err != nil || int64(len(data)) <= m.size {
		return nil
	}
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(data[m.size:])) {
		line = strings.TrimSpace(line)
		at := strings.Index(line, "[")
		if at < 0 || strings.HasPrefix(line[at:], "[notice]") || strings.HasPrefix(line[at:], "[info]") || strings.HasPrefix(line[at:], "[debug]") {
			continue
		}
		// The same words come several times, with other times before them.
		if words := line[at:]; !seen[words] {
			seen[words] = true
			lines = append(lines, words)
		}
	}
	return lines[max(0, len(lines)-logLines):]
}
