package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zdd/testdata/load"
)

// strokes are the events of a deploy at which the engine is killed.
var strokes = [][2]string{
	{"resolve", "started"}, {"resolve", "done"}, {"start", "started"}, {"start", "done"},
	{"check", "started"}, {"check", "done"}, {"site", "started"}, {"site", "done"},
	{"switch", "started"}, {"switch", "done"}, {"verify", "started"}, {"verify", "done"},
	{"commit", "started"}, {"commit", "done"}, {"drain", "started"}, {"drain", "done"},
	{"retire", "started"}, {"retire", "done"},
}

// strokesOfForm are those of the drill's form: all, or those in a check, in the
// verification of the switch and in the retirement.
func strokesOfForm() [][2]string {
	if *whole {
		return strokes
	}
	return every(6, 4, strokes)
}

// fall ends the engine as a crash does, each second time its containerd too.
func (e *privateEngine) fall(n int) {
	e.t.Helper()
	if n%2 == 0 {
		e.stop(syscall.SIGKILL)
	} else {
		e.crash()
	}
}

// TestDrillEngine_isKilledInEachStep kills an engine whose containers outlive it
// in each step of a deploy, under load, and starts it again. No request is
// lost, and the next command makes things whole.
func TestDrillEngine_isKilledInEachStep(t *testing.T) {
	t.Parallel()
	engine := newPrivateEngine(t, true)
	h := newHostOn(t, engine)
	image := h.image("IDS=/ids")
	h.must("deploy", h.app, image, "--env", "VERSION=v1", "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 16})
	for n, stroke := range strokesOfForm() {
		h.strike(stroke, func() { engine.fall(n) }, "deploy", h.app, image, "--env", fmt.Sprintf("VERSION=v%d", n+2))
		engine.start()
		if n%2 == 0 {
			h.must("recover", h.app)
		} else { // which begins with the recovery
			h.must("deploy", h.app, image)
		}
		h.assertOneLive()
	}
	h.assertLossless(run)
}

// TestDrillEngine_isKilledWithItsContainers does the same with an engine that
// ends its containers when it comes back, so that nothing serves for a moment.
// The live release is there again before any command of zdd.
func TestDrillEngine_isKilledWithItsContainers(t *testing.T) {
	t.Parallel()
	engine := newPrivateEngine(t, false)
	h := newHostOn(t, engine)
	image := h.image()
	h.must("deploy", h.app, image, "--env", "VERSION=v1")
	for n, stroke := range strokesOfForm() {
		h.strike(stroke, func() { engine.fall(n) }, "deploy", h.app, image, "--env", fmt.Sprintf("VERSION=v%d", n+2))
		engine.start()
		eventually(t, "the app answers again", func() bool { status, _, _ := h.get("/"); return status == 200 })
		h.must("recover", h.app)
		h.assertOneLive()
	}
}

// strike runs zdd and does something when it tells an event. How it ends is its
// business: the engine may be gone for the rest of it.
func (h *host) strike(at [2]string, do func(), args ...string) {
	h.t.Helper()
	r := h.atEvent(at[0], at[1], func(*os.Process) { do() }, args...)
	if !slices.Contains([]int{0, 4, 7}, r.code) {
		h.t.Errorf("struck at %v: want exit 0, 4 or 7: %s", at, r.describe())
	}
}

// assertOneLive wants one release to be live, whichever it is, and nothing else.
func (h *host) assertOneLive() {
	h.t.Helper()
	release := int(h.must("status", h.app, "--json").last(h.t)["release"].(float64))
	version := ""
	for _, pair := range h.docker("inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", fmt.Sprintf("zdd-%s-%d-1", h.app, release)) {
		if value, found := strings.CutPrefix(pair, "VERSION="); found {
			version = value
		}
	}
	h.assertServes(version, release)
	h.assertInOrder()
	for _, name := range h.containers() {
		want := "no"
		if strings.HasPrefix(name, fmt.Sprintf("zdd-%s-%d-", h.app, release)) {
			want = "always"
		}
		if got := h.docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", name); !slices.Equal(got, []string{want}) {
			h.t.Errorf("container %s has restart policy %v, want %s", name, got, want)
		}
	}
}
