package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestCommandLine runs the scripts of testdata/cli on the built binary. None
// of them needs an engine: DOCKER_HOST is a socket that is not there.
//
// Beside testscript's own commands they know:
//
//	exits CODE COMMAND...  COMMAND ends with CODE; where that is not 0,
//	                       nothing is below ZDD_ROOT afterwards
//	refusal STEP CODE      stdout is the one JSON object of a refused command
func TestCommandLine(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(binary(t, "zdd"))
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "testdata", "cli"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true, // a script is a list of cases
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ZDD_ROOT", filepath.Join(env.WorkDir, "root"))
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no.sock"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"refusal": refusal,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if _, err := os.Lstat(ts.Getenv("ZDD_ROOT")); got != 0 && !errors.Is(err, os.ErrNotExist) {
		ts.Fatalf("ZDD_ROOT was made by a command that failed (%v)", err)
	}
}

func refusal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: refusal STEP CODE")
	}
	out := []byte(ts.ReadFile("stdout"))
	var object struct {
		Step, Status, Error, Hint string
		Exit                      int
	}
	var fields map[string]any
	if err := errors.Join(json.Unmarshal(out, &object), json.Unmarshal(out, &fields)); err != nil || bytes.Count(out, []byte("\n")) != 1 {
		ts.Fatalf("stdout is not one JSON object in one line (%v)", err)
	}
	want := []string{"error", "exit", "hint", "status", "step", "time"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(fields))); diff != "" {
		ts.Fatalf("fields (-want +got):\n%s", diff)
	}
	if object.Step != args[0] || object.Status != "failed" || strconv.Itoa(object.Exit) != args[1] {
		ts.Fatalf("%+v, want step %s, failed, exit %s", object, args[0], args[1])
	}
	if object.Error == "" || object.Hint == "" {
		ts.Fatalf("%+v, want to read what happened and what to do next", object)
	}
}
