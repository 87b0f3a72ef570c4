package e2e

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestDeploy_saysThatTheEngineDoesNotAnswer gives zdd an engine that takes
// connections and says nothing, as one that is stopped or waits for a disk.
func TestDeploy_saysThatTheEngineDoesNotAnswer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"))
	socket := filepath.Join(filepath.Dir(h.root), "silent.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // the kernel takes the connections meanwhile

	for _, args := range [][]string{{"deploy", h.app, "zdd-test/none:1"}, {"rollback", h.app}} {
		cmd := h.command(args...)
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+socket)
		begun := time.Now()
		r := ended(t, cmd)
		if took := time.Since(begun); took > 40*time.Second { // four times what it says, on a busy machine
			t.Errorf("zdd %v gave up after %s", args, took)
		}
		if r.code != 4 {
			t.Errorf("zdd %v: exit %d, want 4", args, r.code)
		}
		assertContains(t, r.stderr, "no answer for 10s", "serving: release 1", "as before", "hint: ", "does not answer", "restart it")
	}
	h.assertServes("v1", 1)
}
