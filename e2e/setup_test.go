package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetup_writesAUnitThatStartsNginxAndTakesItBack runs what the unit runs, for
// a root without apps, and deploys into the nginx that it started.
func TestSetup_writesAUnitThatStartsNginxAndTakesItBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	units := filepath.Join(filepath.Dir(h.root), "units")
	assertContains(t, h.wants(2, "setup", "--unit-dir", units).stderr, "--systemd")
	assertContains(t, h.wants(2, "setup", "--systemd", "--nginx-conf", "/etc/nginx/nginx.conf").stderr, "--nginx-conf")
	r := h.must("setup", "--systemd", "--unit-dir", units)
	assertContains(t, r.stdout+r.stderr, "zdd-nginx-")
	found, err := filepath.Glob(filepath.Join(units, "zdd-nginx-*.service"))
	if err != nil || len(found) != 1 {
		t.Fatalf("units: %v, %v", found, err)
	}
	// systemd itself is not here to run it; nginx/unit_test.go has more of it.
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", found[0]).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd about the unit: %v\n%s", err, out)
	}
	link := filepath.Join(units, "multi-user.target.wants", filepath.Base(found[0]))
	if _, err := os.Stat(link); err != nil {
		t.Errorf("nothing starts the unit at boot: %v", err)
	}
	_, line, _ := strings.Cut(strings.Join(written(t, found[0]), "\n"), "\nExecStart=")
	line, _, _ = strings.Cut(line, "\n") // this root's path has nothing that a shell reads otherwise
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("starting nginx without apps, by %s: %v\n%s", line, err, out)
	}
	if status, _, _ := h.get("/"); status != 404 {
		t.Errorf("without apps nginx answers %d, want 404", status)
	}
	h.must("deploy", h.app, h.image("VERSION=v1"))
	h.assertServes("v1", 1)
	for range 2 {
		h.must("setup", "--systemd", "--undo", "--unit-dir", units)
		if left, err := filepath.Glob(filepath.Join(units, "*", "*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
		if _, err := os.Stat(found[0]); !os.IsNotExist(err) {
			t.Errorf("the unit is left: %v", err)
		}
	}
}
