package deploy_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"zdd/container/dockertest"
)

// move is a way in which a release becomes live. The tests of failures disturb
// it wherever it can be disturbed.
type move struct {
	name    string
	prepare func(*world)
	do      func(*world) command
	words   func(*world) []string // the same for a child
	deploys bool
}

var moves = []move{
	{
		"a first deploy", func(*world) {},
		func(w *world) command {
			return deploying(web, w.image(), env("SECOND", "yes"), releaseCommand("migrate"))
		},
		func(w *world) []string { return []string{"deploy", web, w.image(), "SECOND=yes"} },
		true,
	},
	{
		"a deploy", func(w *world) { w.must(deploying(web, w.image())) },
		func(w *world) command {
			return deploying(web, w.image(), env("SECOND", "yes"), releaseCommand("migrate"))
		},
		func(w *world) []string { return []string{"deploy", web, w.image(), "SECOND=yes"} },
		true,
	},
	{
		"a rollback", func(w *world) { w.must(deploying(web, w.image())); w.must(deploying(web, w.image())) },
		func(*world) command { return rollingBack(web, 0) },
		func(*world) []string { return []string{"rollback", web} },
		false,
	},
}

// live is the release that serves, 0 for none.
func (w *world) live(app string) int {
	w.t.Helper()
	return w.state(app).Live
}

// reset makes what a move did as it was before, where that was nothing.
func (w *world) reset(app string, former int) {
	w.t.Helper()
	if former == 0 && w.live(app) != 0 {
		w.must(removing(app))
	}
}

// shards is in how many worlds the cases of a move are spread.
const shards = 3

// spread runs the cases in several worlds at once, in each of which prepare
// has been run.
func spread[T any](t *testing.T, cases []T, prepare func(*world), each func(*world, T)) {
	t.Helper()
	if len(cases) == 0 {
		t.Fatal("no cases: nothing would be tested")
	}
	for shard := range min(shards, len(cases)) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			prepare(w)
			for i := shard; i < len(cases); i += shards {
				each(w, cases[i])
				if t.Failed() {
					t.Fatalf("at %+v", cases[i])
				}
			}
		})
	}
}

// call is the nth call of a kind that a command makes of the engine.
type call struct {
	op  dockertest.Op
	nth int
}

// changes are the calls that change something on the engine, and reads those
// that a move rests on.
var (
	changes = []dockertest.Op{
		dockertest.OpPull, dockertest.OpTag, dockertest.OpUntag, dockertest.OpCreate, dockertest.OpStart,
		dockertest.OpStop, dockertest.OpUpdate, dockertest.OpRemove, dockertest.OpCreateNetwork,
		dockertest.OpConnectNetwork, dockertest.OpRemoveNetwork,
	}
	reads = []dockertest.Op{
		dockertest.OpInspectImage, dockertest.OpWait, dockertest.OpAttach, dockertest.OpList,
		dockertest.OpInspect, dockertest.OpLogs, dockertest.OpListNetworks, dockertest.OpInspectNetwork,
	}
)

// mostCalls is more than a move makes of one kind.
const mostCalls = 12

// callsOf are the calls of the kinds that a command makes which succeeds.
func (w *world) callsOf(do command, ops ...dockertest.Op) []call {
	w.t.Helper()
	counts := make([]atomic.Int32, len(ops))
	var counting atomic.Bool
	for i, op := range ops {
		for nth := range mostCalls {
			w.fake.Before(op, nth+1, func() {
				if counting.Load() {
					counts[i].Add(1)
				}
			})
		}
	}
	counting.Store(true)
	w.must(do)
	counting.Store(false)
	var calls []call
	for i, op := range ops {
		for nth := range counts[i].Load() {
			calls = append(calls, call{op, int(nth) + 1})
		}
	}
	return calls
}

// disturb makes one call of the engine fail.
func (w *world) disturb(at call) (hit *atomic.Bool) {
	hit = new(atomic.Bool)
	w.fake.Before(at.op, at.nth, func() { hit.Store(true) })
	w.fake.Fail(at.op, at.nth, http.StatusInternalServerError, "the engine is confused")
	return hit
}

// point is a place that a command passes for the nth time.
type point struct {
	name string
	nth  int
}

// points collects what a command passes.
func points() (see func(string), passed func() []point) {
	var mu sync.Mutex
	counts := map[string]int{}
	var all []point
	see = func(name string) {
		mu.Lock()
		defer mu.Unlock()
		counts[name]++
		all = append(all, point{name, counts[name]})
	}
	return see, func() []point { mu.Lock(); defer mu.Unlock(); return all }
}

// beginnings leaves out the points at which nothing has happened since the one
// before: the end of a step before the beginning of the next.
func beginnings(all []point) []point {
	return slices.DeleteFunc(slices.Clone(all), func(p point) bool { return strings.HasSuffix(p.name, " done") })
}

// pointsOf are the points that a command passes which succeeds.
func (w *world) pointsOf(do command) []point {
	w.t.Helper()
	see, passed := points()
	if e := w.run(w.t.Context(), see, do); e.err != nil {
		w.t.Fatal(e.err)
	}
	return passed()
}
