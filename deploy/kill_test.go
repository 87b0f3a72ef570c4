package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zdd/deploy"
	"zdd/release"
)

// TestMove_isUndoneOrFinishedAfterAKill kills the process at every point that
// a move passes. The next command finds out what happened.
func TestMove_isUndoneOrFinishedAfterAKill(t *testing.T) {
	t.Parallel()
	for _, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			first := newWorld(t)
			move.prepare(first)
			all := first.pointsOf(childOrder{Words: move.words(first)}.command())
			begun, switched := slices.Index(all, point{"switch started", 1}), slices.Index(all, point{"switch done", 1})
			spread(t, beginnings(all), move.prepare, func(w *world, at point) {
				former := w.live(web)
				w.killed(at.name, at.nth, move.words(w)...)
				w.recovered(former)
				where, now := slices.Index(all, at), w.live(web)
				if now == former && where >= switched || now != former && where <= begun {
					w.t.Errorf("release %d serves after %d", now, former)
				}
				if now == former {
					w.assertAsBefore(web, former)
					return
				}
				w.assertServes(web, now)
				if move.deploys && w.settings(web).Env["SECOND"] != "yes" {
					w.t.Errorf("settings %+v, want those of the deploy that was finished", w.settings(web))
				}
				w.reset(web, former)
			})
		})
	}
}

// recovered lets the next command put right what a killed one left. Where that
// had not got as far as to make an app, it is a deploy, and its removal.
func (w *world) recovered(former int) {
	w.t.Helper()
	e := w.run(w.t.Context(), ignore, recovering(web))
	if e.err == nil {
		return
	}
	if former != 0 || e.failure(w.t).Exit != deploy.ExitUsage {
		w.t.Errorf("recovering: %v", e.err)
	}
	w.must(deploying(web, w.image()))
	w.must(removing(web))
}

// TestMove_isUndoneOrFinishedAfterAKillInACallOfTheEngine kills the process
// while the engine is at work for it, which carries the call out all the same.
func TestMove_isUndoneOrFinishedAfterAKillInACallOfTheEngine(t *testing.T) {
	t.Parallel()
	for _, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			first := newWorld(t)
			move.prepare(first)
			calls := first.callsOf(childOrder{Words: move.words(first)}.command(), changes...)
			spread(t, calls, move.prepare, func(w *world, at call) {
				former := w.live(web)
				started := make(chan func(), 1)
				w.fake.Before(at.op, at.nth, func() { (<-started)() })
				child := w.start("", 0, move.words(w)...)
				started <- func() { _ = child.Process.Kill() }
				w.wasKilled(child)
				w.recovered(former)
				if now := w.live(web); now != former {
					w.assertServes(web, now)
					w.reset(web, former)
					return
				}
				w.assertAsBefore(web, former)
			})
		})
	}
}

// TestRecover_keepsWhatAnInterruptedDeployHadSet: the deploy that was killed
// is finished by the next one, whose own words come on top of its.
func TestRecover_keepsWhatAnInterruptedDeployHadSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image(), env("FIRST", "1")))
	w.killed("verify started", 1, "deploy", web, w.image(), "SECOND=2")
	w.must(deploying(web, w.image(), env("THIRD", "3")))
	want := release.Env{"FIRST": "1", "SECOND": "2", "THIRD": "3"}
	record, err := w.app(web).Release(3)
	if err != nil {
		t.Fatal(err)
	}
	for where, got := range map[string]release.Env{"settings": w.settings(web).Env, "release 3": record.Env} {
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s have %v, want %v", where, got, want)
			}
		}
	}
}

// TestRecover_bringsTheFlagBack: somebody has restored a backup without it.
func TestRecover_bringsTheFlagBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	w.must(deploying(web, w.image()))
	if err := os.Remove(filepath.Join(w.store.NginxDir(), "live", web+".green")); err != nil {
		t.Fatal(err)
	}
	w.must(recovering(web))
	w.assertServes(web, 2)
	w.assertInOrder(web)
}
