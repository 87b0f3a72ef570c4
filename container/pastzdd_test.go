package container_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	zdd "zdd/container"
)

// onEngine is the engine's own view of a container, past zdd's.
func onEngine(t *testing.T, name string) container.InspectResponse {
	t.Helper()
	found, err := rawClient(t).ContainerInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func rawClient(t *testing.T) *client.Client {
	t.Helper()
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	return api
}

// api is the engine past zdd.
func (w *world) api(t *testing.T) *client.Client {
	t.Helper()
	if w.config.Host == "" {
		return rawClient(t)
	}
	api, err := client.NewClientWithOpts(client.WithHost(w.config.Host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	return api
}

// tasks counts the one-off containers of an app.
func (w *world) tasks(t *testing.T, app string) int {
	t.Helper()
	found, err := w.api(t).ContainerList(context.Background(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "zdd.app="+app)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// leaveReader makes what a zdd that was killed while it read an image left.
func (w *world) leaveReader(t *testing.T, app string, release int) {
	t.Helper()
	labels := map[string]string{"zdd.root": w.config.Root, "zdd.app": app, "zdd.release": fmt.Sprint(release), "zdd.task": "release"}
	_, err := w.api(t).ContainerCreate(t.Context(), &container.Config{Image: w.image, Labels: labels},
		&container.HostConfig{}, &network.NetworkingConfig{}, nil, fmt.Sprintf("zdd-%s-%d-files", app, release))
	if err != nil {
		t.Fatal(err)
	}
}

// wantNoExec wants the commands in an instance to be over.
func (w *world) wantNoExec(t *testing.T, instance zdd.Instance) {
	t.Helper()
	found, err := w.api(t).ContainerInspect(context.Background(), instance.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range found.ExecIDs {
		if command, err := w.api(t).ContainerExecInspect(context.Background(), id); err == nil && command.Running {
			t.Errorf("still running: %+v", command)
		}
	}
}
