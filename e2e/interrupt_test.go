package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zdd/testdata/load"
)

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
