package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
)

func TestEndpoint_followsTheDockerCommandLinesOrder(t *testing.T) {
	dir := t.TempDir()
	former := config.Dir()
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(former) })
	addContext(t, "staging", "tcp://127.0.0.1:2376")
	addContext(t, "other", "unix:///run/other.sock")
	for _, row := range []struct {
		name, given, host, context, current, want string
	}{
		{"given", "unix:///run/given.sock", "tcp://127.0.0.1:1", "staging", "", "unix:///run/given.sock"},
		{"DOCKER_HOST", "", "unix:///run/host.sock", "staging", "other", "unix:///run/host.sock"},
		{"DOCKER_CONTEXT", "", "", "staging", "other", "tcp://127.0.0.1:2376"},
		{"current context", "", "", "", "other", "unix:///run/other.sock"},
		{"default context by name", "", "", "default", "other", client.DefaultDockerHost},
		{"nothing", "", "", "", "", client.DefaultDockerHost},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv(client.EnvOverrideHost, row.host)
			t.Setenv(contextVariable, row.context)
			content := []byte(`{"currentContext":"` + row.current + `"}`)
			if err := os.WriteFile(filepath.Join(dir, config.ConfigFileName), content, 0o600); err != nil {
				t.Fatal(err)
			}
			options, _, err := endpoint(row.given)
			if err != nil {
				t.Fatal(err)
			}
			api, err := client.NewClientWithOpts(options...)
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			if got := api.DaemonHost(); got != row.want {
				t.Errorf("engine at %q, want %q", got, row.want)
			}
		})
	}
	t.Run("unknown context", func(t *testing.T) {
		t.Setenv(client.EnvOverrideHost, "")
		t.Setenv(contextVariable, "nobody")
		if _, _, err := endpoint(""); err == nil {
			t.Error("no error")
		}
	})
}

func addContext(t *testing.T, name, host string) {
	t.Helper()
	contexts := store.New(config.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	err := contexts.CreateOrUpdate(store.Metadata{
		Name: name, Endpoints: map[string]any{docker.DockerEndpoint: docker.EndpointMeta{Host: host}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
