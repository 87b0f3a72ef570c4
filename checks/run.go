package checks

import (
	"context"
	"errors"
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
	// Transport sends the requests; nil means straight to Address. Another one,
	// say through the front door, stays the caller's. Every request asks it to
	// close the connection.
	Transport http.RoundTripper
}

// Options of Run; the zero value is fine.
type Options struct {
	// Observe is told of changes and, while there are none, once a second. It
	// is called from within Run, never concurrently, and must return soon.
	Observe func(Progress)
}

// Causes of a report that no check explains.
var (
	errNoTargets = errors.New("there is no address to check")
	errNoChecks  = errors.New("there is no check to run")
	// errBudget ends a target's run when a check has used up its time.
	errBudget = errors.New("the time for the check is used up")
)

// Run puts each check to each target until all have passed, or until one of
// them has not within file.Budget(), counted from when the lines before it had
// passed. A single try never takes longer than file.Timeout. Cancelling ctx
// ends Run at once, and context.Cause(ctx) is then the report's Cause.
//
// A refused connection is tried again after 10 ms, then at pauses that double
// up to 250 ms; a wrong answer after 50 ms, then at pauses that double up to
// file.Wait. Pauses double only as fast as the time waited so far does, so that
// an app that can answer is noticed within 3 % of the time that it took.
func Run(ctx context.Context, file File, targets []Target, opts Options) Report {
	report := Report{Source: file.Source}
	switch {
	case len(targets) == 0:
		report.Cause = errNoTargets
		return report
	case len(file.Checks) == 0:
		report.Cause = errNoChecks
		return report
	}
	started := time.Now()
	watch := newWatch(file, targets, opts.Observe, started)
	results := make([][]Result, len(targets))
	var running sync.WaitGroup
	for i, target := range targets {
		running.Go(func() {
			p := newProber(file, target, started, func(n note) { watch.tell(i, n) })
			results[i] = p.run(ctx)
		})
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	watch.until(ended)

	for _, r := range results {
		report.Results = append(report.Results, r...)
	}
	report.Elapsed = time.Since(started)
	// A container that exits after its last check has passed is not fit.
	if ctx.Err() != nil {
		report.Cause = context.Cause(ctx)
	}
	return report
}
