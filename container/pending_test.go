package container_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

// TestAwaitCreation_letsNothingAppearLater lets an engine begin late with what
// it was asked by somebody who is gone: before, while and after it has the name.
func TestAwaitCreation_letsNothingAppearLater(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		when func(fake *dockertest.Engine, hold <-chan struct{})
	}{
		{"the request is not yet read", func(fake *dockertest.Engine, hold <-chan struct{}) {
			fake.Before(dockertest.OpCreate, 1, func() { <-hold })
		}},
		{"the name is taken, and there is no container yet", func(fake *dockertest.Engine, hold <-chan struct{}) {
			fake.DelayCreation(1, hold)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			fake := dockertest.New(t, nil)
			engine, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: fake.Host(), Settling: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			image := fake.AddImage("acme/web:1", dockertest.Image{})
			hold, late := make(chan struct{}), make(chan error, 1)
			row.when(fake, hold)
			go func() { late <- askFor(fake, "zdd-web-3-1", image) }()
			eventually(t, "the engine has the request", func() bool { return fake.Calls(dockertest.OpCreate) > 0 })

			// The name is held now, or it is waited for.
			awaited := make(chan error, 1)
			go func() { awaited <- engine.AwaitCreation(t.Context(), "web", 3, 1, image) }()
			eventually(t, "its names are asked for", func() bool { return fake.Calls(dockertest.OpCreate) >= 4 })
			close(hold)
			if err := <-awaited; err != nil {
				t.Errorf("AwaitCreation: %v", err)
			}
			found, err := engine.List(t.Context(), zdd.Filter{App: "web", All: true})
			if err == nil {
				err = errors.Join(engine.Remove(t.Context(), found), engine.RemoveTasks(t.Context(), "web"))
			}
			if err != nil {
				t.Error(err)
			}
			<-late // made or refused, as it came
			if left := fake.Containers(); len(left) != 0 {
				t.Errorf("appeared after the wait: %v", left)
			}
		})
	}
}

// askFor asks an engine for a container of release 3, once, as a command that is
// killed has done.
func askFor(fake *dockertest.Engine, name, image string) error {
	api, err := client.NewClientWithOpts(client.WithHost(fake.Host()), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer api.Close()
	_, err = api.ContainerCreate(context.Background(), &container.Config{Image: image, Labels: map[string]string{
		"zdd.root": "/srv/zdd", "zdd.app": "web", "zdd.release": "3", "zdd.slot": "blue", "zdd.replica": "1", "zdd.task": "",
	}}, &container.HostConfig{}, nil, nil, name)
	return err
}

func TestAwaitCreation_leavesWhatIsThereAndNothingOfItsOwn(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	spec := w.spec(2)
	instances := w.start(t, spec)
	// One more replica than there is, and an image that is lost.
	for _, image := range []string{w.image, "sha256:" + string(bytes.Repeat([]byte("0"), 64)), ""} {
		if err := w.engine.AwaitCreation(t.Context(), spec.App, spec.Release, 3, image); err != nil {
			t.Errorf("AwaitCreation of %q: %v", image, err)
		}
	}
	found, err := rawClient(t).ContainerList(t.Context(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "zdd.app="+spec.App)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, summary := range found {
		left = append(left, summary.ID)
	}
	want := []string{instances[0].ID, instances[1].ID}
	slices.Sort(want)
	slices.Sort(left)
	if !slices.Equal(want, left) {
		t.Errorf("there are %v, want %v", left, want)
	}
}

// TestStart_waitsForANameThatTheEngineIsStillAtWorkOn: of a command that was
// killed while the engine made its container.
func TestStart_waitsForANameThatTheEngineIsStillAtWorkOn(t *testing.T) {
	t.Parallel()
	fake := dockertest.New(t, nil)
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: fake.Host()})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	image := fake.AddImage("acme/web:1", dockertest.Image{Files: map[string]string{"/CHECKS": "/ ok"}})
	hold := make(chan struct{})
	fake.DelayCreation(1, hold)
	first := make(chan error, 1)
	read := func() error {
		return second(engine.ReadFiles(context.Background(), "web", 1, image, []string{"/CHECKS"}, 100))
	}
	go func() { first <- read() }()
	eventually(t, "the engine has the request", func() bool { return fake.Calls(dockertest.OpCreate) > 0 })
	again := make(chan error, 1)
	go func() { again <- read() }()
	eventually(t, "it is asked twice", func() bool { return fake.Calls(dockertest.OpCreate) > 1 })
	close(hold)
	if err := <-again; err != nil {
		t.Errorf("the second one: %v", err)
	}
	<-first
}
