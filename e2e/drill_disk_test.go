package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zdd/testdata/load"
)

// faults are what a write can meet, and the words in which the operator reads it.
var faults = map[string]string{
	"enospc": "no space left on device", "eio": "input/output error", "eacces": "permission denied", "short": "no space left on device",
}

// canFail says whether the point is next to a write.
func (p point) canFail() bool {
	verb, _, _ := strings.Cut(p.name, " ")
	switch verb {
	case "creating", "writing", "syncing", "renaming", "removing", "opening", "appending", "making", "reserving":
		return !strings.HasSuffix(p.name, "a container") && !strings.HasSuffix(p.name, "the network")
	}
	return false
}

// TestDrillDisk_leavesNoFileHalfNew lets each write of a move fail, once and
// from then on. Afterwards, when the disk is well again, the next command finds
// one release live and nothing left.
func TestDrillDisk_leavesNoFileHalfNew(t *testing.T) {
	t.Parallel()
	moves := []drilledMove{
		{name: "deploy", words: (*killDrill).deploy},
		{name: "rollback", words: func(d *killDrill, _ string) []string { return []string{"rollback", d.app} }},
		{name: "settings", words: drilledMoves[2].words},
		{name: "reload", settings: []string{"--switch", "reload"}, words: (*killDrill).deploy},
	}
	for i, move := range moves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			d := newKillDrill(t, move.settings...)
			run := d.load(load.Config{Clients: 8, Limit: 3 * time.Hour})
			_, all := d.struck("", move.words(d, d.expect())...)
			var points []point
			for _, at := range all {
				if at.canFail() {
					points = append(points, at)
				}
			}
			if len(points) < 8 {
				t.Fatalf("only %d writes: %v", len(points), points)
			}
			actions := []string{"enospc", "eio", "eacces", "short"}
			if !*whole {
				points = every(11, 3+i, points)
			}
			blows := 0
			for n, at := range points {
				chosen := actions
				if !*whole {
					chosen = actions[(n+i)%4:][:1]
				}
				for _, action := range chosen {
					for _, ever := range []string{"", "+"} {
						if !*whole && (n%2 == 0) == (ever == "") {
							continue
						}
						d.failAt(move, action, at, ever)
						blows++
					}
				}
			}
			t.Logf("%d failed writes", blows)
			d.assertLossless(run)
		})
	}
}

// TestDrillDisk_givesNoNumberThatItCannotWriteDown: history has each number once.
func TestDrillDisk_givesNoNumberThatItCannotWriteDown(t *testing.T) {
	t.Parallel()
	d := newKillDrill(t)
	for _, ever := range []string{"+", "", "+"} {
		d.failAt(drilledMove{words: (*killDrill).deploy}, "eio", point{"creating state.json", 1}, ever)
	}
	version := d.expect()
	d.must(d.deploy(version)...)
	d.assertWhole(version)
}

// TestDrillDisk_tellsASuccessThatWasAFailureFirst: neither the switch nor its
// undoing can be written down, and the next command finds that the release serves.
func TestDrillDisk_tellsASuccessThatWasAFailureFirst(t *testing.T) {
	t.Parallel()
	move := drilledMove{words: (*killDrill).deploy}
	d := newKillDrill(t, "--switch", "reload")
	_, all := d.struck("", move.words(d, d.expect())...)
	struck := 0
	for _, at := range all {
		if strings.HasPrefix(at.name, "syncing the folder of t") && strings.HasSuffix(at.name, ".conf") {
			d.failAt(move, "enospc", at, "+")
			struck++
		}
	}
	if struck == 0 {
		t.Errorf("no write of the site among %v", all)
	}
}

// failAt lets one write fail, or all of its name from there on, and wants the
// command to say so.
func (d *killDrill) failAt(move drilledMove, action string, at point, ever string) {
	d.t.Helper()
	what := fmt.Sprintf("%s at %s%s", action, at, ever)
	r, _ := d.struck(fmt.Sprintf("%s@%s%s", action, at, ever), move.words(d, d.expect())...)
	if r.signal != 0 || r.code == 1 && !strings.Contains(r.stderr, "hint:") {
		d.t.Fatalf("%s: %s", what, r.describe())
	}
	if r.code != 0 && !strings.Contains(r.stderr, faults[action]) {
		d.t.Errorf("%s: the failure does not say %q: %s", what, faults[action], r.describe())
	}
	d.assertNothingTorn() // before anything is mended
	d.must("recover", d.app)
	state, _ := d.onDisk()
	if r.code == 0 && d.versions[state.Live] == "" {
		d.t.Errorf("%s: nobody knows release %d", what, state.Live)
	}
	if d.assertWhole(d.versions[state.Live]); d.t.Failed() {
		d.t.Fatalf("after %s: %s", what, r.describe())
	}
}

// TestDrillDisk_goesOnWithAFullDisk has the root on a real file system that is
// full: a deploy is refused with the bytes that it wants, and what an operator
// needs just then works all the same.
func TestDrillDisk_goesOnWithAFullDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.onSmallDisk("300m")
	image := h.image("IDS=/ids")
	h.must("deploy", h.app, image, "--env", "VERSION=v1", "--volume", h.ids+":/ids")
	h.must("deploy", h.app, image, "--env", "VERSION=v2")
	run := h.load(load.Config{Clients: 8})

	h.fillDisk()
	r := h.wants(2, "deploy", h.app, image, "--env", "VERSION=v3")
	assertContains(t, r.stderr, h.root, "free", "256MiB", "serving: release 2", "hint:")
	h.assertServes("v2", 2)

	assertContains(t, h.must("rollback", h.app).stderr, "is full", "kept back")
	h.assertServes("v1", 1)
	h.assertInOrder()
	h.assertNothingTorn()
	h.emptyDisk()
	h.must("deploy", h.app, image, "--env", "VERSION=v4")
	h.assertWhole("v4")

	// And one that fills up on the way: the undoing has what was kept back.
	r = h.stoppedAt("before site", h.fillDisk, "deploy", h.app, image, "--env", "VERSION=v5")
	if r.code == 0 {
		t.Errorf("a deploy went through on a full disk: %s", r.describe())
	}
	assertContains(t, r.stderr, "no space left on device", "kept back", "serving: release 3", "hint:")
	h.assertServes("v4", 3)
	h.assertInOrder()
	h.assertNothingTorn()
	h.emptyDisk()
	h.must("recover", h.app)
	h.assertWhole("v4")
	h.assertLossless(run)
}

// onSmallDisk puts the host's root on a file system of its own.
func (h *host) onSmallDisk(size string) {
	h.t.Helper()
	if err := syscall.Mount("tmpfs", h.root, "tmpfs", 0, "size="+size+",mode=0711"); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		h.emptyDisk()
		h.removeAll()
		h.assertNothingLeft()
		if err := syscall.Unmount(h.root, syscall.MNT_DETACH); err != nil {
			h.t.Error(err)
		}
	})
}

// ballast is the file that fills the host's disk.
func (h *host) ballast() string { return filepath.Join(h.root, "ballast") }

func (h *host) fillDisk() {
	h.t.Helper()
	file, err := os.Create(h.ballast())
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := file.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2] // to the last byte
		}
	}
}

func (h *host) emptyDisk() {
	h.t.Helper()
	if err := os.Remove(h.ballast()); err != nil && !os.IsNotExist(err) {
		h.t.Error(err)
	}
}
