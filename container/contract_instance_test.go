package container_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

func startsReplicas(t *testing.T, w *world) {
	spec := w.spec(3)
	instances := w.start(t, spec)
	for i, instance := range instances {
		want := zdd.Instance{
			ID: instance.ID, Name: instance.Name, App: spec.App, Release: 7, Slot: "blue", Replica: i + 1,
			Image: w.image, Address: spec.Addresses[i], State: zdd.StateRunning,
		}
		if diff := cmp.Diff(want, instance, sameAddress); diff != "" {
			t.Errorf("replica %d (want, got):\n%s", i+1, diff)
		}
		answers(t, instance)
	}
	if diff := cmp.Diff(instances, w.list(t, spec.App), sameAddress); diff != "" {
		t.Errorf("what was started and what is listed (want, got):\n%s", diff)
	}
}

var sameAddress = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func listsByFilter(t *testing.T, w *world) {
	old := w.spec(1)
	stopped := w.start(t, old)
	current := old
	current.Release, current.Slot, current.Addresses = 8, "green", []netip.Addr{w.address()}
	running := w.start(t, current)
	if err := w.engine.Stop(t.Context(), stopped, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		filter zdd.Filter
		want   []string
	}{
		{zdd.Filter{App: old.App, All: true}, []string{stopped[0].Name, running[0].Name}},
		{zdd.Filter{App: old.App}, []string{running[0].Name}},
		{zdd.Filter{App: old.App, Release: 7, All: true}, []string{stopped[0].Name}},
		{zdd.Filter{App: old.App, Release: 7}, nil},
		{zdd.Filter{App: unique("none"), All: true}, nil},
	} {
		found, err := w.engine.List(t.Context(), row.filter)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, instance := range found {
			names = append(names, instance.Name)
		}
		if diff := cmp.Diff(row.want, names); diff != "" {
			t.Errorf("List(%+v) (want, got):\n%s", row.filter, diff)
		}
	}
}

func showsOnlyItsOwn(t *testing.T, w *world) {
	instances := w.start(t, w.spec(1))
	other := w.other(t, "/srv/"+unique("other"))
	found, err := other.List(t.Context(), zdd.Filter{All: true})
	if err != nil || len(found) != 0 {
		t.Errorf("another root lists %+v, %v", found, err)
	}
	var taken *zdd.NameTaken
	if err := other.Remove(t.Context(), instances); !errors.As(err, &taken) || taken.Root != w.config.Root {
		t.Errorf("another root removes: %v, want NameTaken", err)
	}
	if len(w.list(t, instances[0].App)) != 1 {
		t.Error("another root removed the instance")
	}
}

func stopsAndRestarts(t *testing.T, w *world) {
	spec := w.spec(2)
	instances := w.start(t, spec)
	for _, instance := range instances {
		answers(t, instance)
	}
	if err := w.engine.Promote(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	w.wantPolicy(t, instances, "always")
	for range 2 { // the second time they are stopped already
		if err := w.engine.Stop(t.Context(), instances, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	w.wantPolicy(t, instances, "no") // or a reboot would bring them back
	for _, instance := range w.list(t, spec.App) {
		if instance.State != zdd.StateExited || instance.ExitCode != 0 || !instance.Address.IsValid() {
			t.Errorf("after Stop: %+v", instance)
		}
	}
	again, done, err := w.engine.Restart(t.Context(), spec)
	if err != nil || !done {
		t.Fatalf("Restart: %v, %v", done, err)
	}
	if diff := cmp.Diff(instances, again, sameAddress); diff != "" {
		t.Errorf("first and restarted (want, got):\n%s", diff)
	}
	for _, instance := range again {
		answers(t, instance)
	}
	// Promote must not reach over the stop: an exit is an exit again.
	guarded, cancel := w.engine.Guard(t.Context(), again)
	defer cancel()
	_ = get(again[1], "/exit?code=4")
	wantExit(t, guarded, zdd.Exited{Name: again[1].Name, Code: 4})
}

func (w *world) wantPolicy(t *testing.T, instances []zdd.Instance, want container.RestartPolicyMode) {
	t.Helper()
	for _, instance := range instances {
		found, err := w.api(t).ContainerInspect(t.Context(), instance.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.HostConfig.RestartPolicy.Name; got != want {
			t.Errorf("container %s has restart policy %q, want %q", instance.Name, got, want)
		}
	}
}

func refusesOtherRestarts(t *testing.T, w *world) {
	spec := w.spec(2)
	instances := w.start(t, spec)
	if err := w.engine.Stop(t.Context(), instances, 0); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*zdd.Spec){
		"another address": func(s *zdd.Spec) { s.Addresses = []netip.Addr{s.Addresses[0], w.address()} },
		"more replicas":   func(s *zdd.Spec) { s.Addresses = append(s.Addresses[:2:2], w.address()) },
		"fewer replicas":  func(s *zdd.Spec) { s.Addresses = s.Addresses[:1] },
		"another slot":    func(s *zdd.Spec) { s.Slot = "green" },
		"another image":   func(s *zdd.Spec) { s.Image = "sha256:" + strings.Repeat("0", 64) },
		"another release": func(s *zdd.Spec) { s.Release++ },
	} {
		changed := spec
		change(&changed)
		if _, done, err := w.engine.Restart(t.Context(), changed); done || err != nil {
			t.Errorf("%s: Restart says %v, %v", what, done, err)
		}
	}
	for _, instance := range w.list(t, spec.App) {
		if instance.State != zdd.StateExited {
			t.Errorf("was started: %+v", instance)
		}
	}
}

func removesTwice(t *testing.T, w *world) {
	spec := w.spec(2)
	instances := w.start(t, spec)
	for range 2 {
		if err := w.engine.Remove(t.Context(), instances); err != nil {
			t.Fatal(err)
		}
		w.wantNothing(t, spec.App)
	}
	if err := w.engine.Stop(t.Context(), instances, 0); err != nil {
		t.Errorf("Stop of what is gone: %v", err)
	}
}

func leavesNothingOnTakenAddress(t *testing.T, w *world) {
	first := w.start(t, w.spec(1))
	spec := w.spec(2)
	spec.Addresses[1] = first[0].Address
	_, err := w.engine.Start(t.Context(), spec)
	var failure *zdd.NotStarted
	if !errors.As(err, &failure) || failure.Address != first[0].Address {
		t.Errorf("Start on a taken address: %v, want NotStarted", err)
	}
	w.wantNothing(t, spec.App)
}

func refusesForeignName(t *testing.T, w *world) {
	spec := w.spec(1)
	w.start(t, spec)
	other := w.other(t, "/srv/"+unique("other"))
	_, err := other.Start(t.Context(), spec)
	var taken *zdd.NameTaken
	if !errors.As(err, &taken) || taken.Root != w.config.Root {
		t.Errorf("Start under a name of another root: %v, want NameTaken", err)
	}
	if len(w.list(t, spec.App)) != 1 {
		t.Error("the other root's instance is gone")
	}
}

func replacesLeftover(t *testing.T, w *world) {
	spec := w.spec(1)
	left := w.start(t, spec)
	_, err := w.engine.Start(t.Context(), spec)
	var running *zdd.StillRunning
	if !errors.As(err, &running) {
		t.Fatalf("Start beside a running leftover: %v, want StillRunning", err)
	}
	if err := w.engine.Stop(t.Context(), left, 0); err != nil {
		t.Fatal(err)
	}
	fresh := w.start(t, spec)
	if fresh[0].ID == left[0].ID {
		t.Error("the leftover was not replaced")
	}
	answers(t, fresh[0])
}
