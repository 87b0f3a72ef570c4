package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// onDisk is what an app's state.json says.
type onDisk struct {
	Next, Live, Previous int
	Slot                 string
	Deploy               json.RawMessage
}

// onDisk reads the state of the host's app; false where it has none.
func (h *host) onDisk() (onDisk, bool) {
	h.t.Helper()
	var state onDisk
	content, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return state, false
	}
	if err := errors.Join(err, json.Unmarshal(content, &state)); err != nil {
		h.t.Fatal(err)
	}
	return state, true
}

// assertWhole is the end of each drill: exactly one release is live; state,
// flag, containers, nginx and history agree on it; nothing is left over. It
// returns the live release.
func (h *host) assertWhole(version string) int {
	h.t.Helper()
	state, ok := h.onDisk()
	if !ok || state.Live == 0 {
		h.t.Errorf("no release is live: %+v", state)
		return 0
	}
	h.assertServes(version, state.Live)
	h.assertInOrder()
	h.assertFlag(state.Slot)
	h.assertHistory(state)
	h.assertNothingTorn()
	return state.Live
}

// assertFlag wants the file by which nginx chooses to say the same slot, where
// it is that file which decides.
func (h *host) assertFlag(slot string) {
	h.t.Helper()
	settings, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "app.yaml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an app without settings has none
		h.t.Fatal(err)
	}
	if strings.Contains(string(settings), "switch: reload") {
		return
	}
	_, err = os.Stat(filepath.Join(h.root, "nginx", "live", h.app+".green"))
	if green := err == nil; green != (slot == "green") {
		h.t.Errorf("the flag is there: %v, and the state says %s", green, slot)
	}
}

// assertHistory wants one line for each release that was ever begun, or two where
// an undoing failed and what was to be undone serves in the end; and the last
// success to be what is live.
func (h *host) assertHistory(state onDisk) {
	h.t.Helper()
	deploys := map[int][]string{}
	last := 0
	for line := range strings.Lines(h.must("history", h.app, "--json").stdout) {
		var entry struct {
			Kind, Outcome string
			Release       int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			h.t.Fatalf("history line %q: %v", line, err)
		}
		if entry.Kind == "deploy" {
			deploys[entry.Release] = append(deploys[entry.Release], entry.Outcome)
		}
		if entry.Outcome == "done" && (entry.Kind == "deploy" || entry.Kind == "rollback") {
			last = entry.Release
		}
	}
	for n := 1; n < state.Next; n++ {
		if told := deploys[n]; len(told) != 1 && !slices.Equal(told, []string{"failed", "done"}) {
			h.t.Errorf("history says %v of the deploy of release %d, want it told once", told, n)
		}
	}
	if last != state.Live {
		h.t.Errorf("the last success in history is release %d, and %d is live", last, state.Live)
	}
}

// assertNothingTorn wants no temporary file below the root, and every file of
// zdd's own to be whole.
func (h *host) assertNothingTorn() {
	h.t.Helper()
	err := filepath.WalkDir(h.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".zdd-new-") {
			h.t.Errorf("%s is left", path)
		}
		if strings.HasSuffix(path, ".json") && entry.Type().IsRegular() {
			if content, err := os.ReadFile(path); err != nil || !json.Valid(content) {
				h.t.Errorf("%s is no JSON (%v): %q", path, err, content)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
}

// assertGone wants nothing of the app to be there: neither folder, container,
// image, site nor flag.
func (h *host) assertGone() {
	h.t.Helper()
	if _, ok := h.onDisk(); ok {
		h.t.Error("the app has a state still")
	}
	if left := h.containers("label=zdd.app=" + h.app); len(left) > 0 {
		h.t.Errorf("containers left: %v", left)
	}
	if left := h.docker("image", "ls", "--quiet", "zdd/"+h.app); len(left) > 0 {
		h.t.Errorf("images left: %v", left)
	}
	for _, file := range []string{"sites/" + h.app + ".conf", "live/" + h.app + ".green", "switch/" + h.app + ".conf"} {
		if _, err := os.Stat(filepath.Join(h.root, "nginx", file)); err == nil {
			h.t.Errorf("%s is left", file)
		}
	}
	if status, _, _ := h.get("/"); status == 200 {
		h.t.Error("the app answers")
	}
}

// killed says whether the run was ended by the signal.
func (r result) killed(signal syscall.Signal) bool { return r.signal == signal }

// describe is how a run ended, for a failure's text.
func (r result) describe() string {
	return fmt.Sprintf("exit %d, signal %v\n%s%s", r.code, r.signal, r.stdout, r.stderr)
}
