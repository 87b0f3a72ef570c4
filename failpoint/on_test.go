//go:build failpoint

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestMain is also the process that the tests strike: it passes some points and
// says how far it came.
func TestMain(m *testing.M) {
	if os.Getenv("BE_STRUCK") == "" {
		os.Exit(m.Run())
	}
	Hit("before a")
	Hit("release 12")
	Hit("before a")
	if err := Fail("creating file7"); err != nil {
		say(err.Error())
	}
	n, err := Write("writing file7", []byte("12345678"), os.Stdout.Write)
	if err != nil {
		say(strings.Repeat("!", n))
		say(err.Error())
	}
	say("end")
	if action, _, _ := strings.Cut(os.Getenv("ZDD_FAILPOINT"), "@"); action == "term" || action == "int" {
		time.Sleep(time.Minute) // the signal ends it
	}
	os.Exit(0)
}

func say(text string) { _, _ = os.Stdout.WriteString(" " + text) }

func struck(t *testing.T, failpoint string) (string, *os.ProcessState, []string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_STRUCK=1", "ZDD_FAILPOINT="+failpoint, "ZDD_FAILPOINT_LOG="+log)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	content, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState, strings.Split(strings.TrimSpace(string(content)), "\n")
}

func TestPoints_areStruckAtThePassThatIsAskedFor(t *testing.T) {
	all := []string{"before a", "release N", "before a", "creating fileN", "writing fileN"}
	for _, tt := range []struct {
		strike string
		out    string
		signal syscall.Signal
		passed int
	}{
		{"", "12345678 end", 0, 5},
		{"kill@before a", "", syscall.SIGKILL, 1},
		{"kill@before a#2", "", syscall.SIGKILL, 3},
		{"kill@release N", "", syscall.SIGKILL, 2},
		{"term@before a#2", "", syscall.SIGTERM, 3},
		{"int@creating fileN", "", syscall.SIGINT, 4},
		{"kill@writing fileN", "1234", syscall.SIGKILL, 5},
		{"eacces@creating fileN", " failpoint creating file7: permission denied12345678 end", 0, 5},
		{"eio@writing fileN", "  write writing file7: input/output error end", 0, 5},
		{"short@writing fileN", "1234 !!!! write writing file7: no space left on device end", 0, 5},
		{"enospc@before a", "12345678 end", 0, 5},
		{"kill@before a#3", "12345678 end", 0, 5},
		{"kill@nowhere", "12345678 end", 0, 5},
	} {
		out, state, passed := struck(t, tt.strike)
		status := state.Sys().(syscall.WaitStatus)
		var signal syscall.Signal
		if status.Signaled() {
			signal = status.Signal()
		}
		if tt.signal == syscall.SIGTERM || tt.signal == syscall.SIGINT {
			// Any thread may be the one that gets it, and another one goes on meanwhile.
			out, passed = "", passed[:min(len(passed), tt.passed)]
		}
		if out != tt.out || signal != tt.signal {
			t.Errorf("%q: %q, %v, want %q, %v", tt.strike, out, signal, tt.out, tt.signal)
		}
		if diff := cmp.Diff(all[:tt.passed], passed); diff != "" {
			t.Errorf("%q: points (-want +got):\n%s", tt.strike, diff)
		}
	}
}

func TestPoints_refuseWhatCannotBeRead(t *testing.T) {
	for _, strike := range []string{"kill", "kill@", "hit@before a", "kill@before a#0", "kill@before a#x"} {
		if _, state, _ := struck(t, strike); state.ExitCode() != 97 {
			t.Errorf("%q: exit %d, want 97", strike, state.ExitCode())
		}
	}
}

func TestStop_standsStillAtThePoint(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_STRUCK=1", "ZDD_FAILPOINT=stop@release N", "ZDD_FAILPOINT_LOG="+log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v, %v, want it stopped", status, err)
	}
	content, err := os.ReadFile(log)
	if err != nil || string(content) != "before a\nrelease N\n" {
		t.Errorf("it came as far as %q, %v", content, err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGCONT: %v", err)
	}
}
