package container_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

// pulled resolves an image and forgets it after the test.
func pulled(t *testing.T, w *world, ref string, policy zdd.PullPolicy, progress func(zdd.Progress)) (zdd.Image, error) {
	t.Helper()
	t.Cleanup(func() {
		if err := w.engine.Untag(context.Background(), ref); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return w.engine.Resolve(t.Context(), ref, policy, progress)
}

func TestResolve_pullsWhatIsMissing(t *testing.T) {
	w := realWorld(t)
	registry := newRegistry(t, "", "")
	ref := registry.ref("v1")
	var last zdd.Progress
	got, err := pulled(t, w, ref, zdd.PullMissing, func(p zdd.Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	want := zdd.Image{
		Ref: ref, ID: got.ID, Pulled: true, Size: got.Size, Ports: []int{8080},
		Digest: registry.address + "/app@" + digest(registry.manifests["v1"]),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("image (want, got):\n%s", diff)
	}
	if diff := cmp.Diff(zdd.Progress{Ref: ref, Layers: 1, Ready: 1, Done: last.Total, Total: last.Total}, last); diff != "" {
		t.Errorf("last progress (want, got):\n%s", diff)
	}
	for _, policy := range []zdd.PullPolicy{zdd.PullMissing, zdd.PullAlways, zdd.PullNever, ""} {
		if again, err := w.engine.Resolve(t.Context(), ref, policy, nil); err != nil || again.ID != got.ID {
			t.Errorf("again, policy %q: %+v, %v", policy, again, err)
		}
	}
}

func TestResolve_noticesAMovedTagOnlyWhenItAlwaysPulls(t *testing.T) {
	w := realWorld(t)
	registry := newRegistry(t, "", "")
	ref := registry.ref("v1")
	old, err := pulled(t, w, ref, zdd.PullMissing, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the old image has lost its name
		_ = w.engine.Tag(context.Background(), old.ID, ref)
		_ = w.engine.Untag(context.Background(), ref)
	})
	registry.add(t, "v1", make([]byte, 1024), false)
	if kept, err := w.engine.Resolve(t.Context(), ref, zdd.PullMissing, nil); err != nil || kept.ID != old.ID {
		t.Errorf("missing: %+v, %v", kept, err)
	}
	moved, err := w.engine.Resolve(t.Context(), ref, zdd.PullAlways, nil)
	if err != nil || moved.ID == old.ID {
		t.Fatalf("always: %+v, %v", moved, err)
	}
	if err := w.engine.Untag(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
}

func TestResolve_tellsAnUnknownImageFromABrokenDownload(t *testing.T) {
	w := realWorld(t)
	registry := newRegistry(t, "", "")
	locked := newRegistry(t, "ann", "secret")
	var (
		none   *zdd.NoImage
		failed *zdd.PullFailed
	)
	for _, row := range []struct {
		what, ref string
		as        any
	}{
		{"unknown tag", registry.ref("v9"), &none},
		{"unknown repository", registry.address + "/nobody:v1", &none},
		{"no login", locked.ref("v1"), &none},
		{"torn layer", registry.ref("torn"), &failed},
		{"no registry", "127.0.0.1:1/app:v1", &none},
	} {
		if _, err := w.engine.Resolve(t.Context(), row.ref, zdd.PullMissing, nil); !errors.As(err, row.as) {
			t.Errorf("%s: %v, want %T", row.what, err, row.as)
		}
	}
}

func TestResolve_logsInAsTheDockerCommandLineDoes(t *testing.T) {
	w := realWorld(t)
	locked := newRegistry(t, "ann", "secret")
	helpers := t.TempDir()
	helper := "#!/bin/sh\nread server\n" +
		`printf '{"ServerURL":"%s","Username":"ann","Secret":"secret"}' "$server"` + "\n"
	if err := os.WriteFile(filepath.Join(helpers, "docker-credential-zddtest"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", helpers+":"+os.Getenv("PATH"))
	for what, file := range map[string]string{
		"config file":       fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, locked.address, locked.login()),
		"credential helper": fmt.Sprintf(`{"credHelpers":{%q:"zddtest"}}`, locked.address),
		"credential store":  `{"credsStore":"zddtest"}`,
	} {
		t.Run(what, func(t *testing.T) {
			useDockerConfig(t, file)
			if _, err := pulled(t, w, locked.ref("v1"), zdd.PullAlways, nil); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("broken helper", func(t *testing.T) {
		useDockerConfig(t, `{"credsStore":"none-of-that-name"}`)
		_, err := w.engine.Resolve(t.Context(), locked.ref("v1"), zdd.PullAlways, nil)
		if err == nil || !strings.Contains(err.Error(), "docker-credential-none-of-that-name") {
			t.Errorf("error: %v, want one that names the helper", err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	})
}

// useDockerConfig makes content the docker command line's configuration for
// the rest of the test.
func useDockerConfig(t *testing.T, content string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	former := config.Dir()
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(former) })
	t.Setenv("DOCKER_CONFIG", dir)
}

// TestTag_isNotCutOff: an interrupt comes while the engine has the request. What
// is undone then must find the name.
func TestTag_isNotCutOff(t *testing.T) {
	t.Parallel()
	fake := dockertest.New(t, nil)
	image := fake.AddImage("acme/web:1", dockertest.Image{})
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: fake.Host()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	ctx, interrupt := context.WithCancel(t.Context())
	fake.Before(dockertest.OpTag, 1, interrupt)
	if err := engine.Tag(ctx, image, "zdd/web:1"); err != nil {
		t.Error(err)
	}
	if found, err := engine.TaggedImage(t.Context(), "zdd/web:1"); err != nil || found.ID != image {
		t.Errorf("the name is of %q, %v; want it given", found.ID, err)
	}
	if err := engine.Tag(ctx, image, "zdd/web:2"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the interrupt, want it not to begin", err)
	}
}
