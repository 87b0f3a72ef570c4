package deploy_test

import (
	"testing"
	"time"

	"zdd/container/dockertest"
)

// TestRecover_waitsForAContainerThatTheEngineStillMakes: what a killed deploy
// had asked for is made after the next command has begun, and must not stay.
func TestRecover_waitsForAContainerThatTheEngineStillMakes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		nth  int // creation of the deploy
		next func(w *world) command
	}{
		{"the look into the image", 1, func(*world) command { return recovering(web) }},
		{"the release, and then a recovery", 2, func(*world) command { return recovering(web) }},
		{"the release, and then a deploy", 2, func(w *world) command { return deploying(web, w.image()) }},
		{"the release, and then the removal", 2, func(*world) command { return removing(web) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(deploying(web, w.image()))
			hold := make(chan struct{})
			before := w.fake.Calls(dockertest.OpCreate)
			w.fake.DelayCreation(row.nth, hold)
			child := w.start("", 0, "deploy", web, w.image())
			w.eventually("the creation has begun", func() bool { return w.fake.Calls(dockertest.OpCreate) == before+row.nth })
			_ = child.Process.Kill()
			w.wasKilled(child)

			next, done := row.next(w), make(chan ended, 1)
			go func() { done <- w.run(t.Context(), ignore, next) }()
			w.eventually("its names are asked for", func() bool { return w.fake.Calls(dockertest.OpCreate) >= before+row.nth+3 })
			close(hold)
			if e := <-done; e.err != nil {
				t.Errorf("the next command: %v", e.err)
			}
			if row.name == "the release, and then the removal" {
				if left := w.fake.Containers(); len(left) != 0 {
					t.Errorf("left after the removal: %v", left)
				}
				return
			}
			w.assertAsBefore(web, w.live(web))
		})
	}
}

// eventually waits until the condition holds.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			w.t.Fatalf("waited %s in vain until %s", patience, what)
		case <-tick.C:
		}
	}
}
