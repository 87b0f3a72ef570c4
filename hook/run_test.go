package hook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun_saysHowTheHookEnded(t *testing.T) {
	tests := []struct {
		name, line string
		want       *Failed
		text       string
	}{
		{"success", "exit 0", nil, ""},
		{"exit code", "echo no; exit 3", &Failed{Code: 3, Tail: []string{"no"}}, `hook "check-deploy" ended with exit code 3`},
		{"signal", "kill -SEGV $$", &Failed{Code: -1, Signal: syscall.SIGSEGV}, `hook "check-deploy" was ended by SIGSEGV`},
		{"killed by somebody", "kill -KILL $$", &Failed{Code: -1, Signal: syscall.SIGKILL}, `hook "check-deploy" was ended by SIGKILL`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := sh(t, test.line)
			err := command(path).Run(context.Background())
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			test.want.Path, test.want.Limit = path, DefaultLimit
			var failed *Failed
			if !errors.As(err, &failed) {
				t.Fatalf("error %v, want a *Failed", err)
			}
			if diff := cmp.Diff(test.want, failed); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.text, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRun_keepsTheOrderOfBothStreams(t *testing.T) {
	path := sh(t, "for i in 1 2 3; do echo out $i; echo err $i >&2; done")
	var out buffer
	c := command(path)
	c.Output = &out
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRun_passesOutputOnBeforeTheHookEnds(t *testing.T) {
	path := sh(t, "printf half-a-line", "while [ ! -e go ]; do sleep 0.01; done")
	var out buffer
	c := command(path)
	c.Output = &out
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	eventually(t, "the output is there", func() bool { return out.String() == "half-a-line" })
	write(t, filepath.Join(c.Dir, "go"), "", 0o644)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRun_passesAllOfTheOutputOn(t *testing.T) {
	path := sh(t, "head -c 3000000 /dev/zero", "echo end")
	var out buffer
	c := command(path)
	c.Output = &out
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); len(got) != 3000004 || !strings.HasSuffix(got, "end\n") {
		t.Errorf("%d bytes of output, want 3000004 that end in end", len(got))
	}
}

func TestRun_addsToTheEnvironment(t *testing.T) {
	t.Setenv("KEPT", "from zdd")
	t.Setenv("REPLACED", "from zdd")
	path := sh(t, `echo "$KEPT, $REPLACED, $TWICE, $ZDD_HOOK_OWNER, $PWD"`)
	var out buffer
	c := command(path)
	c.Output, c.Owner = &out, "root/apps/web"
	c.Env = []string{"REPLACED=new", "TWICE=1", "TWICE=2", "ZDD_HOOK_OWNER=somebody else"}
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("from zdd, new, 2, root/apps/web, "+c.Dir+"\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRun_startsInTheFolderWithEmptyInput(t *testing.T) {
	path := sh(t, "readlink /proc/$$/cwd", "cat", "readlink /proc/$$/fd/0")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	c := command(path)
	c.Dir, c.Output = dir, &out
	if err := within(t, patience, func() error { return c.Run(context.Background()) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dir+"\n/dev/null\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRun_namesAMissingFolder(t *testing.T) {
	c := command(sh(t, "exit 0"))
	c.Dir = "/does/not/exist"
	err := c.Run(context.Background())
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), `entering the folder of hook "check-deploy": `) {
		t.Errorf("error %v", err)
	}
}

func TestRun_doesNotEvenTryWhenTheContextHasEnded(t *testing.T) {
	why := errors.New("the operator left")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	c := Command{Path: "/does/not/exist"}
	if err := c.Run(ctx); !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
}

// Ctrl-C on the terminal is for zdd, which knows what to do about its hook.
func TestRun_keepsTheHookOutOfTheGroupOfZdd(t *testing.T) {
	path := sh(t, "echo $$ > hook.pid", "while [ ! -e go ]; do sleep 0.01; done")
	done := make(chan error, 1)
	go func() { done <- command(path).Run(context.Background()) }()
	pid := pidIn(t, path, "hook")
	if diff := cmp.Diff(pid, statOf(t, pid).PGRP); diff != "" {
		t.Error(diff)
	}
	write(t, filepath.Join(filepath.Dir(path), "go"), "", 0o644)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRun_goesOnWhenTheOutputCannotBeWritten(t *testing.T) {
	c := command(sh(t, "head -c 1000000 /dev/zero", "echo; echo last words", "exit 4"))
	c.Output = brokenWriter{}
	err := within(t, patience, func() error { return c.Run(context.Background()) })
	var failed *Failed
	if !errors.As(err, &failed) || failed.Code != 4 || failed.Tail[len(failed.Tail)-1] != "last words" {
		t.Errorf("error %#v", err)
	}
}

func TestRun_isNotHeldByAChildThatKeepsTheOutput(t *testing.T) {
	path := sh(t, "sleep 300 & echo $! > child.pid", "echo done")
	var out buffer
	c := command(path)
	c.Output = &out
	if err := within(t, patience, func() error { return c.Run(context.Background()) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("done\n", out.String()); diff != "" {
		t.Error(diff)
	}
	if !alive(pidIn(t, path, "child")) {
		t.Error("a child that the hook left on purpose was killed")
	}
}

func TestRun_takesOutputThatComesAMomentLate(t *testing.T) {
	path := sh(t, "{ sleep 0.1; echo late; } & exit 0")
	var out buffer
	c := command(path)
	c.Output = &out
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("late\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

// A child that is blocked for ever in a write would be a leak of the host.
func TestRun_breaksThePipeOfAChildThatWritesLater(t *testing.T) {
	path := sh(t, "{ trap '' PIPE; while echo still here; do :; done 2>/dev/null; echo $? > broken; } & echo $! > child.pid")
	if err := within(t, patience, func() error { return command(path).Run(context.Background()) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child has ended", func() bool { return !alive(pidIn(t, path, "child")) })
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "broken")); err != nil {
		t.Error(err)
	}
}

func TestRun_doesNotBlameAHookThatEndedForTheContext(t *testing.T) {
	c := command(sh(t, "sleep 300 & echo $! > child.pid", "exit 0"))
	c.Limit = restOfOutput * 4 / 5 // ends while the output is awaited
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !alive(pidIn(t, c.Path, "child")) {
		t.Error("the child was killed")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	both := &running{ended: make(chan struct{})}
	close(both.ended)
	for range 100 { // a select picks either
		if !both.endsBefore(ctx) {
			t.Fatal("the end of the hook was overlooked")
		}
	}
}
