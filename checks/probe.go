package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// prober puts all checks of a file to one target.
type prober struct {
	file    File
	target  Target
	options Options
	started time.Time
	tell    func(note)
	lines   *lines // to the target; nil with a transport of the caller's

	results  []Result
	patterns []*regexp.Regexp // of the checks that have one
	first    int              // the check that knocks at the target's own port

	reached chan struct{} // closed when that port has accepted a connection
	reach   func()
}

func newProber(file File, target Target, options Options, started time.Time, tell func(note)) *prober {
	p := &prober{
		file: file, target: target, options: options, started: started, tell: tell,
		results: make([]Result, len(file.Checks)), patterns: make([]*regexp.Regexp, len(file.Checks)),
		first: knocker(file), reached: make(chan struct{}),
	}
	p.reach = sync.OnceFunc(func() { close(p.reached) })
	if target.Transport == nil {
		p.lines = newLines(target.Address, target.TLS)
	}
	for i, check := range file.Checks {
		p.results[i] = Result{Target: target.Name, Address: target.Address, Check: check}
		if check.Match != "" {
			p.patterns[i], _ = compileMatch(check.Match) // else no answer matches
		}
	}
	return p
}

// close ends every connection to the target.
func (p *prober) close() {
	if p.lines != nil {
		p.lines.close()
	}
}

// knocks tells whether the check needs the target's own port.
func (c Check) knocks() bool {
	return c.Port == 0 && (c.Kind == KindHTTP || c.Kind == KindTCP || c.Kind == KindGRPC)
}

// knocker is the check that is tried as long as the port is closed: one that
// decides, if there is one, and of those the one that may begin first. It is -1
// when none needs the port.
func knocker(file File) int {
	best := -1
	for i, check := range file.Checks {
		if !check.knocks() {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		former := file.Checks[best]
		if check.Warn != former.Warn {
			if former.Warn {
				best = i
			}
		} else if file.pace(check).Delay < file.pace(former).Delay {
			best = i
		}
	}
	return best
}

// warnGrace is how long checks that only warn may take after the others have
// decided.
const warnGrace = 2 * time.Second

// passed reports whether every check that decides has passed.
func (p *prober) passed() bool {
	for _, r := range p.results {
		if !r.OK && !r.Check.Warn {
			return false
		}
	}
	return true
}

// pass tries each check that has not passed until it does, or its time is up.
// Those that only warn end with the others.
func (p *prober) pass(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	passed := make([]chan struct{}, len(p.file.Checks))
	decided := make(chan struct{})
	var running sync.WaitGroup
	for i := range p.file.Checks {
		passed[i] = make(chan struct{})
		if p.results[i].OK {
			close(passed[i])
			continue
		}
		running.Go(func() {
			if p.poll(ctx, i, decided); p.results[i].OK {
				close(passed[i])
			}
		})
	}
	p.keepTime(ctx, passed, cancel)
	close(decided)
	// A try that decides nothing may be let end, and not be waited for.
	defer time.AfterFunc(warnGrace, func() { cancel(errBudget) }).Stop()
	running.Wait()
}

// keepTime gives each check in turn its budget, which begins when those before
// it have passed, and ends the run when one has not passed within it.
func (p *prober) keepTime(ctx context.Context, passed []chan struct{}, end context.CancelCauseFunc) {
	for i, done := range passed {
		if p.file.Checks[i].Warn {
			continue
		}
		timer := time.NewTimer(p.budget(p.file.Checks[i]))
		select {
		case <-done:
			timer.Stop()
		case <-timer.C:
			end(errBudget)
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// budget is the file's, and the time for the passes after the first.
func (p *prober) budget(c Check) time.Duration {
	more := time.Duration(p.options.passes() - 1)
	return p.file.Budget(c) + more*(passPause+p.file.pace(c).Timeout)
}

// poll tries the check until it has passed as often as it must, ctx ends, or,
// when it only warns, decided is closed. Only one check knocks at a closed
// port; the others begin when it has opened.
func (p *prober) poll(ctx context.Context, index int, decided <-chan struct{}) {
	check, result := p.file.Checks[index], &p.results[index]
	defer func() { result.Elapsed = time.Since(p.started) }()
	needed := p.options.passes()
	if check.Warn {
		result.Tallies = nil // of an earlier round
		needed = 1
	} else {
		decided = nil
	}
	if index != p.first && check.knocks() && !p.options.Once {
		select {
		case <-p.reached:
		case <-decided:
		case <-ctx.Done():
			return
		}
	}
	pace := p.file.pace(check)
	if !p.options.Once && !pauseFor(ctx, pace.Delay-time.Since(p.started), decided) {
		return
	}
	pauses := newPauses(check.Kind, pace.Wait)
	for streak := 0; ; {
		t := p.try(ctx, index)
		if t.kind == abandoned {
			// Being cut off tells nothing that a whole try has not told better.
			if result.Attempts == 0 && errors.Is(context.Cause(ctx), errBudget) {
				result.add(t, time.Now())
			}
			return
		}
		now := time.Now()
		result.add(t, now)
		if t.kind != refused && check.knocks() {
			p.reach()
		}
		pause, reason := pauses.after(t.kind, now), t.label
		if t.kind == passes {
			streak++
			pause, reason = passPause, fmt.Sprintf("passed %d of %d times", streak, needed)
		} else {
			streak = 0
		}
		result.OK = streak >= needed
		p.tell(note{check: index, passed: result.OK, reason: reason})
		if result.OK || p.options.Once || ctx.Err() != nil || !pauseFor(ctx, pause, decided) {
			return
		}
	}
}

// again puts every check once more to a target that has passed them all, and
// reports whether those that decide passed again.
func (p *prober) again(ctx context.Context) bool {
	var running sync.WaitGroup
	for i, check := range p.file.Checks {
		if check.Warn {
			continue
		}
		running.Go(func() {
			t, now := p.try(ctx, i), time.Now()
			if t.kind == abandoned {
				return
			}
			p.results[i].add(t, now)
			p.results[i].OK = t.kind == passes
			p.results[i].Elapsed = now.Sub(p.started)
			p.tell(note{check: i, passed: p.results[i].OK, reason: t.label})
		})
	}
	running.Wait()
	return p.passed()
}

// pauseFor reports whether d went by before ctx ended or enough was closed.
func pauseFor(ctx context.Context, d time.Duration, enough <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-enough:
		return false
	case <-ctx.Done():
		return false
	}
}

// transport is what the requests of a check go through.
func (p *prober) transport(check Check) http.RoundTripper {
	if p.target.Transport != nil {
		return p.target.Transport
	}
	return p.lines.to(check.Port)
}
