package deploy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"zdd/deploy"
	"zdd/release"
)

// everywhere disturbs each move at each of its wanted points.
func everywhere(t *testing.T, moves []move, wanted func(point) bool, each func(w *world, do command, former int, at point, committed bool)) {
	t.Parallel()
	for _, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			first := newWorld(t)
			move.prepare(first)
			all := first.pointsOf(move.do(first))
			commit := slices.Index(all, point{"commit done", 1})
			if commit < 0 {
				t.Fatalf("no commit among %v", all)
			}
			cases := slices.DeleteFunc(beginnings(all), func(p point) bool { return !wanted(p) })
			spread(t, cases, move.prepare, func(w *world, at point) {
				former := w.live(web)
				each(w, move.do(w), former, at, slices.Index(all, at) >= commit)
				w.reset(web, former)
			})
		})
	}
}

// waits are the points at which a move may spend some time: its steps, and the
// calls of nginx that wait for something.
func waits(p point) bool {
	return isEvent(p) || p.name == "Install" || p.name == "Prove" || p.name == "Drain"
}

// isEvent tells events from calls of nginx.
func isEvent(p point) bool { return strings.Contains(p.name, " ") }

// TestMove_isUndoneWhenInterruptedBeforeTheCommit cancels the context at every
// point that a move passes.
func TestMove_isUndoneWhenInterruptedBeforeTheCommit(t *testing.T) {
	everywhere(t, moves, waits, func(w *world, do command, former int, p point, committed bool) {
		ctx, cancel := context.WithCancel(w.t.Context())
		defer cancel()
		e := w.run(ctx, at(p.name, p.nth, cancel), do)
		switch {
		case committed && e.err != nil:
			w.t.Errorf("interrupted after the commit: %v, want success", e.err)
		case committed:
			if e.outcome.Serving == former || e.outcome.Serving != w.live(web) {
				w.t.Errorf("outcome %+v after release %d", e.outcome, former)
			}
			w.assertServes(web, w.live(web))
		case p == point{"commit started", 1} && e.err == nil:
			// The last look at the context was just before.
			w.assertServes(web, w.live(web))
		default:
			w.assertFailure(e, deploy.ExitInterrupted)
			w.assertAsBefore(web, former)
		}
	})
}

// TestMove_isUndoneWhenItPanics lets whoever is told of an event break down.
func TestMove_isUndoneWhenItPanics(t *testing.T) {
	everywhere(t, moves[1:2], isEvent, func(w *world, do command, former int, p point, committed bool) {
		broken := func() (broken any) {
			defer func() { broken = recover() }()
			w.run(w.t.Context(), at(p.name, p.nth, func() { panic("the terminal is gone") }), do)
			return nil
		}()
		if broken != "the terminal is gone" {
			w.t.Errorf("the panic became %v", broken)
		}
		if committed {
			w.must(recovering(web))
			w.assertServes(web, w.live(web))
			if last, ok, err := w.app(web).LastEntry(); err != nil || !ok || last.Outcome != release.Done || last.Release != w.live(web) {
				w.t.Errorf("history ends with %+v, %v; want the success of release %d", last, err, w.live(web))
			}
			return
		}
		w.assertAsBefore(web, former)
	})
}

// TestDeploy_isUndoneWhenAPanicMeetsItUnderTheRootsLock: the undoing needs that
// lock itself.
func TestDeploy_isUndoneWhenAPanicMeetsItUnderTheRootsLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	func() {
		defer func() { _ = recover() }()
		w.run(t.Context(), at("Install", 1, func() { panic("nginx is not as it was") }), deploying(web, w.image()))
		t.Error("no panic")
	}()
	w.assertServes(web, 1)
}
