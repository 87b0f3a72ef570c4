package checks

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// prober puts all checks of a file to one target.
type prober struct {
	file    File
	target  Target
	started time.Time
	tell    func(note)

	transport http.RoundTripper
	reached   chan struct{} // closed when the target has accepted a connection
	reach     func()
}

func newProber(file File, target Target, started time.Time, tell func(note)) *prober {
	p := &prober{file: file, target: target, started: started, tell: tell, transport: target.Transport, reached: make(chan struct{})}
	p.reach = sync.OnceFunc(func() { close(p.reached) })
	return p
}

// run returns one result for each check, in the order of the file.
func (p *prober) run(ctx context.Context) []Result {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if p.transport == nil {
		direct := newDirect(p.target.Address)
		defer direct.close()
		p.transport = direct
	}
	results := make([]Result, len(p.file.Checks))
	passed := make([]chan struct{}, len(p.file.Checks))
	var running sync.WaitGroup
	for i, check := range p.file.Checks {
		passed[i] = make(chan struct{})
		running.Go(func() {
			results[i] = p.poll(ctx, i, check)
			if results[i].OK {
				close(passed[i])
			}
		})
	}
	p.keepTime(ctx, passed, cancel)
	running.Wait()
	return results
}

// keepTime gives each check in turn the file's budget, which begins when those
// before it have passed, and ends the run when one has not passed within it.
func (p *prober) keepTime(ctx context.Context, passed []chan struct{}, end context.CancelCauseFunc) {
	for _, done := range passed {
		timer := time.NewTimer(p.file.Budget())
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

// poll tries the check until it passes or ctx ends. Only the first check
// knocks at a closed port; the others begin when it has opened.
func (p *prober) poll(ctx context.Context, index int, check Check) Result {
	result := Result{Target: p.target.Name, Address: p.target.Address, Check: check}
	if index > 0 {
		select {
		case <-p.reached:
		case <-ctx.Done():
			result.Elapsed = time.Since(p.started)
			return result
		}
	}
	pauses := pace{wait: p.file.Wait}
	for {
		t := p.try(ctx, check)
		if t.kind == abandoned {
			// Being cut off tells nothing that a whole try has not told better.
			if result.Attempts == 0 && errors.Is(context.Cause(ctx), errBudget) {
				result.add(t, time.Now())
			}
			break
		}
		now := time.Now()
		result.add(t, now)
		p.tell(note{check: index, passed: t.kind == passes, reason: t.label})
		if t.kind != refused {
			p.reach()
		}
		if t.kind == passes || ctx.Err() != nil {
			break
		}
		if !pauseFor(ctx, pauses.after(t.kind, now)) {
			break
		}
	}
	result.Elapsed = time.Since(p.started)
	return result
}

// pauseFor reports whether ctx lasted as long as d.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
