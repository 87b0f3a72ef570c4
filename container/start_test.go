package container_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

func TestStart_publishesNoPortAndBoundsTheLog(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	spec.Memory, spec.NanoCPUs, spec.User = 64<<20, 500_000_000, "12:34"
	spec.Env = []string{"KEY=value with = and spaces"}
	instances := w.start(t, spec)
	found := onEngine(t, instances[0].Name)

	type view struct {
		Published, Bindings int
		Restart             container.RestartPolicyMode
		Log                 container.LogConfig
		Memory, CPUs        int64
		User, Stop          string
		Env                 []string
		Labels              map[string]string
	}
	want := view{
		Restart: "no",
		Log:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		Memory:  64 << 20, CPUs: 500_000_000, User: "12:34", Stop: "1",
		Env: []string{"KEY=value with = and spaces", "PORT=5000"},
		Labels: map[string]string{
			"zdd.root": w.config.Root, "zdd.app": spec.App, "zdd.release": "7", "zdd.slot": "blue",
			"zdd.replica": "1", "zdd.task": "",
		},
	}
	got := view{
		Bindings: len(found.HostConfig.PortBindings), Restart: found.HostConfig.RestartPolicy.Name,
		Log: found.HostConfig.LogConfig, Memory: found.HostConfig.Memory, CPUs: found.HostConfig.NanoCPUs,
		User: found.Config.User, Stop: fmt.Sprint(*found.Config.StopTimeout), Env: found.Config.Env, Labels: found.Config.Labels,
	}
	for _, bindings := range found.NetworkSettings.Ports {
		got.Published += len(bindings)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("container (want, got):\n%s", diff)
	}
}

func TestStart_leavesAPortOfTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	spec.Env = []string{"PORT=9"}
	var out bytes.Buffer
	if err := w.engine.RunOnce(t.Context(), spec, []string{"env", "PORT"}, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("9\n", out.String()); diff != "" {
		t.Errorf("PORT (want, got):\n%s", diff)
	}
}

func TestStart_keepsInstancesApart(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	served := w.start(t, w.spec(1))[0]
	answers(t, served) // the host reaches it
	var exit *zdd.Exited
	err := w.engine.RunOnce(t.Context(), w.spec(1),
		[]string{"dial", netip.AddrPortFrom(served.Address, 5000).String()}, io.Discard)
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("one container dials another: %v, want status 7", err)
	}
}

func TestStart_joinsFurtherNetworks(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	api := rawClient(t)
	name := unique("zdd-test-db")
	// A subnet that nothing else chooses: the address pools of the engine and
	// of zdd are elsewhere.
	made, err := api.NetworkCreate(t.Context(), name, network.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.NetworkRemove(context.Background(), made.ID); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	spec := w.spec(1)
	spec.Networks = []string{name}
	instances, err := w.engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.engine.Remove(context.Background(), instances); err != nil {
			t.Error(err)
		}
	}()
	joined := onEngine(t, instances[0].Name).NetworkSettings.Networks
	if joined[name] == nil || joined[w.network.Name] == nil || len(joined) != 2 {
		t.Errorf("networks: %v", joined)
	}
	answers(t, instances[0])
}

func TestStart_leavesNothingWhenOneReplicaCannotStart(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	for what, change := range map[string]func(*zdd.Spec){
		"unknown network": func(s *zdd.Spec) { s.Networks = []string{unique("none")} },
		"unknown user":    func(s *zdd.Spec) { s.User = "nobody-of-that-name" },
		"unknown image":   func(s *zdd.Spec) { s.Image = "sha256:" + strings.Repeat("0", 64) },
		"foreign address": func(s *zdd.Spec) { s.Addresses[1] = netip.MustParseAddr("203.0.113.9") },
		"bad volume":      func(s *zdd.Spec) { s.Volumes = []string{"relative/path:/data"} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			spec := w.spec(2)
			change(&spec)
			_, err := w.engine.Start(t.Context(), spec)
			var failure *zdd.NotStarted
			if !errors.As(err, &failure) || !strings.HasPrefix(failure.Name, "zdd-"+spec.App+"-7-") {
				t.Errorf("Start: %v, want NotStarted", err)
			}
			w.wantNothing(t, spec.App)
		})
	}
}

