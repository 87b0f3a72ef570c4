package deploy

import (
	"context"
	"fmt"

	"zdd/container"
	"zdd/nginx"
	"zdd/release"
)

// AppState says in a word how an app is.
type AppState string

// The states of an app.
const (
	StateLive        AppState = "live"        // every replica of the live release runs, and nginx gives it the requests
	StateDegraded    AppState = "degraded"    // some replicas run
	StateStopped     AppState = "stopped"     // none does
	StateUnreachable AppState = "unreachable" // nginx does not answer for the app
	StateUnfinished  AppState = "unfinished"  // a command did not come to its end: zdd recover
	StateBusy        AppState = "busy"        // a command is at work on it now
	StateUnreadable  AppState = "unreadable"  // its files cannot be understood
	StateNone        AppState = "none"        // never deployed with success
)

// ReplicaMissing is the state of a replica whose container is gone.
const ReplicaMissing = "missing"

// AppStatus is what status says of one app.
type AppStatus struct {
	App      string    `json:"app"`
	Release  int       `json:"release"`
	Slot     string    `json:"slot"`
	Image    string    `json:"image"`
	State    AppState  `json:"state"`
	Replicas []Replica `json:"replicas"`
	Domains  []string  `json:"domains"`
	Previous int       `json:"previous"`
	// Hint says what to do about a state that is not as it should be.
	Hint string `json:"hint,omitempty"`
}

// Replica is one container of the live release.
type Replica struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	State   string `json:"state"`
}

// Status says how the named apps are, or all apps when none is named. It
// changes nothing and takes no lock.
func (d *Deployer) Status(ctx context.Context, names ...string) ([]AppStatus, error) {
	asked := len(names) > 0
	if !asked {
		all, err := d.Store.Apps()
		if err != nil {
			return nil, classify(ctx, err, "")
		}
		names = all
	}
	statuses := make([]AppStatus, 0, len(names))
	for _, name := range names {
		m := d.newMove(release.KindRecover, name)
		status, err := m.status(ctx)
		if err != nil && (asked || is[*container.Unreachable](err)) {
			return nil, classify(ctx, err, "")
		}
		if err != nil { // the other apps are not to blame
			status = AppStatus{App: name, State: StateUnreadable, Replicas: []Replica{}, Domains: []string{}, Hint: err.Error()}
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

func (m *move) status(ctx context.Context) (AppStatus, error) {
	if err := m.mustExist(); err != nil {
		return AppStatus{}, err
	}
	settings, err := m.app.Settings()
	if err != nil {
		return AppStatus{}, err
	}
	if m.state, err = m.app.State(); err != nil {
		return AppStatus{}, err
	}
	status := AppStatus{
		App: m.name, Release: m.state.Live, Slot: string(m.state.Slot), Previous: m.state.Previous,
		State: StateNone, Replicas: []Replica{}, Domains: hosts(m.name, settings),
	}
	if m.state.Live == 0 {
		return m.unfinished(status), nil
	}
	live, err := m.app.Release(m.state.Live)
	if err != nil {
		return AppStatus{}, err
	}
	status.Image = live.Image
	if status.Replicas, err = m.replicas(ctx); err != nil {
		return AppStatus{}, err
	}
	status.State, status.Hint = m.health(ctx, status.Replicas)
	return m.unfinished(status), nil
}

// replicas are those that the live release should have, with what became of
// their containers.
func (m *move) replicas(ctx context.Context) ([]Replica, error) {
	instances, err := m.Engine.List(ctx, container.Filter{App: m.name, Release: m.state.Live, All: true})
	if err != nil {
		return nil, err
	}
	slot := m.state.Slots[m.state.Slot]
	replicas := make([]Replica, 0, slot.Replicas)
	for n, address := range slot.Addresses[:slot.Replicas] {
		replica := Replica{fmt.Sprintf("zdd-%s-%d-%d", m.name, m.state.Live, n+1), address.String(), ReplicaMissing}
		for _, instance := range instances {
			if instance.Replica == n+1 {
				replica.Name, replica.State = instance.Name, instance.State
			}
		}
		replicas = append(replicas, replica)
	}
	return replicas, nil
}

// health says in a word how the live release is, and what to do about it.
func (m *move) health(ctx context.Context, replicas []Replica) (state AppState, hint string) {
	mend := "start it again: zdd recover " + m.name
	up := 0
	for _, replica := range replicas {
		if replica.State == container.StateRunning {
			up++
		}
	}
	switch slot, err := m.Proxy.Answers(ctx, m.name); {
	case up == 0:
		return StateStopped, "no replica runs; " + mend
	case up < len(replicas):
		return StateDegraded, fmt.Sprintf("%d of %d replicas run; deploy it again, which starts it whole", up, len(replicas))
	case err != nil:
		return StateUnreachable, fmt.Sprintf("nginx does not answer for it (%v); %s", err, mend)
	case slot != nginx.Slot(m.state.Slot):
		return StateUnreachable, fmt.Sprintf("nginx gives its requests to %s; %s", slot, mend)
	default:
		return StateLive, ""
	}
}

// unfinished lays over status that a command is at work, or that one was
// killed at it.
func (m *move) unfinished(status AppStatus) AppStatus {
	journal := m.state.Deploy
	if journal == nil {
		return status
	}
	if holder, busy := m.app.Busy(); busy {
		status.State, status.Hint = StateBusy, holder.String()+" is at work"
		return status
	}
	status.State = StateUnfinished
	status.Hint = "the " + string(journal.Kind) + " was interrupted; run: zdd recover " + m.name
	return status
}

// History returns what happened to an app, oldest first.
func (d *Deployer) History(ctx context.Context, name string) ([]release.Entry, error) {
	m := d.newMove(release.KindRecover, name)
	if err := m.mustExist(); err != nil {
		return nil, classify(ctx, err, "")
	}
	entries, err := m.app.History()
	if err != nil {
		return nil, classify(ctx, err, "")
	}
	return entries, nil
}
