package hook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stubborn has a child of each kind that an end must reach, and writes ready
// when all have said that they are there.
var stubborn = []string{
	"trap '' TERM",
	"sh -c 'echo $$ > plain.pid; exec sleep 300' &",
	"setsid sh -c 'echo $$ > session.pid; exec sleep 300' &",
	"(setsid sh -c 'sh -c \"echo \\$\\$ > daemon.pid; exec sleep 300\" &' &)",
	"setsid env -i PATH=\"$PATH\" sh -c 'echo $$ > unmarked.pid; sleep 300; true' &",
	"echo $$ > hook.pid",
	"for name in plain session daemon unmarked; do while [ ! -s $name.pid ]; do sleep 0.01; done; done",
	"echo ready",
	"while :; do sleep 300; done",
}

var stubbornNames = []string{"hook", "plain", "session", "daemon", "unmarked"}

func assertEnded(t *testing.T, path string, names ...string) {
	t.Helper()
	for _, name := range names {
		if pid := pidIn(t, path, name); alive(pid) {
			t.Errorf("%s (%d) is alive", name, pid)
		}
	}
}

func TestRun_killsItsChildrenAtTheLimit(t *testing.T) {
	c := command(sh(t, stubborn...))
	c.Limit, c.Grace = 3*time.Second, 100*time.Millisecond
	err := within(t, patience, func() error { return c.Run(context.Background()) })
	var failed *Failed
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *Failed", err)
	}
	want := &Failed{Path: c.Path, Code: -1, Signal: syscall.SIGKILL, TimedOut: true, Limit: c.Limit, Tail: []string{"ready"}}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(`hook "check-deploy" was killed after its limit of 3s`, err.Error()); diff != "" {
		t.Error(diff)
	}
	assertEnded(t, c.Path, stubbornNames...)
}

func TestRun_killsItsChildrenWhenTheContextEnds(t *testing.T) {
	c := command(sh(t, stubborn...))
	var out buffer
	c.Grace, c.Output = 100*time.Millisecond, &out
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for !strings.Contains(out.String(), "ready") {
			time.Sleep(5 * time.Millisecond)
		}
		cancel(why)
	}()
	err := within(t, patience, func() error { return c.Run(ctx) })
	if !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
	if diff := cmp.Diff(`hook "check-deploy" was cancelled: interrupted`, err.Error()); diff != "" {
		t.Error(diff)
	}
	assertEnded(t, c.Path, stubbornNames...)
}

// Nothing but the marks ties this child to the hook: it has left the group, and
// its parents have ended.
func TestRun_killsAChildThatOnlyItsMarksBetray(t *testing.T) {
	c := command(sh(t, "(setsid sh -c '(echo $$ > daemon.pid; exec sleep 300) &' &)", "sleep 300"))
	c.Limit, c.Grace = 2*time.Second, 50*time.Millisecond
	_ = within(t, patience, func() error { return c.Run(context.Background()) })
	var left []int
	all, _, err := scan(onlyLook)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.owner == c.Owner {
			left = append(left, p.pid)
		}
	}
	if diff := cmp.Diff([]int(nil), left); diff != "" {
		t.Error(diff)
	}
	assertEnded(t, c.Path, "daemon")
}

func TestRun_waitsForTheHookToTidyUp(t *testing.T) {
	c := command(sh(t, "trap 'sleep 0.3; echo tidied; exit 7' TERM", "echo ready", "sleep 300 & wait"))
	c.Limit, c.Grace = 2*time.Second, patience
	err := within(t, patience, func() error { return c.Run(context.Background()) })
	var failed *Failed
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *Failed", err)
	}
	want := &Failed{Path: c.Path, Code: 7, TimedOut: true, Limit: c.Limit, Tail: []string{"ready", "tidied"}}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Error(diff)
	}
}

// They take longer than restOfOutput, which would wait for them as well.
func TestRun_waitsForItsChildrenToTidyUp(t *testing.T) {
	const tidy = `sh -c 'trap "sleep 1; echo > tidied; exit" TERM; echo $$ > child.pid; while :; do sleep 0.05; done' &`
	for name, child := range map[string]string{
		"told by its group alone": `(env -i PATH="$PATH" ` + tidy + ")",
		"told by its marks alone": "(setsid " + tidy + ")",
		"told by its parent":      `setsid env -i PATH="$PATH" ` + tidy,
	} {
		t.Run(name, func(t *testing.T) {
			c := command(sh(t, child, "sleep 300 & wait"))
			c.Limit, c.Grace = time.Second, patience
			_ = within(t, 2*patience, func() error { return c.Run(context.Background()) })
			assertEnded(t, c.Path, "child")
			if _, err := os.Stat(filepath.Join(c.Dir, "tidied")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRun_letsAStoppedHookTidyUp(t *testing.T) {
	c := command(sh(t, "trap 'echo tidied; exit 0' TERM", "kill -STOP $$", "sleep 300"))
	var out buffer
	c.Limit, c.Grace, c.Output = 2*time.Second, patience, &out
	_ = within(t, patience, func() error { return c.Run(context.Background()) })
	if diff := cmp.Diff("tidied\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRun_killsProcessesThatForkAllTheTime(t *testing.T) {
	c := command(sh(t,
		"fork() { while :; do sleep 300 & [ $((i += 1)) -lt 40 ] || wait; done; }",
		"fork & fork &",
		"setsid sh -c 'while :; do sh -c \"sleep 0.02; setsid sleep 300 &\"; done' &",
		"echo ready; wait"))
	c.Limit, c.Grace = 2*time.Second, 50*time.Millisecond
	err := within(t, patience, func() error { return c.Run(context.Background()) })
	var unkilled *Unkilled
	if errors.As(err, &unkilled) {
		t.Error(err)
	}
	assertNoneOf(t, c.Owner)
}

// hopper is a process that exists a few milliseconds only, and its successor.
func TestRun_killsAProcessThatChangesItsNumberAllTheTime(t *testing.T) {
	c := command(sh(t, `if [ "$1" ]; then echo > hopped; setsid "$0" hop & exit; fi`, `setsid "$0" hop &`, "sleep 300"))
	c.Limit, c.Grace = 2*time.Second, 50*time.Millisecond
	err := within(t, patience, func() error { return c.Run(context.Background()) })
	var unkilled *Unkilled
	if errors.As(err, &unkilled) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "hopped")); err != nil {
		t.Error(err)
	}
	assertNoneOf(t, c.Owner)
}

func assertNoneOf(t *testing.T, owner string) {
	t.Helper()
	all, _, err := scan(onlyLook)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.marked && p.owner == owner {
			t.Errorf("process %d is alive", p.pid)
			_ = p.signal(syscall.SIGKILL)
		}
	}
}
