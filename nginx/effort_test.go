package nginx

import (
	"os/exec"
	"testing"
	"time"
)

// TestEffort_tellsAMasterAtWorkFromOneThatRests holds what the time for a
// reload hangs on: a starved master is not taken for one that has refused.
func TestEffort_tellsAMasterAtWorkFromOneThatRests(t *testing.T) {
	run := func(name string, args ...string) *process {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Wait() })
		return &process{pid: cmd.Process.Pid}
	}
	working, resting := run("sh", "-c", "while :; do :; done"), run("sleep", "300")
	var one, other effort
	start := time.Now()
	for time.Since(start) < deadline && (other.rested() < restTime || one.rested() >= restTime) {
		one.look(working)
		other.look(resting)
		time.Sleep(10 * time.Millisecond)
	}
	if one.rested() >= restTime {
		t.Errorf("a process that computes is said to have rested for %s", one.rested())
	}
	if other.rested() < restTime {
		t.Errorf("a process that sleeps is said to have worked %s ago", other.rested())
	}
	other.look(nil)
	if other.rested() < restTime {
		t.Error("no process at all is said to have worked")
	}
}
