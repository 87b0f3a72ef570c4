package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zdd/testdata/load"
)

// A drilled move is a command that is struck at each point that it passes.
type drilledMove struct {
	name string
	// settings are flags of the app's deploy before the drill.
	settings []string
	// words are the command; version is that of the release which it starts.
	words func(d *killDrill, version string) []string
	// before makes what the move needs, each time; nil is nothing.
	before func(d *killDrill)
	// some is how many points the short form passes over to the next one.
	some int
}

var drilledMoves = []drilledMove{
	{name: "deploy", some: 13, words: (*killDrill).deploy},
	{name: "rollback", some: 17, words: func(d *killDrill, _ string) []string { return []string{"rollback", d.app} }},
	{name: "settings", some: 23, words: func(d *killDrill, version string) []string {
		words := append(d.deploy(version), "--domain", d.app+".localhost")
		if d.strikes%2 == 0 {
			words = append(words, "--domain", "www.example.test")
		}
		return words
	}},
	{name: "reload", some: 29, settings: []string{"--switch", "reload"}, words: (*killDrill).deploy},
	{name: "failure", some: 17, words: func(d *killDrill, version string) []string {
		return append(d.deploy(version), "--env", "ON_START=exit:3")
	}},
	{name: "recovery", some: 17, before: (*killDrill).interrupt, words: func(d *killDrill, _ string) []string {
		return []string{"recover", d.app}
	}},
}

// killDrill is a host under load whose zdd is killed again and again.
type killDrill struct {
	*host
	image    string
	strikes  int
	versions map[int]string // of each release by its number
}

// deploy is the command that deploys version.
func (d *killDrill) deploy(version string) []string {
	return []string{"deploy", d.app, d.image, "--env", "VERSION=" + version}
}

func newKillDrill(t *testing.T, settings ...string) *killDrill {
	h := newHost(t)
	d := &killDrill{host: h, image: h.image("IDS=/ids"), versions: map[int]string{1: "v1", 2: "v2"}}
	h.must(append(d.deploy("v1"), append([]string{"--volume", h.ids + ":/ids", "--stop-timeout", "5s"}, settings...)...)...)
	h.must(d.deploy("v2")...)
	return d
}

// interrupt leaves a deploy behind that was killed on its way, at another point
// each time.
func (d *killDrill) interrupt() {
	points := []string{"before check", "before verify", "before drain", "before site"}
	at := points[d.strikes%len(points)]
	version := d.expect()
	if r, _ := d.struck("kill@"+at, d.deploy(version)...); !r.killed(syscall.SIGKILL) {
		d.t.Fatalf("kill at %s: %s", at, r.describe())
	}
}

// expect names the release that the next deploy makes.
func (d *killDrill) expect() string {
	state, _ := d.onDisk()
	d.strikes++
	version := fmt.Sprintf("v%d-%d", state.Next, d.strikes)
	d.versions[state.Next] = version
	return version
}

// next is the command that comes after the strike: each in its turn.
func (d *killDrill) next(what string) {
	d.t.Helper()
	status := d.must("status", d.app).stdout // and it changes nothing
	if state, _ := d.onDisk(); state.Deploy != nil && !strings.Contains(status, "unfinished") {
		d.t.Errorf("%s: the status does not say that it is unfinished:\n%s", what, status)
	}
	switch d.strikes % 4 {
	case 0:
		d.must(d.deploy(d.expectAgain())...)
	case 1:
		d.must("rollback", d.app)
	default:
		d.must("recover", d.app)
	}
	state, _ := d.onDisk()
	if d.assertWhole(d.versions[state.Live]); d.t.Failed() {
		d.t.Fatalf("after %s", what)
	}
}

// onlyRecovered says whether next has done no more than to recover.
func (d *killDrill) onlyRecovered() bool { return d.strikes%4 > 1 }

// assertFate wants a deploy that was killed before its switch to be undone, and
// one that was killed after its commit to be finished. Where the flag's file is
// written depends on the slot.
func (d *killDrill) assertFate(all []point, at point, former int) {
	d.t.Helper()
	if strings.HasSuffix(at.name, ".green") {
		return
	}
	place := slices.Index(all, at)
	state, _ := d.onDisk()
	switch {
	case place < slices.Index(all, point{"before switch", 1}) && state.Live != former:
		d.t.Errorf("killed at %s, before the switch: release %d is live after %d", at, state.Live, former)
	case place > slices.Index(all, point{"after commit", 1}) && state.Live == former:
		d.t.Errorf("killed at %s, after the commit: release %d is live still", at, former)
	}
}

// expectAgain is expect for a deploy that begins with a recovery: the number of
// its release is known when that has been made.
func (d *killDrill) expectAgain() string {
	d.must("recover", d.app)
	return d.expect()
}

// strikeAt strikes the move at the point. A point that depends on the slot is
// passed by each second move only. It returns which release was live before.
func (d *killDrill) strikeAt(move drilledMove, action string, at point) (r result, former int) {
	d.t.Helper()
	for range 3 {
		if move.before != nil {
			move.before(d)
		}
		version := d.expect()
		state, _ := d.onDisk()
		r, points := d.struck(fmt.Sprintf("%s@%s", action, at), move.words(d, version)...)
		if slices.Contains(points, at) {
			return r, state.Live
		}
		d.must("recover", d.app)
	}
	d.t.Logf("the point %s was not passed again", at)
	state, _ := d.onDisk()
	return result{}, state.Live
}

