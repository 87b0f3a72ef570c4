package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A point is one pass of a place at which zdd can be struck.
type point struct {
	name string
	pass int // from 1 on
}

func (p point) String() string { return fmt.Sprintf("%s#%d", p.name, p.pass) }

// struckCommand prepares a run of the zdd that has points, struck as
// ZDD_FAILPOINT says. The points that it passes are in the file that is
// returned.
func (h *host) struckCommand(strike string, args ...string) (*exec.Cmd, string) {
	h.t.Helper()
	log := filepath.Join(h.t.TempDir(), "points-"+randomName(h.t))
	cmd := exec.Command(binary(h.t, "zdd-failpoint"), args...)
	cmd.Env = append(append([]string{}, h.env...), "ZDD_FAILPOINT="+strike, "ZDD_FAILPOINT_LOG="+log)
	return cmd, log
}

// struck runs zdd to its end and strikes it on the way. It returns how that
// ended and the points that were passed.
func (h *host) struck(strike string, args ...string) (result, []point) {
	h.t.Helper()
	cmd, log := h.struckCommand(strike, args...)
	r := ended(h.t, cmd)
	return r, passed(h.t, log)
}

// stoppedAt starts zdd and stops it at the point, does what is to be done
// meanwhile, and lets zdd go on to its end.
func (h *host) stoppedAt(at string, meanwhile func(), args ...string) result {
	h.t.Helper()
	cmd, _ := h.struckCommand("stop@"+at, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }() // how it ended is in ProcessState
	eventually(h.t, "zdd stands still at "+at, func() bool {
		if len(end) > 0 {
			h.t.Fatalf("zdd %v has ended and not come to %s\n%s%s", args, at, &stdout, &stderr)
		}
		return processState(cmd.Process.Pid) == "T"
	})
	meanwhile()
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		h.t.Error(err)
	}
	<-end
	return resultOf(cmd.ProcessState, &stdout, &stderr)
}

// passed reads the points that a run noted down.
func passed(t testing.TB, log string) []point {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	passes := map[string]int{}
	var points []point
	for name := range strings.Lines(string(content)) {
		name = strings.TrimSuffix(name, "\n")
		passes[name]++
		points = append(points, point{name, passes[name]})
	}
	return points
}

// every takes each nth of all, the first one from offset on.
func every[T any](n, offset int, all []T) []T {
	var some []T
	for i := offset; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}
