package release

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A Slot is one of an app's two sets of addresses. One is live, the next
// release starts in the other.
type Slot string

// The slots.
const (
	Blue  Slot = "blue"
	Green Slot = "green"
)

// Other is the slot that s is not; Blue where s is none ("").
func (s Slot) Other() Slot {
	if s == Blue {
		return Green
	}
	return Blue
}

// A Kind says what a command did to an app, in the journal and the history.
type Kind string

// The kinds.
const (
	KindDeploy   Kind = "deploy"
	KindRollback Kind = "rollback"
	KindRemove   Kind = "remove"
	KindRecover  Kind = "recover" // in neither: it ends what others began
)

// A Phase says how far the change in the journal has come, at least.
type Phase string

// The phases, in their order.
const (
	Started    Phase = "started"    // nothing but containers and a release record may exist
	Installing Phase = "installing" // nginx's site may have been replaced
	Switching  Phase = "switching"  // the flag may have been moved
	Committed  Phase = "committed"  // the new release is live, the old one has yet to be retired
)

// State is what an app is at the moment. The zero State, with Next 1, is that
// of an app which was never deployed.
type State struct {
	Next     int                `json:"next"`            // number of the next release, from 1
	Live     int                `json:"live"`            // release that serves, 0 = none
	Previous int                `json:"previous"`        // release that served before, 0 = none
	Slot     Slot               `json:"slot"`            // slot of the live release, "" = none
	Slots    map[Slot]SlotState `json:"slots,omitempty"` // what each slot runs
	Deploy   *Journal           `json:"deploy,omitempty"`
}

// SlotState is what runs in a slot and where.
type SlotState struct {
	Release   int          `json:"release"`             // 0 = none
	Port      int          `json:"port"`                // on every address
	Replicas  int          `json:"replicas"`            // how many of Addresses the site uses
	Addresses []netip.Addr `json:"addresses,omitempty"` // of the slot, one per replica
}

// Journal is a change in progress: what the next command needs in order to
// finish or undo it if this one dies.
type Journal struct {
	Kind    Kind      `json:"kind"`    // KindDeploy, KindRollback or KindRemove
	Release int       `json:"release"` // that is to be live
	Slot    Slot      `json:"slot"`    // where it starts
	Phase   Phase     `json:"phase"`
	Image   string    `json:"image,omitempty"`
	ImageID string    `json:"image_id,omitempty"` // what containers of the release are made of
	Started time.Time `json:"started"`
	Holder  Holder    `json:"holder"` // who did it
	// Settings are what the app's settings become at the commit; nil = they stay.
	Settings *Settings `json:"settings,omitempty"`
}

// State reads the app's state. A file that cannot be understood is a *Corrupt
// error, and so is one that is missing where there are releases: one of them
// may be serving.
func (a *App) State() (State, error) {
	state := State{Next: 1}
	found, err := decode(a.Path(stateFile), &state)
	if err != nil {
		return State{}, err
	}
	if !found {
		if numbers, err := a.Releases(); err != nil || len(numbers) > 0 {
			return State{}, errors.Join(err, &Corrupt{File: a.Path(stateFile), Err: errors.New("it is missing, and the app has releases")})
		}
	}
	if err := state.check(); err != nil {
		return State{}, &Corrupt{File: a.Path(stateFile), Err: err}
	}
	return state, nil
}

// SaveState replaces the app's state. It refuses one that State would not
// read.
func (a *App) SaveState(state State) error {
	if err := state.check(); err != nil {
		return fmt.Errorf("saving the state of app %q: %w", a.name, err)
	}
	data, err := encode(state)
	if err == nil {
		err = a.writeFile(a.Path(stateFile), data)
	}
	if err != nil {
		return fmt.Errorf("saving the state of app %q: %w", a.name, err)
	}
	return nil
}

// check holds what every command relies on.
func (s State) check() error {
	switch {
	case s.Next < 1:
		return fmt.Errorf("the next release has number %d", s.Next)
	case s.Live < 0 || s.Live >= s.Next || s.Previous < 0 || s.Previous >= s.Next:
		return fmt.Errorf("releases %d and %d are not below %d, the next one", s.Live, s.Previous, s.Next)
	case s.Slot != "" && s.Slot != Blue && s.Slot != Green:
		return fmt.Errorf("there is no slot %q", s.Slot)
	case (s.Live == 0) != (s.Slot == ""):
		return fmt.Errorf("release %d is live in slot %q", s.Live, s.Slot)
	}
	for slot, known := range s.Slots {
		if slot != Blue && slot != Green {
			return fmt.Errorf("there is no slot %q", slot)
		}
		if known.Replicas < 0 || known.Replicas > len(known.Addresses) {
			return fmt.Errorf("slot %s has %d replicas at %d addresses", slot, known.Replicas, len(known.Addresses))
		}
	}
	if s.Deploy != nil {
		return s.Deploy.check()
	}
	return nil
}

func (j Journal) check() error {
	switch j.Kind {
	case KindDeploy, KindRollback, KindRemove:
	default:
		return fmt.Errorf("the journal has no kind %q", j.Kind)
	}
	switch j.Phase {
	case Started, Installing, Switching, Committed:
		return nil
	}
	return fmt.Errorf("the journal has no phase %q", j.Phase)
}