func TestStart_leavesNothingWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	// At any moment: before, while creating, while starting.
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond} {
		spec := w.spec(3)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		instances, err := w.engine.Start(ctx, spec)
		cancel()
		if err == nil {
			w.removeAfter(t, instances)
			continue
		}
		w.wantNothing(t, spec.App)
	}
}

func TestStart_keepsVolumesAndRemovesAnonymousOnes(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	api := rawClient(t)
	spec := w.spec(1)
	volume := unique("zdd-test-data")
	spec.Volumes = []string{volume + ":/data:ro"}
	instances := w.start(t, spec)
	if err := w.engine.Remove(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	// Named volumes hold the app's data: they outlive every release.
	if err := api.VolumeRemove(t.Context(), volume, false); err != nil {
		t.Errorf("the named volume: %v", err)
	}
}

func TestGuard_tellsAKillForWantOfMemory(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	// The kernel's word and the exit reach the engine by different ways, and it
	// forgets the word that comes second: it knows the cause nearly always.
	const tries = 5
	for range tries {
		spec := w.spec(1)
		spec.Memory, spec.Command = 16<<20, []string{"eat"}
		instances := w.start(t, spec)
		guarded, cancel := w.engine.Guard(t.Context(), instances)
		exit := awaitExit(t, guarded)
		cancel()
		if exit.Name != instances[0].Name || exit.Code != 137 || exit.Restarted || exit.Removed {
			t.Fatalf("exit %+v, want status 137 of %s", exit, instances[0].Name)
		}
		if exit.OOMKilled {
			return
		}
		if err := w.engine.Remove(t.Context(), instances); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("none of %d kills for want of memory was told as one", tries)
}

func TestLogs_boundsAnEndlessLine(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	spec.Command = []string{"chatter", "3000000"}
	instances := w.start(t, spec)
	guarded, cancel := w.engine.Guard(t.Context(), instances)
	defer cancel()
	wantExit(t, guarded, zdd.Exited{Name: instances[0].Name, Code: 0})
	lines, err := w.engine.Logs(t.Context(), instances[0], 10)
	if err != nil {
		t.Fatal(err)
	}
	// The engine keeps it in pieces of 16 KiB and hands out the last ten.
	if len(lines) != 1 || len(lines[0]) > zdd.MaxLogLine+40 || !strings.HasSuffix(lines[0], " bytes more)") {
		t.Errorf("%d lines, the first of %d bytes: %.60q…", len(lines), len(lines[0]), lines[0])
	}
}

func TestRemoveTasks_removesWhatAKilledZddLeft(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	api := rawClient(t)
	made, err := api.ContainerCreate(t.Context(),
		&container.Config{Image: w.image, Labels: map[string]string{
			"zdd.root": w.config.Root, "zdd.app": spec.App, "zdd.release": "7", "zdd.task": "release",
		}}, nil, nil, nil, "zdd-"+spec.App+"-7-release")
	if err != nil {
		t.Fatal(err)
	}
	instances := w.start(t, spec)
	if err := w.engine.RunOnce(t.Context(), spec, []string{"say", "0"}, io.Discard); err != nil {
		t.Errorf("RunOnce beside a leftover: %v", err)
	}
	if err := w.engine.RemoveTasks(t.Context(), spec.App); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ContainerInspect(t.Context(), made.ID); err == nil {
		t.Error("the leftover is still there")
	}
	if found := w.list(t, spec.App); len(found) != 1 || found[0].ID != instances[0].ID {
		t.Errorf("instances: %+v", found)
	}
}

func TestRunOnce_hasAnAddressThatNoInstanceGets(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.engine.RunOnce(ctx, spec, []string{"serve"}, io.Discard) }()
	var address netip.Addr
	eventually(t, "the command runs", func() bool {
		found, err := rawClient(t).ContainerInspect(t.Context(), "zdd-"+spec.App+"-7-release")
		if err != nil || !found.State.Running {
			return false
		}
		address = netip.MustParseAddr(found.NetworkSettings.Networks[w.network.Name].IPAddress)
		return true
	})
	if !w.network.Dynamic.Contains(address) {
		t.Errorf("address %s is outside %s", address, w.network.Dynamic)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("RunOnce: %v", err)
	}
	w.wantNoTask(t, spec.App)
}
