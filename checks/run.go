package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Target is an address that must pass.
type Target struct {
	// Name is what messages call it.
	Name string
	// Address is "ip:port", where every request goes.
	Address string
	// Host is the Host header of checks that name none: the app's first
	// domain. Empty means Address.
	Host string
	// HTTPS says that the app has a certificate at the front door, so a
	// redirect to https of itself is followed, to the same address, with
	// X-Forwarded-Proto: https.
	HTTPS bool
	// TLS is how TLS is spoken to Address; nil for not at all, since a
	// release's own address never needs it. Without a ServerName in it the
	// certificate must be for the Host of the check.
	TLS *tls.Config
	// Transport sends the requests; nil means straight to Address. Another one,
	// say through the front door, stays the caller's, and serves checks of
	// KindHTTP alone. Every request asks it to close the connection.
	Transport http.RoundTripper
	// Inside answers the checks that no network can; nil where nobody can.
	Inside Inside
}

// Inside is what can be asked of a target on the machine that runs it.
type Inside interface {
	// Run runs a command within the target and returns its exit code. What the
	// command writes goes to out. The error says why it could not be run.
	Run(ctx context.Context, command []string, out io.Writer) (code int, err error)
	// Since is when the target's present run began.
	Since(ctx context.Context) (time.Time, error)
}

// Options of Run; the zero value is fine.
type Options struct {
	// Passes is how often in a row each check must pass; 0 means once. Between
	// two passes is a second.
	Passes int
	// HealthyFor is for how long all checks must hold: once all have passed,
	// each is asked once a second, and a last time when that long has gone by.
	// A failure in between begins the time anew, as long as the longest budget
	// lasts.
	HealthyFor time.Duration
	// Once asks each check one time, and takes the answer, whatever it is.
	Once bool
	// Observe is told of changes and, while there are none, once a second. It
	// is called from within Run, never concurrently, and must return soon.
	Observe func(Progress)
}

func (o Options) passes() int { return max(o.Passes, 1) }

const (
	// passPause is between two passes of a check.
	passPause = time.Second
	// holdPause is between two rounds of the checks that have to hold.
	holdPause = time.Second
)

// Causes of a report that no check explains.
var (
	errNoTargets = errors.New("there is no address to check")
	errNoChecks  = errors.New("there is no check to run")
	// errBudget ends a target's run when a check has used up its time.
	errBudget = errors.New("the time for the check is used up")
)

// Run puts each check to each target until all have passed, or until one of
// them has not within file.Budget(check), counted from when the lines before it
// had passed. A single try never takes longer than its timeout. Cancelling ctx
// ends Run at once, and context.Cause(ctx) is then the report's Cause.
//
// A refused connection is tried again after 10 ms, then at pauses that double
// up to 250 ms; a wrong answer after 50 ms, then at pauses that double up to
// file.Wait. Pauses double only as fast as the time waited so far does, so that
// an app that can answer is noticed within 3 % of the time that it took.
func Run(ctx context.Context, file File, targets []Target, options Options) Report {
	report := Report{Source: file.Source}
	switch {
	case len(targets) == 0:
		report.Cause = errNoTargets
		return report
	case len(file.Checks) == 0:
		report.Cause = errNoChecks
		return report
	}
	r := &run{file: file, options: options, started: time.Now()}
	r.watch = newWatch(file, targets, options, r.started)
	for i, target := range targets {
		r.probers = append(r.probers, newProber(file, target, options, r.started, func(n note) { r.watch.tell(i, n) }))
	}
	ended := make(chan struct{})
	go func() { defer close(ended); r.whole(ctx) }()
	r.watch.until(ended)

	for _, p := range r.probers {
		p.close()
		p.explain()
		report.Results = append(report.Results, p.results...)
	}
	report.Elapsed = time.Since(r.started)
	// A container that exits after its last check has passed is not fit.
	if ctx.Err() != nil {
		report.Cause = context.Cause(ctx)
	}
	return report
}

// run is one call of Run.
type run struct {
	file    File
	options Options
	started time.Time
	watch   *watch
	probers []*prober
}

// whole lets all targets pass and, where that is asked for, hold.
func (r *run) whole(ctx context.Context) {
	passed := r.each(func(p *prober) bool { p.pass(ctx); return p.passed() })
	if !passed || r.options.HealthyFor <= 0 {
		return
	}
	end := time.Now().Add(r.options.HealthyFor + r.longest())
	for !r.hold(ctx) {
		latest := end.Add(-r.options.HealthyFor)
		if ctx.Err() != nil || !time.Now().Before(latest) {
			return
		}
		left, cancel := context.WithDeadlineCause(ctx, latest, errBudget)
		passed := r.each(func(p *prober) bool { p.pass(left); return p.passed() })
		cancel()
		if !passed {
			return
		}
	}
}

// hold asks again and again until the time to hold has gone by, and once more
// then. It reports whether all targets passed all the while.
func (r *run) hold(ctx context.Context) bool {
	began := time.Now()
	r.watch.holding(began)
	defer r.watch.holding(time.Time{})
	for {
		left := r.options.HealthyFor - time.Since(began)
		if !pauseFor(ctx, min(left, holdPause), nil) {
			return false
		}
		if !r.each(func(p *prober) bool { return p.again(ctx) }) {
			return false
		}
		if left <= holdPause {
			return ctx.Err() == nil
		}
	}
}

// each does the same for all targets at once, and reports whether all succeeded.
func (r *run) each(do func(*prober) bool) bool {
	succeeded := make([]bool, len(r.probers))
	var running sync.WaitGroup
	for i, p := range r.probers {
		running.Go(func() { succeeded[i] = do(p) })
	}
	running.Wait()
	for _, s := range succeeded {
		if !s {
			return false
		}
	}
	return true
}

// longest is the longest budget of a check.
func (r *run) longest() time.Duration {
	longest := time.Duration(0)
	for _, c := range r.file.Checks {
		longest = max(longest, r.file.Budget(c))
	}
	return longest
}
