package container_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	zdd "zdd/container"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBuild_makesAnImageAndShowsTheBuildersWords(t *testing.T) {
	w := realWorld(t)
	tag := unique("zdd-test/built") + ":3"
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM scratch\nCOPY hello /\nEXPOSE 8080\nUSER 12\n", "hello": unique("hello"),
	})
	t.Cleanup(func() {
		if err := w.engine.Untag(context.Background(), tag); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	var out bytes.Buffer
	image, err := w.engine.Build(t.Context(), dir, tag, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !strings.HasPrefix(image.ID, "sha256:") || image.User != "12" || len(image.Ports) != 1 || image.Ports[0] != 8080 {
		t.Errorf("image: %+v", image)
	}
	if !strings.Contains(out.String(), "COPY hello /") {
		t.Errorf("output: %q", &out)
	}
}

func TestBuild_tellsWhatIsMissing(t *testing.T) {
	w := realWorld(t)
	var (
		nothing *zdd.NoDockerfile
		failed  *zdd.BuildFailed
		builder *zdd.NoBuilder
	)
	broken := folder(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY nothing-of-that-name /\n"})
	for what, row := range map[string]struct {
		dir string
		as  any
	}{
		"no folder":     {filepath.Join(t.TempDir(), "none"), &nothing},
		"no Dockerfile": {t.TempDir(), &nothing},
		"broken build":  {broken, &failed},
	} {
		if _, err := w.engine.Build(t.Context(), row.dir, unique("zdd-test/built"), &bytes.Buffer{}); !errors.As(err, row.as) {
			t.Errorf("%s: %v, want %T", what, err, row.as)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := w.engine.Build(t.Context(), broken, unique("zdd-test/built"), &bytes.Buffer{}); !errors.As(err, &builder) {
		t.Errorf("no docker command: %v, want %T", err, &builder)
	}
}

func TestBuild_endsWithItsContextAndTakesItsChildrenAlong(t *testing.T) {
	w := realWorld(t)
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM scratch\n",
		// A builder whose child ignores the signal that ends the builder.
		"docker": "#!/bin/sh\n(trap '' TERM; exec sleep 300) > /dev/null 2>&1 &\necho $! > child.tmp\nmv child.tmp child\nwait\n",
	})
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("interrupted")
	var child int
	go func() {
		eventually(t, "the builder's child runs", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "child"))
			child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return err == nil
		})
		cancel(stopped)
	}()
	if _, err := w.engine.Build(ctx, dir, unique("zdd-test/built"), &bytes.Buffer{}); !errors.Is(err, stopped) {
		t.Errorf("Build: %v, want %v", err, stopped)
	}
	eventually(t, "the child is gone", func() bool { return syscall.Kill(child, 0) != nil })
}
