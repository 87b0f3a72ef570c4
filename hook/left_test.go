package hook

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemoniser starts a child in the background and one that has left it for good.
var daemoniser = []string{
	"echo $$ > hook.pid",
	"sh -c 'echo $$ > plain.pid; exec sleep 300' &",
	"(setsid sh -c 'sh -c \"echo \\$\\$ > daemon.pid; exec sleep 300\" &' &)",
	"while :; do sleep 300; done",
}

// startZdd runs the hook in a process of its own, that a test can kill, and
// waits until the hook and its children are there.
func startZdd(t *testing.T, path, owner string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	zdd := exec.Command(self)
	zdd.Env = append(os.Environ(), "HOOK_TEST_RUN="+path, "HOOK_TEST_OWNER="+owner)
	zdd.Env = append(zdd.Env, env...)
	if err := zdd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		endZdd(zdd)
		killLeft(t, owner)
	})
	for _, name := range []string{"hook", "plain", "daemon"} {
		pidIn(t, path, name)
	}
	return zdd
}

// endZdd kills it with -9; the children of its hook live on.
func endZdd(zdd *exec.Cmd) {
	_ = zdd.Process.Kill()
	_ = zdd.Wait()
}

func killLeft(t *testing.T, owner string) int {
	t.Helper()
	killed, err := KillLeft(owner)
	if err != nil {
		t.Fatal(err)
	}
	return killed
}

func TestKillLeft_endsWhatAKilledZddLeft(t *testing.T) {
	path := sh(t, daemoniser...)
	endZdd(startZdd(t, path, path))

	eventually(t, "the kernel has killed the hook itself", func() bool { return !alive(pidIn(t, path, "hook")) })
	for _, name := range []string{"plain", "daemon"} {
		if !alive(pidIn(t, path, name)) {
			t.Fatalf("%s has ended by itself: nothing is left to kill", name)
		}
	}
	// The sleep of the hook's own loop, the child and the daemon.
	if diff := cmp.Diff(3, killLeft(t, path)); diff != "" {
		t.Error(diff)
	}
	assertEnded(t, path, "hook", "plain", "daemon")
	if diff := cmp.Diff(0, killLeft(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestKillLeft_leavesOtherOwnersAlone(t *testing.T) {
	path := sh(t, daemoniser...)
	endZdd(startZdd(t, path, path+"/web"))
	for _, owner := range []string{path, path + "/we", path + "/web2", path + "/WEB", ""} {
		if diff := cmp.Diff(0, killLeft(t, owner)); diff != "" {
			t.Errorf("owner %q: %s", owner, diff)
		}
	}
	if !alive(pidIn(t, path, "daemon")) {
		t.Error("the daemon has ended")
	}
	if diff := cmp.Diff(3, killLeft(t, path+"/web")); diff != "" {
		t.Error(diff)
	}
}

func TestKillLeft_leavesTheHooksOfALivingZddAlone(t *testing.T) {
	path := sh(t, daemoniser...)
	startZdd(t, path, path)
	if diff := cmp.Diff(0, killLeft(t, path)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"hook", "plain", "daemon"} {
		if !alive(pidIn(t, path, name)) {
			t.Errorf("%s has ended", name)
		}
	}
}

// A hook may leave something behind that runs zdd later.
func TestKillLeft_sparesTheRunThatItIsAPartOf(t *testing.T) {
	path := sh(t, daemoniser...)
	endZdd(startZdd(t, path, path))
	// In the moment of its exec the kernel shows no environment of it.
	pid, run := pidIn(t, path, "daemon"), ""
	eventually(t, "the daemon shows its environment", func() bool {
		daemon, ok := look(pid)
		if !ok {
			t.Fatal("the daemon has ended")
		}
		run = daemon.run
		return run != ""
	})
	t.Setenv(runVariable, run)
	if diff := cmp.Diff(0, killLeft(t, path)); diff != "" {
		t.Error(diff)
	}
	t.Setenv(runVariable, "")
	if diff := cmp.Diff(3, killLeft(t, path)); diff != "" {
		t.Error(diff)
	}
}

// The kernel's Pdeathsig belongs to a thread: one that Go ends early would take
// the hook with it. Here threads end all the time.
func TestRun_survivesTheEndOfThreads(t *testing.T) {
	c := command(sh(t, "sleep 0.1; exit 0"))
	ctx, stop := context.WithCancel(t.Context())
	var churn sync.WaitGroup
	defer churn.Wait()
	defer stop()
	for range 4 {
		churn.Go(func() {
			for ctx.Err() == nil {
				runInAThreadOfItsOwn(func() { time.Sleep(time.Millisecond) })
			}
		})
	}
	var runs sync.WaitGroup
	for range 40 {
		runs.Go(func() {
			if err := c.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
}

func TestSignal_sparesAProcessThatTookOverANumber(t *testing.T) {
	path := sh(t, "exec sleep 300")
	child := exec.Command(path)
	child.Env = append(os.Environ(), ownerVariable+"="+path, runVariable+"=1.2.x")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer endZdd(child)
	var now process
	eventually(t, "the child has its marks", func() bool {
		now, _ = look(child.Process.Pid)
		return now.owner == path
	})
	for name, former := range map[string]process{
		"started at another time": {pid: now.pid, group: now.group, start: now.start - 1, owner: now.owner, run: now.run, marked: true},
		"of another run":          {pid: now.pid, group: now.group, start: now.start, owner: now.owner, run: "1.2.y", marked: true},
		"of another owner":        {pid: now.pid, group: now.group, start: now.start, owner: "x", run: now.run, marked: true},
	} {
		if err := former.signal(syscall.SIGSTOP); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if state := stateOf(t, now.pid); state == "T" {
			t.Errorf("%s: it was signalled", name)
		}
	}
	if err := now.signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	eventually(t, "the process itself is stopped", func() bool { return stateOf(t, now.pid) == "T" })
}

func TestMembers_areNeverProcess1OrThisOne(t *testing.T) {
	self := os.Getpid()
	all := []process{{pid: 1}, {pid: self, parent: 1}, {pid: 30, parent: self}, {pid: 40, parent: 50}, {pid: 50, parent: 30}}
	got := members(all, func(p process) bool { return p.pid < 40 || p.pid == self })
	want := []process{{pid: 30, parent: self}, {pid: 50, parent: 30}, {pid: 40, parent: 50}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(process{})); diff != "" {
		t.Error(diff)
	}
}

func TestKill_namesWhatItCannotKill(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to start a process that may not be killed")
	}
	path := sh(t, "echo $$ > root.pid", "exec sleep 300")
	child := exec.Command(path)
	child.Dir = filepath.Dir(path)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer endZdd(child)
	pid := strconv.Itoa(pidIn(t, path, "root"))
	out, err := asNobody(t, "HOOK_TEST_KILL="+pid)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "killing the hook's processes: 1 of them live on: " + pid + ": sending SIGKILL to process " + pid + ": operation not permitted"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

func TestUnmark_keepsTheMarksFromWhatIsStarted(t *testing.T) {
	t.Setenv(ownerVariable, "somebody")
	t.Setenv(runVariable, "1.2.x")
	t.Cleanup(func() { partOf = "" })
	Unmark()
	for _, name := range []string{ownerVariable, runVariable} {
		if value, found := os.LookupEnv(name); found {
			t.Errorf("%s is still %q", name, value)
		}
	}
	if partOf != "1.2.x" {
		t.Errorf("partOf = %q, want the run that this process is a part of", partOf)
	}
}
