package container_test

import (
	"archive/tar"
	"context"
	"fmt"
	"testing"

	"github.com/containerd/errdefs"
)

func TestReadFiles_takesOnlyRegularFiles(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	image := loadConfigured(t, map[string]any{}, []entry{
		{tar.Header{Name: "folder/", Mode: 0o755, Typeflag: tar.TypeDir}, nil},
		{tar.Header{Name: "folder/file", Mode: 0o000, Size: 2, Uid: 1234}, []byte("hi")},
		{tar.Header{Name: "folder/hard", Typeflag: tar.TypeLink, Linkname: "folder/file"}, nil},
		{tar.Header{Name: "folder/pipe", Mode: 0o644, Typeflag: tar.TypeFifo}, nil},
		{tar.Header{Name: "folder/zero", Mode: 0o644, Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}, nil},
	})
	w.wantFiles(t, image,
		[]string{"/folder", "/folder/file", "/folder/hard", "/folder/pipe", "/folder/zero"},
		map[string]string{"/folder/file": "hi", "/folder/hard": "hi"})
}

func TestReadFiles_leavesNoVolumeBehind(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	image := loadConfigured(t, map[string]any{"Volumes": map[string]any{"/data": struct{}{}}},
		[]entry{{tar.Header{Name: "data/CHECKS", Mode: 0o644, Size: 2}, []byte("hi")}})
	app := unique("app")
	type result struct {
		files map[string][]byte
		err   error
	}
	done := make(chan result, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		var paths []string
		for i := range 200 { // long enough to be looked at; it is cancelled then
			paths = append(paths, fmt.Sprintf("/data/../data/%d/../CHECKS", i))
		}
		files, err := w.engine.ReadFiles(ctx, app, 1, image, paths, 10)
		done <- result{files, err}
	}()
	var volume string
	eventually(t, "it reads", func() bool {
		found, err := rawClient(t).ContainerInspect(t.Context(), "zdd-"+app+"-1-files")
		if err != nil || len(found.Mounts) == 0 {
			return false
		}
		volume = found.Mounts[0].Name
		return true
	})
	cancel()
	if got := <-done; got.err == nil {
		t.Errorf("it had read %d files before it was looked at", len(got.files))
	}
	if _, err := rawClient(t).VolumeInspect(t.Context(), volume); volume == "" || !errdefs.IsNotFound(err) {
		t.Errorf("volume %q: %v, want it gone", volume, err)
	}
	w.wantNoTask(t, app)
	w.wantFiles(t, image, []string{"/data/CHECKS"}, map[string]string{"/data/CHECKS": "hi"})
}

func TestReadFiles_leavesAForeignContainerAlone(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	other := w.other(t, "/srv/"+unique("other"))
	app := unique("app")
	w.leaveReader(t, app, 1)
	t.Cleanup(func() {
		if err := w.engine.RemoveTasks(context.Background(), app); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	if _, err := other.ReadFiles(t.Context(), app, 1, w.image, []string{"/probe"}, 10); err == nil {
		t.Error("no error")
	}
	if w.tasks(t, app) != 1 {
		t.Error("the container of another root is gone")
	}
}
