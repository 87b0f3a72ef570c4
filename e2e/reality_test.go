package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestDeploy_refusesToGuessWhatIsLive takes the state away from an app that
// serves: nothing that it has may be touched.
func TestDeploy_refusesToGuessWhatIsLive(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	h.must("deploy", h.app, image)
	state := filepath.Join(h.root, "apps", h.app, "state.json")
	content, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []func() error{
		func() error { return os.Remove(state) },
		func() error { return os.WriteFile(state, []byte("{"), 0o600) },
	} {
		if err := lost(); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"deploy", h.app, image}, {"rollback", h.app}, {"recover", h.app}} {
			r := h.wants(1, command...)
			assertContains(t, r.stderr, "state.json", "serving: unknown", "hint:")
		}
		assertContains(t, h.must("status").stdout, "unreadable", "state.json")
		if status, version, _ := h.get("/"); status != 200 || version != "v1" {
			t.Errorf("GET / is %d by %q", status, version)
		}
	}
	if err := os.WriteFile(state, content, 0o600); err != nil {
		t.Fatal(err)
	}
	h.assertServes("v1", 2)
	// And where it stays lost there is a way out.
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	h.must("remove", h.app, "--yes")
	h.assertNothingLeft()
}

// TestRecover_bringsBackWhatSomebodyEnded stops and removes the live
// containers, and nginx, behind zdd's back.
func TestRecover_bringsBackWhatSomebodyEnded(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"), "--replicas", "2")
	for _, tt := range []struct {
		state string
		end   func()
	}{
		{"stopped", func() { h.docker(append([]string{"stop", "--time", "0"}, h.containers()...)...) }},
		{"stopped", func() { h.docker(append([]string{"rm", "--force"}, h.containers()...)...) }},
		{"unreachable", func() { h.killNginx(syscall.SIGTERM) }},
	} {
		tt.end()
		status := h.must("status", h.app, "--json").last(t)
		if status["state"] != tt.state {
			t.Errorf("status is %v, want %s", status["state"], tt.state)
		}
		assertContains(t, status["hint"].(string), "zdd recover "+h.app)
		h.must("recover", h.app)
		h.assertServes("v1", 1)
	}
}

// TestRecover_leavesTheReplicasThatServeAlone loses one of two: starting it
// again must not cost the other one.
func TestRecover_leavesTheReplicasThatServeAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image, "--replicas", "2")
	h.docker("rm", "--force", h.containers()[0])
	survivor := h.docker("inspect", "--format", "{{.State.StartedAt}}", h.containers()[0])
	if state := h.must("status", h.app, "--json").last(t)["state"]; state != "degraded" {
		t.Errorf("status is %v, want degraded", state)
	}
	assertContains(t, h.wants(5, "recover", h.app).stderr, "1 of 2 replicas", "serving: release 1", "zdd deploy "+h.app)
	if now := h.docker("inspect", "--format", "{{.State.StartedAt}}", h.containers()[0]); now[0] != survivor[0] {
		t.Errorf("the replica that served was started at %s, and now at %s", survivor, now)
	}
	h.must("deploy", h.app, image)
	h.assertServes("v1", 2)
}

// TestDeploy_leavesTheImagesOfAnotherRootAlone has two roots with an app of the
// same name on one engine.
func TestDeploy_leavesTheImagesOfAnotherRootAlone(t *testing.T) {
	t.Parallel()
	h, other := newHost(t), newHost(t)
	other.app = h.app
	h.must("deploy", h.app, h.image("VERSION=v1"))
	tagged := h.docker("image", "ls", "--no-trunc", "--quiet", "zdd/"+h.app)
	r := other.wants(2, "deploy", other.app, h.image("VERSION=v2"))
	assertContains(t, r.stderr, "zdd/"+h.app+":1", "hint:")
	if now := h.docker("image", "ls", "--no-trunc", "--quiet", "zdd/"+h.app); len(now) != 1 || now[0] != tagged[0] {
		t.Errorf("the tag names %v, want %v still", now, tagged)
	}
	h.must("deploy", h.app, h.image("VERSION=v3"))
	h.must("rollback", h.app)
	h.assertServes("v1", 1)
	h.must("remove", h.app, "--yes")
}

