package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// TestContract_ofALockThatIsHeld starts a second deploy while the first one
// waits for its release to come up.
func TestContract_ofALockThatIsHeld(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	v1, slow := h.image("VERSION=v1"), h.image("VERSION=v2", "BOOT=3s")
	h.must("deploy", h.app, v1)

	first := h.command("deploy", h.app, slow, "--json")
	var problems bytes.Buffer
	first.Stderr = &problems
	pipe, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(pipe)
	awaitEvent(t, out, "check", "started")

	second := h.wants(8, "deploy", h.app, v1, "--wait", "0", "--json")
	last := assertEvents(t, second, h.app, "lock:started lock:failed", object{
		"step": "deploy", "status": "failed", "serving": 1.0, "slot": "blue", "image": v1,
		"live_seconds": 0.0, "drained": false, "exit": 8.0,
	})
	holder := fmt.Sprintf("zdd deploy %s %s (pid %d, ", h.app, slow, first.Process.Pid)
	assertContains(t, last["error"].(string), holder)
	assertContains(t, last["hint"].(string), "--wait")
	assertContains(t, second.stderr, holder, "serving: release 1", "hint:")

	busy := h.must("status", h.app, "--json").objects(t)[0]
	assertShape(t, busy, statusShape)
	assertFields(t, busy, object{"state": "busy", "release": 1.0, "slot": "blue"})
	assertContains(t, busy["hint"].(string), holder)

	back := h.wants(8, "rollback", h.app, "--wait", "0", "--json")
	assertEvents(t, back, h.app, "lock:started lock:failed", object{"step": "rollback", "status": "failed", "exit": 8.0})
	gone := h.wants(8, "remove", h.app, "--yes", "--wait", "0", "--json")
	assertEvents(t, gone, h.app, "lock:started lock:failed", object{"step": "remove", "status": "failed", "serving": 1.0, "exit": 8.0})

	awaitEvent(t, out, "deploy", "done")
	if err := first.Wait(); err != nil {
		t.Fatalf("the deploy that held the lock: %v\n%s", err, &problems)
	}
	h.assertServes("v2", 2)
}

// awaitEvent reads events until one of the step has the status.
func awaitEvent(t *testing.T, out *bufio.Scanner, step, status string) {
	t.Helper()
	for out.Scan() {
		var event struct{ Step, Status string }
		if err := json.Unmarshal(out.Bytes(), &event); err != nil {
			t.Fatalf("%q: %v", out.Text(), err)
		}
		if event.Step == step && event.Status == status {
			return
		}
	}
	t.Fatalf("no event %s %s (%v)", step, status, out.Err())
}
