package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"zdd/testdata/load"
)

// hook writes an executable hook of the app.
func (h *host) hook(name, script string) {
	h.t.Helper()
	h.inApp("hooks/"+name, "#!/bin/sh\n"+script+"\n", 0o755)
}

// marked lists the processes of this host's hooks.
func (h *host) marked() []int {
	h.t.Helper()
	all, err := procfs.AllProcs()
	if err != nil {
		h.t.Fatal(err)
	}
	var found []int
	for _, proc := range all {
		env, err := proc.Environ()
		if err == nil && slices.ContainsFunc(env, func(pair string) bool { return strings.HasPrefix(pair, "ZDD_HOOK_OWNER="+h.root) }) {
			found = append(found, proc.PID)
		}
	}
	return found
}

// written are the lines of a file of the test.
func written(t testing.TB, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// TestHooks_runInOrderAndAreTold follows a deploy, a failure and a rollback
// under load.
func TestHooks_runInOrderAndAreTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	told := filepath.Join(filepath.Dir(h.root), "told")
	for _, name := range []string{"pre-deploy", "check-deploy", "post-deploy", "deploy-failed"} {
		h.hook(name, fmt.Sprintf(`echo "%s $ZDD_COMMAND $ZDD_APP $ZDD_RELEASE live=$ZDD_LIVE port=$ZDD_PORT addresses=$(echo $ZDD_ADDRESSES | wc -w) $ZDD_STEP $ZDD_EXIT" >>%s
echo "said by %s"
echo "$ZDD_IMAGE" | grep -q zdd-test || exit 9
[ "$PWD" = "$ZDD_ROOT/apps/$ZDD_APP" ] || exit 8
case "$ZDD_IMAGE $ZDD_RELEASE" in *" $REFUSE"*) [ %s = "$REFUSER" ] && exit 3; esac
exit 0`, name, told, name, name))
	}
	image := h.image("VERSION=v1", "IDS=/ids")
	r := h.must("deploy", h.app, image, "--volume", h.ids+":/ids", "--replicas", "2")
	assertContains(t, r.stderr, "said by pre-deploy", "said by check-deploy", "said by post-deploy")
	run := h.load(load.Config{Clients: 8})

	h.must("deploy", h.app, image)
	plain := h.env
	h.env = append(plain, "REFUSE=3", "REFUSER=check-deploy")
	r = h.wants(5, "deploy", h.app, image)
	assertContains(t, r.stderr, `hook "check-deploy" ended with exit code 3`, "serving: release 2", "hint:", "said by deploy-failed")
	h.env = append(plain, "REFUSE=4", "REFUSER=pre-deploy")
	assertContains(t, h.wants(5, "deploy", h.app, image, "--json").stdout, `"step":"pre-deploy","status":"failed"`)
	h.env = append(plain, "REFUSE=5", "REFUSER=post-deploy")
	assertContains(t, h.must("deploy", h.app, image).stderr, `! post-deploy`, "exit code 3")
	h.env = plain
	h.must("rollback", h.app)
	h.assertLossless(run)

	var got []string
	for _, line := range written(t, told) {
		got = append(got, strings.TrimSpace(strings.ReplaceAll(line, h.app, "APP")))
	}
	want := []string{
		"pre-deploy deploy APP 1 live= port=5000 addresses=2",
		"check-deploy deploy APP 1 live= port=5000 addresses=2",
		"post-deploy deploy APP 1 live=1 port=5000 addresses=2",
		"pre-deploy deploy APP 2 live=1 port=5000 addresses=2",
		"check-deploy deploy APP 2 live=1 port=5000 addresses=2",
		"post-deploy deploy APP 2 live=2 port=5000 addresses=2",
		"pre-deploy deploy APP 3 live=2 port=5000 addresses=2",
		"check-deploy deploy APP 3 live=2 port=5000 addresses=2",
		"deploy-failed deploy APP 3 live=2 port=5000 addresses=2 check 5",
		"pre-deploy deploy APP 4 live=2 port=5000 addresses=2",
		"deploy-failed deploy APP 4 live=2 port=5000 addresses=2 pre-deploy 5",
		"pre-deploy deploy APP 5 live=2 port=5000 addresses=2",
		"check-deploy deploy APP 5 live=2 port=5000 addresses=2",
		"post-deploy deploy APP 5 live=5 port=5000 addresses=2",
		"pre-deploy rollback APP 2 live=5 port=5000 addresses=2",
		"check-deploy rollback APP 2 live=5 port=5000 addresses=2",
		"post-deploy rollback APP 2 live=2 port=5000 addresses=2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
}

// TestHooks_takeThePlaceOfTheChecksWhenAskedTo deploys a release that its
// checks would refuse.
func TestHooks_takeThePlaceOfTheChecksWhenAskedTo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hook("check-deploy", "exit 0")
	// The checks through nginx are zdd's own proof, and stay.
	file := h.file("CHECKS", "WAIT=0\nTIMEOUT=1\nATTEMPTS=1\n/healthz\n#: tcp 6379\n")
	h.wants(5, "deploy", h.app, h.image("VERSION=v1"), "--checks", file)
	r := h.must("deploy", h.app, h.image("VERSION=v1"), "--checks", file, "--check-hook", "instead", "--json")
	assertContains(t, r.detail(t, "check"), "in place of the checks")
	h.hook("check-deploy", "exit 1")
	h.wants(5, "deploy", h.app, h.image("VERSION=v2"))
	h.inApp("hooks/check-deploy", "#!/bin/sh\n", 0o644)
	assertContains(t, h.wants(2, "deploy", h.app, h.image("VERSION=v2")).stderr, "not executable", "chmod +x")
	h.assertServes("v1", 2)
}