// TestDeploy_checksOtherHostsAtTheReplicasAlone has a check for a host that is
// no domain of the app: nginx would not know it.
func TestDeploy_checksOtherHostsAtTheReplicasAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	checks := h.file("CHECKS", "/healthz ok\n//internal.example.test/ hello\n//"+h.app+".localhost/ hello\n")
	h.must("deploy", h.app, h.image("VERSION=v1"), "--checks", checks)
	h.assertServes("v1", 1)
}

// killNginx ends the host's own nginx.
func (h *host) killNginx(signal syscall.Signal) {
	h.t.Helper()
	if err := syscall.Kill(h.nginxMaster(), signal); err != nil {
		h.t.Fatal(err)
	}
	eventually(h.t, "nginx does not answer", func() bool {
		status, _, _ := h.get("/")
		return status == 0
	})
}

// TestDeploy_keepsNginxStartableWhateverBecomesOfAFile overwrites a certificate
// and a snippet: what nginx has read is zdd's copy.
func TestDeploy_keepsNginxStartableWhateverBecomesOfAFile(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	secure := freeAddress(t)
	h.env = append(h.env, "ZDD_LISTEN_TLS="+secure)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	trusted := h.certificate(1)
	snippets := filepath.Join(h.root, "apps", h.app, "nginx")
	if err := os.Mkdir(snippets, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(snippets, "extra.conf"), []byte("add_header X-Extra yes;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("deploy", h.app, image)

	for _, file := range []string{filepath.Join(snippets, "extra.conf"), filepath.Join(h.root, "apps", h.app, "tls", "server.key")} {
		if err := os.WriteFile(file, []byte("no such directive;\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.killNginx(syscall.SIGTERM)
	h.must("recover", h.app)
	if serial, _ := h.askTLS(secure, trusted); serial != 1 {
		t.Errorf("HTTPS answers with certificate %d", serial)
	}
	other := h.app + "-other"
	h.must("deploy", other, image) // is not the other's business
	r := h.wants(2, "deploy", h.app, image)
	assertContains(t, r.stderr, "server.key", "as before")
	h.assertServes("v1", 2)
}

// TestDeploy_keepsHTTPSWhenOnlyTheOtherAddressIsSaid is about two variables
// that are none of each other's business.
func TestDeploy_keepsHTTPSWhenOnlyTheOtherAddressIsSaid(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	secure := freeAddress(t)
	plainOnly := h.env
	h.env = append(append([]string{}, plainOnly...), "ZDD_LISTEN_TLS="+secure)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	trusted := h.certificate(1)
	h.must("deploy", h.app, image)
	h.env = plainOnly
	h.must("deploy", h.app, image)
	if serial, _ := h.askTLS(secure, trusted); serial != 1 {
		t.Errorf("HTTPS answers with certificate %d", serial)
	}
}

// TestRollback_isNotKeptFromByAMistakeInTheSettings lets somebody mistype at
// two in the morning.
func TestRollback_isNotKeptFromByAMistakeInTheSettings(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1"), "--keep", "4")
	h.must("deploy", h.app, h.image("VERSION=v2"))
	settings := filepath.Join(h.root, "apps", h.app, "app.yaml")
	if err := os.WriteFile(settings, []byte("keep: 4\nrepplicas: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	assertContains(t, h.wants(2, "deploy", h.app, h.image("VERSION=v3")).stderr, "app.yaml:2:1", "repplicas", "serving: release 2")
	assertContains(t, h.must("rollback", h.app).stderr, "repplicas")
	h.must("status")
	if status, version, _ := h.get("/"); status != 200 || version != "v1" {
		t.Errorf("GET / is %d by %q, want v1", status, version)
	}
	h.must("remove", h.app, "--yes")
}
