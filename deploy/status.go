package deploy

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

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
// changes nothing and takes no lock. However many apps there are, the engine is
// asked once, and nginx on a connection for each processor.
func (d *Deployer) Status(ctx context.Context, names ...string) ([]AppStatus, error) {
	asked := len(names) > 0
	if !asked {
		all, err := d.Store.Apps()
		if err != nil {
			return nil, classify(ctx, err, "")
		}
		names = all
	}
	moves := make([]*move, len(names))
	statuses := make([]AppStatus, len(names))
	errs := make([]error, len(names))
	each(len(names), func(i int) {
		moves[i] = d.newMove(release.KindRecover, names[i])
		statuses[i], errs[i] = moves[i].onDisk()
	})
	for i, err := range errs {
		if err != nil && asked {
			return nil, classify(ctx, err, "")
		}
		if err != nil { // the other apps are not to blame
			moves[i].state.Live = 0
			statuses[i] = AppStatus{App: names[i], State: StateUnreadable, Replicas: []Replica{}, Domains: []string{}, Hint: err.Error()}
		}
	}
	world, err := d.look(ctx, moves)
	if err != nil {
		return nil, classify(ctx, err, "")
	}
	for i, m := range moves {
		if m.state.Live != 0 {
			world.complete(&statuses[i], m)
		}
	}
	return statuses, nil
}

// each does something for 0 to n-1, on all processors at once.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

// onDisk is what the app's files say of it. State is empty where that is for
// the engine and nginx to say.
func (m *move) onDisk() (AppStatus, error) {
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
		Replicas: []Replica{}, Domains: hosts(m.name, settings),
	}
	if m.state.Live == 0 {
		status.State = StateNone
		return m.unfinished(status), nil
	}
	live, err := m.app.Release(m.state.Live)
	if err != nil {
		return AppStatus{}, err
	}
	status.Image = live.Image
	return m.unfinished(status), nil
}

// seen is what the engine and nginx say of several apps.
type seen struct {
	instances map[string][]container.Instance // by app
	answers   map[string]nginx.Answer
}

// look asks the engine and nginx about those apps that have a live release.
func (d *Deployer) look(ctx context.Context, moves []*move) (seen, error) {
	var live []string
	for _, m := range moves {
		if m.state.Live != 0 {
			live = append(live, m.name)
		}
	}
	s := seen{instances: map[string][]container.Instance{}}
	if len(live) == 0 {
		return s, nil
	}
	filter := container.Filter{All: true, Brief: true}
	if len(live) == 1 {
		filter.App = live[0]
	}
	all, err := d.Engine.List(ctx, filter)
	if err != nil {
		return s, err
	}
	for _, instance := range all {
		s.instances[instance.App] = append(s.instances[instance.App], instance)
	}
	s.answers = d.Proxy.AnswersOf(ctx, live)
	return s, nil
}

// complete adds to the status what is not on disk.
func (s seen) complete(status *AppStatus, m *move) {
	status.Replicas = m.replicas(s.instances[m.name])
	if status.State == "" {
		status.State, status.Hint = m.health(status.Replicas, s.answers[m.name])
	}
}

// replicas are those that the live release should have, with what became of
// their containers.
func (m *move) replicas(instances []container.Instance) []Replica {
	slot := m.state.Slots[m.state.Slot]
	replicas := make([]Replica, 0, slot.Replicas)
	for n, address := range slot.Addresses[:slot.Replicas] {
		replica := Replica{fmt.Sprintf("zdd-%s-%d-%d", m.name, m.state.Live, n+1), address.String(), ReplicaMissing}
		for _, instance := range instances {
			if instance.Release == m.state.Live && instance.Replica == n+1 {
				replica.Name, replica.State = instance.Name, instance.State
			}
		}
		replicas = append(replicas, replica)
	}
	return replicas
}

// health says in a word how the live release is, and what to do about it.
func (m *move) health(replicas []Replica, answer nginx.Answer) (state AppState, hint string) {
	mend := "start it again: zdd recover " + m.name
	up := 0
	for _, replica := range replicas {
		if replica.State == container.StateRunning {
			up++
		}
	}
	switch {
	case up == 0:
		return StateStopped, "no replica runs; " + mend
	case up < len(replicas):
		return StateDegraded, fmt.Sprintf("%d of %d replicas run; deploy it again, which starts it whole", up, len(replicas))
	case answer.Err != nil:
		return StateUnreachable, fmt.Sprintf("nginx does not answer for it (%v); %s", answer.Err, mend)
	case answer.Slot != nginx.Slot(m.state.Slot):
		return StateUnreachable, fmt.Sprintf("nginx gives its requests to %s; %s", answer.Slot, mend)
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