// TestDrillKill_isFinishedOrUndoneAtEachPoint kills zdd with -9 before and
// after each step, write and call of a move, under load. The next command finds
// out what happened.
func TestDrillKill_isFinishedOrUndoneAtEachPoint(t *testing.T) {
	t.Parallel()
	for _, move := range drilledMoves {
		t.Run(move.name, func(t *testing.T) {
			t.Parallel()
			d := newKillDrill(t, move.settings...)
			run := d.load(load.Config{Clients: 8, SlowAnswers: 1, Limit: 3 * time.Hour})
			if move.before != nil {
				move.before(d)
			}
			_, all := d.struck("", move.words(d, d.expect())...)
			if len(all) < 20 {
				t.Fatalf("only %d points are passed: %v", len(all), all)
			}
			points := all
			if !*whole {
				points = every(move.some, move.some/2, all)
			}
			for _, at := range points {
				r, former := d.strikeAt(move, "kill", at)
				if r.signal != 0 && !r.killed(syscall.SIGKILL) {
					t.Fatalf("kill at %s: %s", at, r.describe())
				}
				d.next("kill at " + at.String())
				if move.name == "deploy" && d.onlyRecovered() {
					d.assertFate(all, at, former)
				}
			}
			t.Logf("%d points", len(points))
			d.assertLossless(run)
		})
	}
}

// TestDrillKill_leavesNothingOfAFirstDeploy kills where there is no former
// release.
func TestDrillKill_leavesNothingOfAFirstDeploy(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	var points []point
	for range 2 { // the root itself is made once
		_, points = h.struck("", "deploy", h.app, image)
		h.must("remove", h.app, "--yes")
	}
	if !*whole {
		points = every(16, 5, points)
	}
	for _, at := range points {
		r, passed := h.struck(fmt.Sprintf("kill@%s", at), "deploy", h.app, image)
		if slices.Contains(passed, at) != r.killed(syscall.SIGKILL) {
			t.Errorf("kill at %s: %s", at, r.describe())
		}
		if r := h.zdd("recover", h.app); r.code != 0 && !strings.Contains(r.stderr, "no app") {
			t.Errorf("kill at %s: recover ends with %d\n%s", at, r.code, r.stderr)
		}
		if state, ok := h.onDisk(); ok && state.Live != 0 {
			h.assertWhole("v1")
			h.must("remove", h.app, "--yes")
		} else if ok { // its failure is remembered, and its number
			h.must("remove", h.app, "--yes")
		}
		if h.assertGone(); t.Failed() {
			t.Fatalf("after kill at %s", at)
		}
	}
}

// TestDrillKill_finishesARemoval kills a removal: the next command, whichever,
// goes on with it.
func TestDrillKill_finishesARemoval(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	_, points := h.struck("", "remove", h.app, "--yes")
	if !*whole {
		points = every(10, 6, points)
	}
	for _, at := range points {
		h.must("deploy", h.app, image)
		r, passed := h.struck(fmt.Sprintf("kill@%s", at), "remove", h.app, "--yes")
		if slices.Contains(passed, at) != r.killed(syscall.SIGKILL) {
			t.Errorf("kill at %s: %s", at, r.describe())
		}
		if state, ok := h.onDisk(); ok && state.Deploy == nil && state.Live != 0 {
			h.must("recover", h.app) // it had not begun
			h.assertWhole("v1")
			h.must("remove", h.app, "--yes")
		} else if ok {
			h.must("recover", h.app)
		}
		if h.assertGone(); t.Failed() {
			t.Fatalf("after kill at %s", at)
		}
	}
}

// TestDrillKill_undoesOrFinishesWhenInterrupted sends the signals of people and
// pipelines, and makes zdd itself fail, at the points of a deploy.
func TestDrillKill_undoesOrFinishesWhenInterrupted(t *testing.T) {
	t.Parallel()
	d := newKillDrill(t)
	run := d.load(load.Config{Clients: 8, Limit: 3 * time.Hour})
	_, points := d.struck("", d.deploy(d.expect())...)
	deploy := drilledMove{words: (*killDrill).deploy}
	actions := []string{"term", "int", "twice", "panic"}
	if !*whole {
		points = every(13, 8, points)
	}
	for i, at := range points {
		struckWith := actions
		if !*whole {
			struckWith = actions[i%len(actions):][:1]
		}
		for _, action := range struckWith {
			r, _ := d.strikeAt(deploy, action, at)
			what := action + " at " + at.String()
			switch {
			case action == "term" || action == "int":
				if r.code != 0 && r.code != 130 || r.signal != 0 {
					t.Fatalf("%s: %s", what, r.describe())
				}
				state, _ := d.onDisk()
				if d.assertWhole(d.versions[state.Live]); t.Failed() {
					t.Fatalf("after %s", what)
				}
			default: // it may have had no time to undo anything
				d.next(what)
			}
		}
	}
	d.assertLossless(run)
	assertContains(t, d.must("history", d.app).stdout, "interrupted")
}

// TestDrillKill_holdsAtAnyTime kills at times that nobody has chosen.
func TestDrillKill_holdsAtAnyTime(t *testing.T) {
	t.Parallel()
	d := newKillDrill(t)
	run := d.load(load.Config{Clients: 8, SlowUploads: 1, SlowAnswers: 1, Limit: 3 * time.Hour})
	begun := time.Now()
	d.must(d.deploy(d.expect())...)
	took := time.Since(begun)
	strikes := 4
	if *whole {
		strikes = 500
	}
	died := 0
	for range strikes {
		cmd := d.command(d.deploy(d.expect())...)
		if d.strikes%3 == 0 {
			cmd = d.command("rollback", d.app)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := rand.N(took * 11 / 10)
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ended is in ProcessState
		timer.Stop()
		if !cmd.ProcessState.Exited() {
			died++
		}
		d.next(fmt.Sprintf("a kill after %s", after))
	}
	d.assertLossless(run)
	t.Logf("%d of %d commands died", died, strikes)
}
