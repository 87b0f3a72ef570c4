package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zdd/testdata/load"
)

// raceRounds is how often the whole form of a race drill is run.
const raceRounds = 10

// rounds runs a race once, or with -drill many times.
func rounds(do func(round int)) {
	n := 1
	if *whole {
		n = raceRounds
	}
	for round := range n {
		do(round)
	}
}

// atScale is how many take part: a few, or with -drill as many as the promise
// names.
func atScale(few, many int) int {
	if *whole {
		return many
	}
	return few
}

// gate makes the app's deploys and rollbacks wait, with its lock held, until it
// is opened.
func (h *host) gate() (open func()) {
	h.t.Helper()
	path := filepath.Join(filepath.Dir(h.root), "gate-"+randomName(h.t))
	h.hook("pre-deploy", fmt.Sprintf("while [ ! -e %s ]; do sleep 0.05; done", path))
	return func() {
		h.t.Helper()
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
}

// race is a host whose app is deployed by several at once.
type race struct {
	*host
	image string
	n     int // deploys so far
}

// newRace deploys the app for the first time.
func newRace(t *testing.T) *race {
	t.Helper()
	h := newHost(t)
	r := &race{host: h, image: h.image("IDS=/ids")}
	h.must(append(r.next(), "--volume", h.ids+":/ids")...)
	return r
}

// next are the words of the next deploy. Its version is called after it.
func (r *race) next(more ...string) []string {
	r.n++
	return append([]string{"deploy", r.app, r.image, "--env", fmt.Sprintf("VERSION=v%d", r.n)}, more...)
}

// underLoad has clients ask during a race, none of whom may lose a request.
func (r *race) underLoad(do func()) {
	r.t.Helper()
	run := r.load(load.Config{Clients: 8})
	do()
	r.assertLossless(run)
}

// TestDrillRace_deploysOfOneAppRunInTheOrderOfTheirArrival starts deploys of one
// app while another holds its lock. They run one after another in the order in
// which they came; one that has no time gives up and says who holds the lock,
// and those that are killed or interrupted in the queue hold up nobody.
func TestDrillRace_deploysOfOneAppRunInTheOrderOfTheirArrival(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	rounds(func(int) {
		r.underLoad(func() {
			open := r.gate()
			holder := r.begin(r.next()...)
			holder.await("pre-deploy", "started", "")
			queue := []*begun{holder}
			var killed, interrupted *begun
			join := func() *begun {
				waiter := r.begin(r.next()...)
				waiter.awaitPlace()
				return waiter
			}
			for place := range atScale(3, 8) - 1 {
				queue = append(queue, join())
				if place == 0 {
					killed, interrupted = join(), join()
				}
			}
			held := fmt.Sprintf("(pid %d, ", holder.cmd.Process.Pid)
			impatient := r.wants(8, append([]string{"rollback", r.app}, "--wait", "1ms")...)
			assertContains(t, impatient.stderr, held, "zdd deploy "+r.app, "hint:")

			for waiter, signal := range map[*begun]syscall.Signal{killed: syscall.SIGKILL, interrupted: syscall.SIGTERM} {
				if err := waiter.cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			if ended := killed.end(); !ended.killed(syscall.SIGKILL) {
				t.Errorf("the killed one: %s", ended.describe())
			}
			interrupted.wants(130)
			queue = append(queue, join()) // behind all, though places before it are free
			first, _ := r.onDisk()
			open()
			for place, waiter := range queue {
				got := int(waiter.wants(0).last(t)["serving"].(float64))
				if want := first.Next - 1 + place; got != want { // the holder has its number already
					t.Errorf("the deploy that came in place %d made release %d, want %d: %s", place+1, got, want, waiter.words)
				}
			}
		})
		r.assertWhole(fmt.Sprintf("v%d", r.n))
	})
}

// TestDrillRace_deploysOfManyAppsShareNginxRightly deploys several apps of one
// root at once, first when nginx must be reloaded for each of them, then again,
// and removes all of them at once.
func TestDrillRace_deploysOfManyAppsShareNginxRightly(t *testing.T) {
	t.Parallel()
	rounds(func(int) {
		r := newRace(t)
		apps := make([]*host, atScale(3, 8))
		for i := range apps {
			view := *r.host
			view.app = fmt.Sprintf("%s-%d", r.app, i)
			apps[i] = &view
		}
		all := func(words func(h *host) []string) {
			t.Helper()
			var running []*begun
			for _, h := range apps {
				running = append(running, h.begin(words(h)...))
			}
			for _, b := range running {
				b.wants(0)
			}
		}
		r.underLoad(func() {
			for _, version := range []string{"a", "b"} {
				all(func(h *host) []string {
					return []string{"deploy", h.app, r.image, "--env", "VERSION=" + version + h.app, "--volume", h.ids + ":/ids"}
				})
				for _, h := range apps {
					h.assertAmongOthers(version + h.app)
				}
				r.assertAmongOthers("v1")
				r.assertGenerationServes()
			}
			all(func(h *host) []string { return []string{"remove", h.app, "--yes"} })
		})
		for _, h := range apps {
			h.assertGone()
		}
		r.assertGenerationServes()
		r.assertWhole("v1")
	})
}

// assertAmongOthers is assertWhole for an app that is not the only one.
func (h *host) assertAmongOthers(version string) {
	h.t.Helper()
	state, ok := h.onDisk()
	if !ok || state.Deploy != nil {
		h.t.Errorf("%s: state %+v (there: %v), want nothing in progress", h.app, state, ok)
		return
	}
	h.assertServes(version, state.Live)
	h.assertFlag(state.Slot)
	h.assertHistory(state)
	h.assertNothingTorn()
	if _, err := os.Stat(filepath.Join(h.root, "nginx", "sites", h.app+".conf")); err != nil {
		h.t.Errorf("%s has no site: %v", h.app, err)
	}
}

// assertGenerationServes wants nginx to run what is on disk: nothing is left to
// be loaded by the next command.
func (h *host) assertGenerationServes() {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, "nginx", "generation"))
	if err != nil {
		h.t.Fatal(err)
	}
	written := strings.TrimSpace(string(content))
	if running := h.atDoor("/generation"); running != written {
		h.t.Errorf("nginx runs generation %s, and %s is on disk", running, written)
	}
}

