package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// assertServes wants release to be live, in zdd's words and in its answers,
// with nothing else of the app running: the end of every test of a failure.
func (h *host) assertServes(version string, release int) {
	h.t.Helper()
	if status, got, body := h.get("/"); status != 200 || got != version {
		h.t.Errorf("GET / is %d by %q, want 200 by %q\n%s", status, got, version, body)
	}
	state := h.must("status", h.app, "--json").last(h.t)
	if got := int(state["release"].(float64)); got != release || state["state"] != "live" {
		h.t.Errorf("status is %v of release %d, want live of release %d", state["state"], got, release)
	}
	for _, name := range h.containers("status=running", "label=zdd.app="+h.app) {
		if !strings.HasPrefix(name, fmt.Sprintf("zdd-%s-%d-", h.app, release)) {
			h.t.Errorf("container %s runs, beside release %d", name, release)
		}
	}
}

// containers lists the names of the root's containers that pass the filters.
func (h *host) containers(filters ...string) []string {
	h.t.Helper()
	args := []string{"ps", "--all", "--format", "{{.Names}}", "--filter", "label=zdd.root=" + h.root}
	for _, filter := range filters {
		args = append(args, "--filter", filter)
	}
	return h.docker(args...)
}

// dockerCommand prepares a command of docker, for the engine that the host is on.
func (h *host) dockerCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	cmd.Env = h.env
	return cmd
}

func (h *host) docker(args ...string) []string {
	h.t.Helper()
	out, err := h.dockerCommand(args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.Fields(string(out))
}

// removeAll takes the host's apps off it.
func (h *host) removeAll() {
	h.t.Helper()
	entries, err := os.ReadDir(filepath.Join(h.root, "apps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Error(err)
	}
	for _, entry := range entries {
		// What a removal that is killed at its very end leaves: a lock alone is no app.
		if files, err := os.ReadDir(filepath.Join(h.root, "apps", entry.Name())); err == nil && onlyLock(files) {
			continue
		}
		if r := h.zdd("remove", entry.Name(), "--yes"); r.code != 0 {
			h.t.Errorf("zdd remove %s: exit %d\n%s", entry.Name(), r.code, r.stderr)
		}
	}
}

func onlyLock(files []os.DirEntry) bool {
	return len(files) == 0 || len(files) == 1 && files[0].Name() == "lock"
}

// assertNothingLeft wants no container, network, image, process or rule of the
// host to be there.
func (h *host) assertNothingLeft() {
	h.t.Helper()
	label := "label=zdd.root=" + h.root
	left := map[string][]string{
		"containers": h.docker("ps", "--all", "--quiet", "--filter", label),
		"networks":   h.docker("network", "ls", "--quiet", "--filter", label),
		"images":     h.docker("image", "ls", "--quiet", "zdd/"+h.app),
		"processes":  h.processes(),
		"rules":      h.rules(),
	}
	for what, names := range left {
		if len(names) > 0 {
			h.t.Errorf("%s left behind: %v", what, names)
		}
	}
}

// rules lists the routing rules about addresses of the host's network.
func (h *host) rules() []string {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, "addresses.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var book struct{ Subnet netip.Prefix }
	if err := errors.Join(err, json.Unmarshal(content, &book)); err != nil {
		h.t.Fatal(err)
	}
	out, err := exec.Command("ip", "rule").CombinedOutput()
	if err != nil {
		h.t.Fatalf("ip rule: %v\n%s", err, out)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if address, err := netip.ParseAddr(word); err == nil && book.Subnet.Contains(address) {
				found = append(found, line)
			}
		}
	}
	return found
}

// processes lists the command lines of what runs for this host.
func (h *host) processes() []string { return h.processesOf(h.root) }

// processesOf lists the command lines that name the folder.
func (h *host) processesOf(folder string) []string {
	h.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		h.t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		if line := strings.ReplaceAll(string(content), "\x00", " "); strings.Contains(line, folder) {
			found = append(found, line)
		}
	}
	return found
}
