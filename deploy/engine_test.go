package deploy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zdd/container/dockertest"
	"zdd/deploy"
)

// TestMove_isUndoneWhenAnyCallOfTheEngineFails lets every single call fail once
// that a move makes. Before the commit everything is undone; after it the move
// succeeds, and the next command does what is left to do.
func TestMove_isUndoneWhenAnyCallOfTheEngineFails(t *testing.T) {
	t.Parallel()
	for _, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			first := newWorld(t)
			move.prepare(first)
			calls := first.callsOf(move.do(first), slices.Concat(changes, reads)...)
			spread(t, calls, move.prepare, func(w *world, at call) {
				former, settings := w.live(web), w.settings(web)
				hit := w.disturb(at)
				e := w.run(t.Context(), ignore, move.do(w))
				if !hit.Load() {
					w.t.Errorf("the call did not come")
				}
				if e.err == nil {
					w.mended(e, former)
					return
				}
				w.assertFailure(e, deploy.ExitInternal, deploy.ExitUnreachable, deploy.ExitUnfit)
				// A container that does not start is the release's, as far as anybody can tell.
				starts := []deploy.Step{deploy.StepStart, deploy.StepReleaseCommand}
				if failure := e.failure(t); failure.Exit == deploy.ExitUnfit && !slices.Contains(starts, failure.Step) {
					w.t.Errorf("exit %d in step %s blames the release for its engine: %v", failure.Exit, failure.Step, failure)
				}
				if diff := cmp.Diff(settings, w.settings(web)); diff != "" {
					w.t.Errorf("remembered the settings of a deploy that failed (-want +got):\n%s", diff)
				}
				w.assertAsBefore(web, former)
			})
		})
	}
}

// assertFailure wants a failure to say what the operator needs.
func (w *world) assertFailure(e ended, exits ...deploy.Exit) {
	w.t.Helper()
	failure := e.failure(w.t)
	if !slices.Contains(exits, failure.Exit) {
		w.t.Errorf("exit %d (%v), want one of %v", failure.Exit, failure, exits)
	}
	if failure.Serving == "" || failure.Hint == "" && failure.Exit != deploy.ExitInterrupted {
		w.t.Errorf("serving %q, hint %q, want both said", failure.Serving, failure.Hint)
	}
	live := w.live(e.events[0].App)
	if e.outcome.Exit != failure.Exit || e.outcome.Serving != live {
		w.t.Errorf("outcome %+v, want exit %d, serving %d", e.outcome, failure.Exit, live)
	}
}

// mended wants a move that met its trouble after the commit to have succeeded,
// and the next command to put right what is left.
func (w *world) mended(e ended, former int) {
	w.t.Helper()
	now := w.live(web)
	if now == former || e.outcome.Serving != now {
		w.t.Errorf("done, and release %d serves after %d, outcome %+v", now, former, e.outcome)
	}
	w.must(recovering(web))
	w.assertServes(web, now)
	w.reset(web, former)
}

// TestMove_isUndoneOrFinishedWhenTheEngineGoesAway cuts the way to the engine
// at every call by which a move changes something there. Nothing can be undone then; once the
// engine is back, recovery does it.
func TestMove_isUndoneOrFinishedWhenTheEngineGoesAway(t *testing.T) {
	t.Parallel()
	for _, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			first := newWorld(t)
			move.prepare(first)
			calls := first.callsOf(move.do(first), append(changes, dockertest.OpWait)...)
			spread(t, calls, move.prepare, func(w *world, at call) {
				former := w.live(web)
				w.fake.Before(at.op, at.nth, w.line.cut)
				e := w.run(t.Context(), ignore, move.do(w))
				w.line.mend()
				if e.err == nil {
					w.mended(e, former)
					return
				}
				w.assertFailure(e, deploy.ExitUnreachable, deploy.ExitIncomplete)
				w.recovered(former)
				w.assertAsBefore(web, former)
			})
		})
	}
}