// TestHooks_leaveNothingWhenTheyTakeTooLong has a hook with children that left
// its process group and ignore SIGTERM.
func TestHooks_leaveNothingWhenTheyTakeTooLong(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"))
	h.hook("check-deploy", `setsid sh -c 'trap "" TERM; sleep 600 & wait; sleep 600' & sleep 600`)
	r := h.wants(5, "deploy", h.app, h.image("VERSION=v2"), "--hook-timeout", "2s")
	assertContains(t, r.stderr, "killed after its limit of 2s", "serving: release 1", "--hook-timeout 4s")
	eventually(t, "no process of the hook is left", func() bool { return len(h.marked()) == 0 })
	h.assertServes("v1", 1)
	h.assertInOrder()
}

// TestHooks_endWithTheCommand interrupts and kills zdd while a hook runs, under
// load.
func TestHooks_endWithTheCommand(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	began := filepath.Join(filepath.Dir(h.root), "began")
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 8})
	image := h.image("VERSION=v2")
	for _, name := range []string{"pre-deploy", "check-deploy"} {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			h.hook(name, fmt.Sprintf("setsid sleep 600 & touch %s; sleep 600", began))
			_ = os.Remove(began)
			cmd := h.command("deploy", h.app, image)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the hook runs", func() bool { _, err := os.Stat(began); return err == nil && len(h.marked()) >= 3 })
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // how it ended is in ProcessState
			if code := cmd.ProcessState.ExitCode(); signal == syscall.SIGTERM && code != 130 {
				t.Errorf("%s, %s: exit %d, want 130", name, signal, code)
			}
			h.hook(name, "exit 0")
			h.must("recover", h.app)
			eventually(t, "no process of the hook is left", func() bool { return len(h.marked()) == 0 })
			h.assertServes("v1", 1)
			h.assertInOrder()
		}
	}
	h.assertLossless(run)
}

// TestHooks_endAfterAKillInTheOnesThatDecideNothing kills zdd when all is
// committed, and when all is undone.
func TestHooks_endAfterAKillInTheOnesThatDecideNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	began := filepath.Join(filepath.Dir(h.root), "began")
	h.must("deploy", h.app, h.image("VERSION=v1"))
	for _, tt := range []struct {
		hook, image, serves string
		release             int
	}{
		{"post-deploy", h.image("VERSION=v2"), "v2", 2},
		{"deploy-failed", h.image("VERSION=v3", "ON_START=exit:1"), "v2", 2},
	} {
		h.hook(tt.hook, fmt.Sprintf("setsid sleep 600 & touch %s; sleep 600", began))
		_ = os.Remove(began)
		cmd := h.command("deploy", h.app, tt.image)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the hook runs", func() bool { _, err := os.Stat(began); return err == nil && len(h.marked()) >= 3 })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		h.must("recover", h.app)
		eventually(t, "no process of the hook is left", func() bool { return len(h.marked()) == 0 })
		h.assertServes(tt.serves, tt.release)
		h.assertInOrder()
		remove(t, filepath.Join(h.root, "apps", h.app, "hooks", tt.hook))
	}
}

// TestRecover_keepsAReleaseUpThatAHookHasAgreedTo loses the container of a
// release whose checks would refuse it.
func TestRecover_keepsAReleaseUpThatAHookHasAgreedTo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hook("check-deploy", "exit 0")
	h.must("deploy", h.app, h.imageWith(checksIn("/nowhere"), "ENV VERSION=v1"), "--check-hook", "instead")
	h.must("check", h.app)
	name := "zdd-" + h.app + "-1-1"
	h.docker("rm", "--force", name)
	h.must("recover", h.app)
	h.assertServes("v1", 1)
	if policy := h.docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", name); !slices.Equal(policy, []string{"always"}) {
		t.Errorf("restart policy %q, want the release to survive a reboot", policy)
	}
}
