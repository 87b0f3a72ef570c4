package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zdd/testdata/load"
)

// fate is what becomes of a deploy that was killed.
type fate string

const (
	undone   fate = "undone"
	finished fate = "finished"
	// either: the kill comes a moment after the event, and by then the deploy
	// may have gone on to its switch.
	either fate = "either"
)

// steps are the steps of a deploy at which the tests below strike, in order,
// and what the command that comes next makes of it.
var steps = []struct {
	step, status string
	fate         fate
}{
	{"resolve", "started", undone},
	{"resolve", "done", undone},
	{"start", "started", undone},
	{"start", "done", either},
	{"check", "started", either},
	{"check", "done", either},
	{"site", "started", either},
	{"site", "done", either},
	{"commit", "done", finished},
	{"drain", "started", finished},
	{"retire", "started", finished},
	{"retire", "done", finished},
}

// TestDeploy_isFinishedOrUndoneAfterAKill kills zdd with -9 in each step, under
// load. The next command finds out what happened.
func TestDeploy_isFinishedOrUndoneAfterAKill(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("IDS=/ids")
	h.must("deploy", h.app, image, "--env", "VERSION=v0", "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 16, SlowAnswers: 2})

	live, release := "v0", 1
	for n, at := range steps {
		version := fmt.Sprintf("v%d", n+1)
		h.killAt(syscall.SIGKILL, at.step, at.status, "deploy", h.app, image, "--env", "VERSION="+version)
		if at.step == "start" { // from here to the end of the drain there is a journal
			assertContains(t, h.must("status", h.app).stdout, "unfinished", "zdd recover "+h.app)
		}
		h.must("recover", h.app)
		state := h.must("status", h.app, "--json").last(t)
		got := int(state["release"].(float64))
		if got == release && at.fate == finished || got != release && at.fate == undone {
			t.Errorf("killed at %s %s: release %d is live after %d, want it %s", at.step, at.status, got, release, at.fate)
		}
		if got != release {
			live, release = version, got
		}
		h.assertServes(live, release)
		h.assertInOrder()
	}
	h.assertLossless(run)
	settings, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "app.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	assertContains(t, string(settings), "VERSION: "+live)
}

// TestDeploy_endsOneWayOrTheOtherWhenKilledAroundTheSwitch strikes where the
// outcome may be either, and wants it to be whole.
func TestDeploy_endsOneWayOrTheOtherWhenKilledAroundTheSwitch(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"flag", "reload"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			image := h.image("IDS=/ids")
			h.must("deploy", h.app, image, "--env", "VERSION=1", "--volume", h.ids+":/ids", "--switch", strategy)
			run := h.load(load.Config{Clients: 16})
			for n, at := range [][2]string{
				{"switch", "started"}, {"switch", "done"}, {"verify", "started"}, {"verify", "done"}, {"commit", "started"},
			} {
				h.killAt(syscall.SIGKILL, at[0], at[1], "deploy", h.app, image, "--env", fmt.Sprintf("VERSION=%d", n+2))
				// The next command is another deploy: it begins with the recovery.
				h.must("deploy", h.app, image, "--env", fmt.Sprintf("VERSION=%d", 10+n))
				h.assertServes(fmt.Sprint(10+n), 3+2*n)
				h.assertInOrder()
			}
			h.assertLossless(run)
		})
	}
}

// TestDeploy_leavesNothingOfAFirstDeployThatIsKilled does the same where there
// is no former release.
func TestDeploy_leavesNothingOfAFirstDeployThatIsKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	for _, at := range steps {
		if at.fate != undone {
			break
		}
		h.killAt(syscall.SIGKILL, at.step, at.status, "deploy", h.app, image)
		if r := h.zdd("recover", h.app); r.code != 0 && !strings.Contains(r.stderr, "no app") {
			t.Errorf("killed at %s %s: recover ends with %d\n%s", at.step, at.status, r.code, r.stderr)
		}
		if left := h.containers(); len(left) > 0 {
			t.Errorf("killed at %s %s: containers left: %v", at.step, at.status, left)
		}
		if left := h.docker("image", "ls", "--quiet", "zdd/"+h.app); len(left) > 0 {
			t.Errorf("killed at %s %s: images left: %v", at.step, at.status, left)
		}
		if status, _, _ := h.get("/"); status == 200 {
			t.Errorf("killed at %s %s: the app answers", at.step, at.status)
		}
	}
	h.must("deploy", h.app, image)
	if status, _, _ := h.get("/"); status != 200 {
		t.Errorf("GET / is %d after all", status)
	}
}