// atDoor is what nginx's door answers.
func (h *host) atDoor(path string) string {
	h.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(h.root, "nginx", "door.sock"))
	}}
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://door.zdd"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// TestDrillRace_aDeployWaitsForTheDrainOfTheLastOne holds a drain open by a
// websocket.
func TestDrillRace_aDeployWaitsForTheDrainOfTheLastOne(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	r.must(r.next("--drain", "1h")...)
	rounds(func(int) {
		sockets := r.load(load.Config{Clients: -1, Websockets: 1, Limit: time.Hour})
		eventually(t, "the websocket talks", func() bool { return sockets.Report().Messages > 0 })
		r.underLoad(func() {
			draining := r.begin(r.next()...)
			draining.await("drain", "started", "")
			waiting := r.begin(r.next()...)
			waiting.awaitPlace()
			if status := r.must("status", r.app, "--json").last(t); status["state"] != "busy" {
				t.Errorf("status is %v during the drain, want busy", status["state"])
			}
			if ended := sockets.Stop(); ended.Cut != 0 || ended.Lost != 0 {
				t.Errorf("the websocket was cut:\n%s", ended)
			}
			if last := draining.wants(0).last(t); last["drained"] != true {
				t.Errorf("last event %v, want drained", last)
			}
			waiting.wants(0)
		})
		r.assertWhole(fmt.Sprintf("v%d", r.n))
	})
}

// TestDrillRace_aRollbackDuringADeployGoesBackFromIt: it takes what was live
// before when it is its turn, not when it came.
func TestDrillRace_aRollbackDuringADeployGoesBackFromIt(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	r.must(r.next()...)
	rounds(func(int) {
		former, _ := r.onDisk()
		_, version, _ := r.get("/")
		r.underLoad(func() {
			open := r.gate()
			deploy := r.begin(r.next()...)
			deploy.await("pre-deploy", "started", "")
			rollback := r.begin("rollback", r.app)
			rollback.awaitPlace()
			open()
			deploy.wants(0)
			if last := rollback.wants(0).last(t); int(last["serving"].(float64)) != former.Live {
				t.Errorf("the rollback made release %v live, want %d", last["serving"], former.Live)
			}
		})
		r.assertWhole(version)
	})
}

// TestDrillRace_whoWaitsWhileTheAppIsRemovedBeginsAnew lines up a removal, a
// rollback and a deploy behind a deploy.
func TestDrillRace_whoWaitsWhileTheAppIsRemovedBeginsAnew(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	rounds(func(int) {
		open := r.gate()
		queue := []*begun{r.begin(r.next()...)}
		queue[0].await("pre-deploy", "started", "")
		for _, words := range [][]string{{"remove", r.app, "--yes"}, {"rollback", r.app}, r.next("--volume", r.ids+":/ids", "--env", "BOOT=3s")} {
			waiter := r.begin(words...)
			waiter.awaitPlace()
			queue = append(queue, waiter)
		}
		open()
		queue[0].wants(0)
		queue[1].wants(0)
		assertContains(t, queue[2].wants(2).stderr, "there is no app")
		queue[3].await("check", "started", "")
		if status := r.must("status", r.app, "--json").last(t); status["state"] != "busy" {
			t.Errorf("status is %v while the deploy after the removal boots, want busy: its lock must be the one that others see", status["state"])
		}
		if last := queue[3].wants(0).last(t); last["serving"] != 1.0 {
			t.Errorf("the deploy after the removal made release %v, want 1", last["serving"])
		}
		r.assertWhole(fmt.Sprintf("v%d", r.n))
	})
}

// TestDrillRace_twoRootsDoNotGetInEachOthersWay deploys and removes at once in
// two roots, each with an nginx and a network of its own.
func TestDrillRace_twoRootsDoNotGetInEachOthersWay(t *testing.T) {
	if !*whole {
		t.Skip("for the whole form: make drill")
	}
	t.Parallel()
	rounds(func(int) {
		left, right := &race{host: newHost(t)}, &race{host: newHost(t)}
		both := func(words func(r *race) []string) {
			t.Helper()
			var running []*begun
			for _, r := range []*race{left, right} {
				running = append(running, r.begin(words(r)...))
			}
			for _, b := range running {
				b.wants(0)
			}
		}
		for _, r := range []*race{left, right} {
			r.image = r.host.image("IDS=/ids")
		}
		both(func(r *race) []string { return r.next("--volume", r.ids+":/ids") })
		left.underLoad(func() {
			right.underLoad(func() { both(func(r *race) []string { return r.next() }) })
			both(func(r *race) []string {
				if r == right {
					return []string{"remove", r.app, "--yes"}
				}
				return r.next()
			})
		})
		left.assertWhole("v3")
		right.assertGone()
	})
}
