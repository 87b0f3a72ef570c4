package release

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func someState() State {
	settings := full()
	return State{
		Next: 13, Live: 11, Previous: 10, Slot: Green,
		Slots: map[Slot]SlotState{
			Blue:  {Release: 10, Port: 5000, Replicas: 1, Addresses: []netip.Addr{netip.MustParseAddr("10.210.0.10")}},
			Green: {Release: 11, Port: 3000, Replicas: 1, Addresses: []netip.Addr{netip.MustParseAddr("10.210.0.11")}},
		},
		Deploy: &Journal{
			Kind: KindDeploy, Release: 12, Slot: Blue, Phase: Switching, Image: "web:3", Settings: &settings,
			Started: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), Holder: Holder{PID: 1, User: "ada", Host: "build", Command: "zdd deploy web"},
		},
	}
}

func TestSaveState_isReadBackTheSame(t *testing.T) {
	app := newApp(t, "web")
	if err := app.SaveState(someState()); err != nil {
		t.Fatal(err)
	}
	got, err := app.State()
	if diff := cmp.Diff(someState(), got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("error %v, state (-want +got):\n%s", err, diff)
	}
}

func TestState_beginsWithRelease1(t *testing.T) {
	got, err := newApp(t, "web").State()
	if diff := cmp.Diff(State{Next: 1}, got); diff != "" || err != nil {
		t.Errorf("error %v, state (-want +got):\n%s", err, diff)
	}
}

func TestState_neverTakesACorruptFileForANewApp(t *testing.T) {
	for _, row := range []struct{ name, content string }{
		{"empty", ""},
		{"zeros after a crash", strings.Repeat("\x00", 64)},
		{"torn", `{"next": 3, "live"`},
		{"of another kind", `[]`},
		{"more than one", `{"next":1} {}`},
		{"from a newer zdd", `{"next":1,"canary":true}`},
		{"no next release", `{"next":0}`},
		{"live beyond next", `{"next":2,"live":2,"slot":"blue"}`},
		{"live nowhere", `{"next":2,"live":1}`},
		{"unknown slot", `{"next":2,"live":1,"slot":"red"}`},
		{"unknown slot's state", `{"next":2,"slots":{"red":{}}}`},
		{"unknown phase", `{"next":2,"deploy":{"kind":"deploy","phase":"dreaming"}}`},
		{"unknown kind", `{"next":2,"deploy":{"kind":"dance","phase":"started"}}`},
		{"bad address", `{"next":2,"slots":{"blue":{"addresses":["x"]}}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			app := newApp(t, "web")
			writeTestFile(t, app.Path("state.json"), row.content)
			_, err := app.State()
			var corrupt *Corrupt
			if !errors.As(err, &corrupt) || corrupt.File != app.Path("state.json") || !strings.Contains(err.Error()+corrupt.Hint(), corrupt.File) {
				t.Errorf("error %v, want a *Corrupt that names the file", err)
			}
			if got := readTestFile(t, app.Path("state.json")); got != row.content {
				t.Errorf("the file changed to %q", got)
			}
		})
	}
}

func TestSaveState_refusesWhatCouldNotBeRead(t *testing.T) {
	app := newApp(t, "web")
	if err := app.SaveState(State{Next: 1, Live: 1, Slot: Blue}); err == nil {
		t.Error("a live release that has no number yet was saved")
	}
	if app.Exists() {
		t.Error("something was written")
	}
}

func TestSlot_other(t *testing.T) {
	got := []Slot{Blue.Other(), Green.Other(), Slot("").Other()}
	if diff := cmp.Diff([]Slot{Green, Blue, Blue}, got); diff != "" {
		t.Errorf("other slots of blue, green and none (-want +got):\n%s", diff)
	}
}