// TestDeploy_undoesEverythingWhenInterrupted sends the signals of people and
// pipelines.
func TestDeploy_undoesEverythingWhenInterrupted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	slow := h.image("VERSION=v2", "BOOT=1h")
	run := h.load(load.Config{Clients: 16})
	for _, tt := range []struct {
		signal syscall.Signal
		step   string
	}{
		{syscall.SIGINT, "resolve"}, {syscall.SIGTERM, "start"}, {syscall.SIGINT, "check"}, {syscall.SIGTERM, "check"}, {syscall.SIGHUP, "check"},
	} {
		r := h.killAt(tt.signal, tt.step, "started", "deploy", h.app, slow)
		if r.code != 130 {
			t.Errorf("%s in step %s: exit %d, want 130\n%s", tt.signal, tt.step, r.code, r.stderr)
		}
		assertContains(t, r.stderr, "interrupted", "serving: release 1")
		h.assertServes("v1", 1)
		h.assertInOrder()
	}
	h.assertLossless(run)
	assertContains(t, h.must("history", h.app).stdout, "interrupted")
}

// TestDeploy_finishesWhenInterruptedAfterTheCommit: the drain is cut short, and
// the deploy succeeds.
func TestDeploy_finishesWhenInterruptedAfterTheCommit(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"), "--drain", "1h")
	run := h.load(load.Config{Clients: -1, Websockets: 1})
	eventually(t, "the websocket talks", func() bool { return run.Report().Messages > 0 })
	r := h.killAt(syscall.SIGTERM, "drain", "started", "deploy", h.app, h.image("VERSION=v2"))
	if r.code != 0 {
		t.Errorf("exit %d, want 0\n%s", r.code, r.stderr)
	}
	if last := r.last(t); last["drained"] != false || last["serving"] != 2.0 {
		t.Errorf("last event: %v, want serving 2 and not drained", last)
	}
	h.assertServes("v2", 2)
	h.assertInOrder()
	if cut := run.Stop().Cut; cut != 1 {
		t.Errorf("%d websockets cut, want 1", cut)
	}
}

// assertInOrder wants nothing unfinished: no journal, at most the containers of
// the live and the previous release, no image without a release.
func (h *host) assertInOrder() {
	h.t.Helper()
	state, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "state.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	if strings.Contains(string(state), `"deploy"`) {
		h.t.Errorf("a journal is left: %s", state)
	}
	status := h.must("status", h.app, "--json").last(h.t)
	live, previous := int(status["release"].(float64)), int(status["previous"].(float64))
	for _, name := range h.containers() {
		if !strings.HasPrefix(name, fmt.Sprintf("zdd-%s-%d-", h.app, live)) && !strings.HasPrefix(name, fmt.Sprintf("zdd-%s-%d-", h.app, previous)) {
			h.t.Errorf("container %s is left beside releases %d and %d", name, live, previous)
		}
	}
	for _, tag := range h.docker("image", "ls", "--format", "{{.Tag}}", "zdd/"+h.app) {
		if _, err := os.Stat(filepath.Join(h.root, "apps", h.app, "releases", tag+".json")); err != nil {
			h.t.Errorf("image zdd/%s:%s is left without a release", h.app, tag)
		}
	}
	if rules := h.rules(); len(rules) > 0 {
		h.t.Errorf("routing rules are left: %v", rules)
	}
	if _, err := os.Stat(filepath.Join(h.root, "nginx", "closing")); err == nil {
		h.t.Errorf("nginx's closing flag is left")
	}
}
