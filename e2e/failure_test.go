package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// quickChecks is a CHECKS file that gives up soon.
const quickChecks = "WAIT=1\nTIMEOUT=1\nATTEMPTS=2\n/healthz ok\n"

// file writes a file of the test and returns its path.
func (h *host) file(name, content string) string {
	h.t.Helper()
	path := filepath.Join(filepath.Dir(h.root), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// TestDeploy_refusesBadInputAndChangesNothing gives every kind of bad input to
// an app that serves.
func TestDeploy_refusesBadInputAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	good := h.image("VERSION=v1")
	h.must("deploy", h.app, good, "--checks", h.file("CHECKS", quickChecks))
	before := h.snapshot()

	for _, tt := range []struct {
		name string
		code int
		args []string
		says []string
	}{
		{"a name that climbs out", 2, []string{"deploy", "../etc", good}, []string{"../etc"}},
		{"a name with a quote", 2, []string{"deploy", "we\"b", good}, []string{"hint:"}},
		{"a name that is too long", 2, []string{"deploy", strings.Repeat("a", 41), good}, nil},
		{"a domain with a semicolon", 2, []string{"deploy", h.app, good, "--domain", "a.test; return 200"}, []string{"a.test;"}},
		{"a domain with a brace", 2, []string{"deploy", h.app, good, "--domain", "a.test{"}, nil},
		{"a domain with a line break", 2, []string{"deploy", h.app, good, "--domain", "a.test\nserver"}, nil},
		{"an unknown image", 2, []string{"deploy", h.app, "zdd-test/none:1", "--pull", "never"}, []string{"zdd-test/none:1", "hint:"}},
		{"an image name that is none", 2, []string{"deploy", h.app, "UPPER CASE"}, nil},
		{"a broken CHECKS file", 2, []string{"deploy", h.app, good, "--checks", h.file("BROKEN", "WAIT=soon\n/\n")}, []string{"line 1"}},
		{"a CHECKS file that is not there", 2, []string{"deploy", h.app, good, "--checks", "/nonexistent/CHECKS"}, []string{"/nonexistent/CHECKS"}},
		{"an env file that is not there", 2, []string{"deploy", h.app, good, "--env-file", "/nonexistent/env"}, []string{"/nonexistent/env"}},
		{"a broken env file", 2, []string{"deploy", h.app, good, "--env-file", h.file("env", "A=1\nsecret words\n")}, []string{":2"}},
		{"a build without a Dockerfile", 2, []string{"deploy", h.app, "--build", h.root}, []string{"Dockerfile"}},
		{"an unknown flag", 2, []string{"deploy", h.app, good, "--replica", "2"}, []string{"replica"}},
		{"a flag without its value", 2, []string{"deploy", h.app, good, "--domain", "--keep", "2"}, []string{"--domain"}},
		{"no replicas", 2, []string{"deploy", h.app, good, "--replicas", "0"}, []string{"--replicas"}},
		{"a memory limit that is none", 2, []string{"deploy", h.app, good, "--memory", "much"}, []string{"much"}},
		{"an unknown command", 2, []string{"deplyo", h.app}, []string{"deploy"}},
		{"no image", 2, []string{"deploy", h.app}, []string{"APP IMAGE"}},
		{"an unknown release", 2, []string{"rollback", h.app, "99"}, []string{"99", "hint:"}},
		{"nothing to roll back to", 2, []string{"rollback", h.app}, []string{"hint:"}},
		{"an unknown app", 2, []string{"status", "nobody"}, []string{"nobody"}},
		{"an app to remove that is none", 2, []string{"remove", "nobody", "--yes"}, []string{"nobody"}},
		{"a network that is not there", 5, []string{"deploy", h.app, good, "--network", "zdd-test-none"}, []string{"zdd-test-none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := h.wants(tt.code, tt.args...)
			assertContains(t, r.stderr, append(tt.says, "zdd:")...)
			if r.stdout != "" {
				t.Errorf("stdout = %q, want nothing", r.stdout)
			}
			if strings.Contains(r.stderr, "secret words") {
				t.Errorf("shows what an env file holds:\n%s", r.stderr)
			}
		})
	}
	h.assertServes("v1", 1)
	if after := h.snapshot(); after != before {
		t.Errorf("changed:\nbefore: %s\nafter: %s", before, after)
	}
}

// snapshot is what the host's app is made of, in words.
func (h *host) snapshot() string {
	h.t.Helper()
	settings, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "app.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	site, err := os.ReadFile(filepath.Join(h.root, "nginx", "sites", h.app+".conf"))
	if err != nil {
		h.t.Fatal(err)
	}
	apps, err := os.ReadDir(filepath.Join(h.root, "apps"))
	if err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%s\n%v\n%v\n%v", settings, site, apps, h.containers(), h.docker("image", "ls", "--format", "{{.Tag}}", "zdd/"+h.app))
}

// TestDeploy_saysWhyAReleaseIsNotFit wants the cause, the log, what serves and
// what to do next, for each way of not being fit.
func TestDeploy_saysWhyAReleaseIsNotFit(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"), "--checks", h.file("CHECKS", quickChecks))
	for _, tt := range []struct {
		name  string
		image []string
		args  []string
		says  []string
	}{
		{"exits at once", []string{"VERSION=v2", "ON_START=exit:3"}, nil, []string{"exited", "3", "last lines of its log:"}},
		{"answers 500", []string{"VERSION=v2", "STATUS=500"}, nil, []string{"/healthz", "500", "CHECKS"}},
		{"listens nowhere", []string{"VERSION=v2", "LISTEN=never"}, nil, []string{"connection refused"}},
		{"listens elsewhere", []string{"VERSION=v2", "PORT=7000"}, []string{"--port", "7001", "--env", "PORT=7000"}, []string{"connection refused"}},
		{"cannot be executed", []string{"VERSION=v2"}, []string{"--user", "nobody-knows-him"}, []string{"nobody-knows-him"}},
		{"fails its release command", []string{"VERSION=v2", "ON_START=exit:4"}, []string{"--release-command", "migrate"}, []string{"migrate", "4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := h.wants(5, append([]string{"deploy", h.app, h.image(tt.image...)}, tt.args...)...)
			assertContains(t, r.stderr, append(tt.says, "zdd:", "serving: release 1", "as before", "hint:")...)
			h.assertServes("v1", 1)
			if left := h.containers("status=exited"); len(left) > 0 {
				t.Errorf("containers left: %v", left)
			}
		})
	}
	assertContains(t, h.must("history", h.app).stdout, "failed", "start", "check", "release-command")
}

// TestDeploy_leavesNothingOfAFirstDeployThatFails is for hosts that were empty.
func TestDeploy_leavesNothingOfAFirstDeployThatFails(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.wants(5, "deploy", h.app, h.image("STATUS=500"), "--checks", h.file("CHECKS", quickChecks))
	assertContains(t, r.stderr, "serving: nothing")
	h.assertNothingLeft()
	h.wants(2, "deploy", h.app+"x", "zdd-test/none:1", "--pull", "never")
	if _, err := os.Stat(filepath.Join(h.root, "apps", h.app+"x")); !os.IsNotExist(err) {
		t.Errorf("the folder of an app that never was is there: %v", err)
	}
	h.assertNothingLeft()
}

// TestDeploy_saysWhatCannotBeReached takes away what zdd depends on.
func TestDeploy_saysWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	env := h.env

	h.env = append(env, "DOCKER_HOST=unix:///nonexistent/docker.sock")
	assertContains(t, h.wants(4, "deploy", h.app, image).stderr, "/nonexistent/docker.sock", "hint:")

	h.env = append(env, "PATH=/nonexistent")
	hidden := h.zdd("deploy", h.app, image)
	// nginx is also looked for in the sbin folders.
	if _, err := os.Stat("/usr/sbin/nginx"); err != nil && hidden.code != 4 {
		t.Errorf("without nginx: exit %d, want 4\n%s", hidden.code, hidden.stderr)
	}
	h.env = env
	h.removeAll()

	listener, err := net.Listen("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	r := h.zdd("deploy", h.app, image)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if r.code != 4 && r.code != 6 {
		t.Errorf("with nginx's port taken: exit %d, want 4 or 6", r.code)
	}
	assertContains(t, r.stderr, h.addr[strings.Index(h.addr, ":")+1:], "hint:")
	h.assertNothingLeft()
}

// TestDeploy_refusesAFullDisk keeps zdd's files on a disk that is too small.
func TestDeploy_refusesAFullDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := syscall.Mount("tmpfs", h.root, "tmpfs", 0, "size=16m,mode=0711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(h.root, 0); err != nil {
			t.Error(err)
		}
	})
	r := h.wants(2, "deploy", h.app, h.image("VERSION=v1"))
	assertContains(t, r.stderr, "free", h.root, "hint:")
	h.assertNothingLeft()
}

// TestDeploy_refusesADomainOfAnotherApp wants no app to take another's requests.
func TestDeploy_refusesADomainOfAnotherApp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image, "--domain", "www.example.test")
	other := h.app + "-other"
	r := h.wants(2, "deploy", other, image, "--domain", "WWW.example.test")
	assertContains(t, r.stderr, "www.example.test", h.app, "hint:")
	if containers := h.containers("label=zdd.app=" + other); len(containers) > 0 {
		t.Errorf("containers left: %v", containers)
	}
}
