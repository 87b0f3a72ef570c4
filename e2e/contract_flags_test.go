package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inspected is what docker inspect tells about a container, as far as flags
// can change it or zdd promises it.
type inspected struct {
	Name   string
	Config struct {
		User, Image  string
		Env, Cmd     []string
		Labels       map[string]string
		StopTimeout  int
		ExposedPorts map[string]struct{}
	}
	HostConfig struct {
		Binds           []string
		Memory          int64
		NanoCpus        int64
		RestartPolicy   struct{ Name string }
		PortBindings    map[string]any
		PublishAllPorts bool
		Privileged      bool
	}
	NetworkSettings struct {
		Ports    map[string]any
		Networks map[string]any
	}
	Mounts []struct {
		Type, Name, Source, Destination string
		RW                              bool
	}
}

func (h *host) inspect(name string) inspected {
	h.t.Helper()
	out, err := exec.Command("docker", "inspect", "--type", "container", name).CombinedOutput()
	if err != nil {
		h.t.Fatalf("docker inspect %s: %v\n%s", name, err, out)
	}
	var found []inspected
	if err := json.Unmarshal(out, &found); err != nil {
		h.t.Fatal(err)
	}
	return found[0]
}

// TestDeploy_givesContainersWhatTheFlagsSay sets every flag that is about
// containers, and wants a later deploy without flags to remember them.
func TestDeploy_givesContainersWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	volume, network := h.app+"-data", h.app+"-net"
	h.docker("network", "create", "--internal", network)
	t.Cleanup(func() {
		// Removing an app leaves alone what holds data or is not zdd's.
		h.removeAll()
		h.docker("volume", "rm", volume)
		h.docker("network", "rm", network)
	})
	folder := filepath.Dir(h.file("plain", "x"))
	h.must("deploy", h.app, h.image("VERSION=v1"),
		"--env", "A=1", "--env", "LIST=a,b", "--env", "EMPTY=", "--env-file", h.file("env", "FROM_FILE=yes\nA=file\n"),
		"--volume", volume+":/data", "--volume", folder+":/srv:ro", "--network", network,
		"--memory", "64m", "--cpus", "0.5", "--user", "1000:1000", "--command", "serve --fast 'two words'",
		"--stop-timeout", "7s", "--port", "5001", "--replicas", "2", "--domain", "www."+h.app+".test")
	want := []string{"A=1", "EMPTY=", "FROM_FILE=yes", "LIST=a,b", "PORT=5001", "VERSION=v1"}
	for replica := 1; replica <= 2; replica++ {
		h.assertFlagsTookEffect(1, replica, "blue", want, volume, folder, network)
	}
	if status, version, _ := h.ask("www."+h.app+".test", "/"); status != 200 || version != "v1" {
		t.Errorf("the domain answers %d by %q, want 200 by v1", status, version)
	}

	h.must("deploy", h.app, h.image("VERSION=v2"), "--env", "B=2", "--env", "A=3")
	want = []string{"A=3", "B=2", "EMPTY=", "FROM_FILE=yes", "LIST=a,b", "PORT=5001", "VERSION=v2"}
	for replica := 1; replica <= 2; replica++ {
		h.assertFlagsTookEffect(2, replica, "green", want, volume, folder, network)
	}
	if status, version, _ := h.ask("www."+h.app+".test", "/"); status != 200 || version != "v2" {
		t.Errorf("the domain answers %d by %q, want 200 by v2", status, version)
	}

	// A rollback has the settings of its release, a refused deploy changes none.
	settings := h.settings()
	h.wants(2, "deploy", h.app, "zdd-test/none:1", "--pull", "never", "--memory", "128m", "--env", "C=4")
	h.must("rollback", h.app)
	h.assertFlagsTookEffect(1, 1, "blue", []string{"A=1", "EMPTY=", "FROM_FILE=yes", "LIST=a,b", "PORT=5001", "VERSION=v1"}, volume, folder, network)
	if diff := cmp.Diff(settings, h.settings()); diff != "" {
		t.Errorf("the settings were changed (-want +got):\n%s", diff)
	}
	assertContains(t, settings, "A: ", "64m", "0.5", "www."+h.app+".test", "two words")
	if strings.Contains(settings, "FROM_FILE") {
		t.Errorf("the settings have taken in the env file, which is to be read at each deploy:\n%s", settings)
	}
}

// settings are the app's as they are remembered.
func (h *host) settings() string {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, "apps", h.app, "app.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(content)
}

func (h *host) assertFlagsTookEffect(release, replica int, slot string, env []string, volume, folder, network string) {
	t := h.t
	t.Helper()
	name := fmt.Sprintf("zdd-%s-%d-%d", h.app, release, replica)
	got := h.inspect(name)
	check := func(what string, want, is any) {
		t.Helper()
		if diff := cmp.Diff(want, is); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", what, name, diff)
		}
	}
	variables := slices.DeleteFunc(got.Config.Env, func(pair string) bool { return strings.HasPrefix(pair, "PATH=") })
	slices.Sort(variables)
	check("variables", env, variables)
	check("command", []string{"serve", "--fast", "two words"}, got.Config.Cmd)
	check("user", "1000:1000", got.Config.User)
	check("stop timeout", 7, got.Config.StopTimeout)
	check("memory", int64(64<<20), got.HostConfig.Memory)
	check("processors", int64(5e8), got.HostConfig.NanoCpus)
	check("restart policy", "always", got.HostConfig.RestartPolicy.Name)
	check("image by its ID", true, strings.HasPrefix(got.Config.Image, "sha256:"))
	check("labels", map[string]string{
		"zdd.root": h.root, "zdd.app": h.app, "zdd.release": fmt.Sprint(release),
		"zdd.slot": slot, "zdd.replica": fmt.Sprint(replica), "zdd.task": "",
	}, got.Config.Labels)

	var mounts []string
	for _, m := range got.Mounts {
		source := m.Source
		if m.Type == "volume" {
			source = m.Name
		}
		mounts = append(mounts, fmt.Sprintf("%s %s %s rw=%v", m.Type, source, m.Destination, m.RW))
	}
	slices.Sort(mounts)
	check("mounts", []string{"bind " + folder + " /srv rw=false", "volume " + volume + " /data rw=true"}, mounts)
	h.assertReachableOnlyByItsNetworks(name, got, network)
}

// assertReachableOnlyByItsNetworks wants no port to be open to the world.
func (h *host) assertReachableOnlyByItsNetworks(name string, got inspected, network string) {
	t := h.t
	t.Helper()
	if len(got.HostConfig.PortBindings) != 0 || got.HostConfig.PublishAllPorts || got.HostConfig.Privileged {
		t.Errorf("%s publishes ports or is privileged: %+v", name, got.HostConfig)
	}
	for port, published := range got.NetworkSettings.Ports {
		if published != nil {
			t.Errorf("%s publishes %s as %v", name, port, published)
		}
	}
	own := h.docker("network", "ls", "--format", "{{.Name}}", "--filter", "label=zdd.root="+h.root)
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(own, network))), slices.Sorted(maps.Keys(got.NetworkSettings.Networks))); diff != "" {
		t.Errorf("networks of %s (-want +got):\n%s", name, diff)
	}
}
