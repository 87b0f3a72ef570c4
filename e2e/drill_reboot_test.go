package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// powerOff is a way in which a machine, or its engine, goes down.
type powerOff struct {
	name     string
	do       func()
	survived bool // the containers, until the engine comes back and ends them
}

// TestDrillReboot_bringsBackTheSameReleasesAtTheSameAddresses stops an engine
// with all its containers, and the host's nginx, and starts them in both orders.
// No command of zdd helps the containers. What a deploy that failed, one that
// was killed, a rollback and a retirement have left stays down.
func TestDrillReboot_bringsBackTheSameReleasesAtTheSameAddresses(t *testing.T) {
	t.Parallel()
	engine := newPrivateEngine(t, false)
	h := newHostOn(t, engine)
	image := h.image()
	deploy := func(version string) { h.must("deploy", h.app, image, "--env", "VERSION="+version) }
	h.must("deploy", h.app, image, "--env", "VERSION=v1", "--replicas", "2")
	deploy("v2")
	deploy("v3")
	h.must("rollback", h.app) // to kept containers: they were stopped once, and serve again
	h.wants(5, "deploy", h.app, image, "--checks", h.file("CHECKS", "WAIT=1\nTIMEOUT=1\nATTEMPTS=1\n/healthz nonsense\n"))

	ways := []powerOff{
		{"was shut down", func() { engine.stop(syscall.SIGTERM) }, false},
		{"lost its power", func() { engine.powerOff() }, false},
		{"lost its engine alone", func() { engine.stop(syscall.SIGKILL) }, true},
		{"lost its power within a deploy", func() {
			h.strike([2]string{"check", "started"}, engine.powerOff, "deploy", h.app, image, "--env", "VERSION=v9")
		}, false},
	}
	if !*whole {
		ways = ways[len(ways)-1:]
	}
	for _, way := range ways {
		for _, order := range []string{"the engine first", "nginx first"} {
			before := h.placed("v2")
			way.do()
			h.stopNginx()
			if order == "nginx first" {
				h.startNginx()
				if status, _, _ := h.get("/"); (status == 200) != way.survived {
					t.Errorf("%s, %s: nginx says %d", way.name, order, status)
				}
				engine.start()
			} else {
				engine.start()
				h.startNginx()
			}
			eventually(t, "the live release answers after the machine "+way.name, func() bool {
				status, version, _ := h.get("/")
				return status == 200 && version == "v2"
			})
			eventually(t, "both replicas are up", func() bool { return len(h.running()) >= 2 })
			if after := h.placed("v2"); !slices.Equal(before, after) {
				t.Errorf("the machine %s, %s: %v run, and before it %v", way.name, order, after, before)
			}
			h.must("recover", h.app)
			h.assertOneLive()
		}
	}
}

// placed are the containers of a version that run, with their addresses, and an
// error for every other one that does.
func (h *host) placed(version string) []string {
	h.t.Helper()
	var placed []string
	for _, name := range h.running() {
		format := "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.HostConfig.RestartPolicy.Name}}"
		words := h.docker("inspect", "--format", format, name)
		env := h.docker("inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", name)
		if !slices.Contains(env, "VERSION="+version) {
			h.t.Errorf("container %s runs (%v), and is not of %s", name, words, version)
			continue
		}
		placed = append(placed, name+" "+strings.Join(words, " "))
	}
	slices.Sort(placed)
	return placed
}

func (h *host) running() []string { return h.containers("status=running") }

// stopNginx ends the host's nginx as a crash of the machine does.
func (h *host) stopNginx() {
	h.t.Helper()
	master := h.nginxMaster()
	// Workers end by themselves when they miss their master, but not at once.
	workers := childrenOf(master)
	for _, pid := range append([]int{master}, workers...) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	eventually(h.t, "nginx has ended", func() bool { return syscall.Kill(master, 0) != nil })
}

// startNginx starts the host's nginx as its unit does at boot: zdd is not asked.
func (h *host) startNginx() {
	h.t.Helper()
	dir := filepath.Join(h.root, "nginx")
	_ = os.Remove(filepath.Join(dir, "door.sock")) // a killed master leaves it, and nginx cannot bind it
	cmd := exec.Command("nginx", "-p", dir+"/", "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "logs/error.log"))
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("starting nginx: %v\n%s", err, out)
	}
	eventually(h.t, "nginx answers", func() bool { status, _, _ := h.get("/"); return status != 0 })
}
