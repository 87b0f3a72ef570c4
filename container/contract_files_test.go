package container_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
	"zdd/container/dockertest"
)

func tellsHealthcheck(t *testing.T, w *world) {
	for what, described := range map[string]dockertest.Image{
		"none":  {},
		"shell": {Shell: []string{"/bin/bash", "-o", "pipefail", "-c"}, WorkingDir: "/app"},
		"check": {Healthcheck: &zdd.Healthcheck{
			Test: []string{"CMD", "/app", "--healthy"}, Interval: 5 * time.Second, Timeout: 1500 * time.Millisecond,
			StartPeriod: time.Minute, Retries: 7,
		}},
		"check in a shell": {Healthcheck: &zdd.Healthcheck{Test: []string{"CMD-SHELL", "curl -f localhost"}}},
	} {
		got, err := w.engine.Resolve(t.Context(), w.add(t, described), zdd.PullNever, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := zdd.Image{
			Ref: got.Ref, ID: got.ID, Size: got.Size,
			WorkingDir: described.WorkingDir, Healthcheck: described.Healthcheck, Shell: described.Shell,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (want, got):\n%s", what, diff)
		}
	}
	for _, test := range [][]string{nil, {"NONE"}} {
		turnedOff := w.add(t, dockertest.Image{Healthcheck: &zdd.Healthcheck{Test: test, Retries: 3}})
		if got, err := w.engine.Resolve(t.Context(), turnedOff, zdd.PullNever, nil); err != nil || got.Healthcheck != nil {
			t.Errorf("with the test %q: %+v, %v", test, got.Healthcheck, err)
		}
	}
}

// wantFiles reads the paths and compares; want has those that are to be there.
// Nothing may be left afterwards.
func (w *world) wantFiles(t *testing.T, image string, paths []string, want map[string]string) {
	t.Helper()
	app := unique("app")
	found, err := w.engine.ReadFiles(t.Context(), app, 3, image, paths, 1000)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for path, content := range found {
		got[path] = string(content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (want, got):\n%s", diff)
	}
	w.wantNoTask(t, app)
}

func readsFiles(t *testing.T, w *world) {
	image := w.add(t, dockertest.Image{
		WorkingDir: "/not/there",
		Files:      map[string]string{"/app/CHECKS": "/ hello\n", "/app/empty": "", "/a name with spaces & ümlaut": "x", "/program": "\x7fELF"},
	})
	w.wantFiles(t, image,
		[]string{"/app/CHECKS", "/app/empty", "/a name with spaces & ümlaut", "/app/none", "/none/CHECKS", "/app", "/", "/program/CHECKS", "/not/there"},
		map[string]string{"/app/CHECKS": "/ hello\n", "/app/empty": "", "/a name with spaces & ümlaut": "x"})
	w.wantFiles(t, image, nil, map[string]string{})
	w.wantFiles(t, image, []string{"/none"}, map[string]string{})
}

func followsLinks(t *testing.T, w *world) {
	links := map[string]string{
		"/app/relative":      "../shared/CHECKS",
		"/app/absolute":      "/shared/CHECKS",
		"/app/outside":       "../../../../../shared/CHECKS",
		"/app/current":       "/releases/12",
		"/releases/12/up":    "../../shared/CHECKS",
		"/app/broken":        "nowhere",
		"/app/folder":        "/shared",
		"/loop/a":            "b",
		"/loop/b":            "a",
		"/chain/0":           "/shared/CHECKS",
		"/app/through-file":  "/shared/CHECKS/x",
		"/app/through-links": "current/up",
	}
	for i := 1; i < 9; i++ {
		links[fmt.Sprintf("/chain/%d", i)] = fmt.Sprint(i - 1)
	}
	image := w.add(t, dockertest.Image{Files: map[string]string{"/shared/CHECKS": "shared"}, Links: links})
	want := map[string]string{}
	for _, path := range []string{
		"/app/relative", "/app/absolute", "/app/outside", "/app/current/up", "/app/folder/CHECKS", "/chain/8",
		"/app/through-links", "/../../shared/CHECKS", "/app/../shared/CHECKS",
	} {
		want[path] = "shared"
	}
	paths := []string{"/app/broken", "/app/folder", "/loop/a", "/loop/a/x", "/app/broken/x", "/app/through-file"}
	for path := range want {
		paths = append(paths, path)
	}
	w.wantFiles(t, image, paths, want)
}

func cutsLongFiles(t *testing.T, w *world) {
	image := w.add(t, dockertest.Image{Files: map[string]string{
		"/fits": strings.Repeat("y", 100), "/over": strings.Repeat("y", 101), "/long": strings.Repeat("y", 3<<20),
	}})
	app := unique("app")
	found, err := w.engine.ReadFiles(t.Context(), app, 1, image, []string{"/fits", "/over", "/long"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for path, content := range found {
		got[path] = len(content)
	}
	if diff := cmp.Diff(map[string]int{"/fits": 100, "/over": 101, "/long": 101}, got); diff != "" {
		t.Errorf("bytes (want, got):\n%s", diff)
	}
	w.wantNoTask(t, app)
}

func readsNoUnknownImage(t *testing.T, w *world) {
	app := unique("app")
	_, err := w.engine.ReadFiles(t.Context(), app, 1, "sha256:"+strings.Repeat("0", 64), []string{"/CHECKS"}, 10)
	var unknown *zdd.NoImage
	if !errors.As(err, &unknown) {
		t.Errorf("ReadFiles: %v, want NoImage", err)
	}
	w.wantNoTask(t, app)
}

// readsBesideALeftover: what a killed zdd left has the very name, and is of
// another image. RemoveTasks removes it too.
func readsBesideALeftover(t *testing.T, w *world) {
	image := w.add(t, dockertest.Image{Files: map[string]string{"/CHECKS": "new"}})
	app := unique("app")
	w.leaveReader(t, app, 3)
	found, err := w.engine.ReadFiles(t.Context(), app, 3, image, []string{"/CHECKS"}, 10)
	if err != nil || string(found["/CHECKS"]) != "new" {
		t.Errorf("ReadFiles beside a leftover: %q, %v", found, err)
	}
	w.wantNoTask(t, app)

	w.leaveReader(t, app, 3)
	if found := w.list(t, app); len(found) != 0 {
		t.Errorf("taken for an instance: %+v", found)
	}
	if err := w.engine.RemoveTasks(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	w.wantNoTask(t, app)
}

func leavesNothingOfCancelledReading(t *testing.T, w *world) {
	image := w.add(t, dockertest.Image{Files: map[string]string{"/CHECKS": "x"}})
	stopped := errors.New("interrupted")
	// At any moment: before, while creating, while reading, after.
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, 100 * time.Millisecond} {
		app := unique("app")
		ctx, cancel := context.WithTimeoutCause(t.Context(), after, stopped)
		_, err := w.engine.ReadFiles(ctx, app, 1, image, []string{"/CHECKS", "/none", "/CHECKS", "/CHECKS"}, 10)
		cancel()
		if err != nil && !errors.Is(err, stopped) {
			t.Errorf("cancelled after %s: %v", after, err)
		}
		w.wantNoTask(t, app)
	}
}
