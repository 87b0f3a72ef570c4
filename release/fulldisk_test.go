package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// storeOn returns a store on a file system of its own with these options.
func storeOn(t *testing.T, options string) *Store {
	t.Helper()
	store := newStore(t)
	if err := os.MkdirAll(store.Root(), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", store.Root(), "tmpfs", 0, options); err != nil {
		t.Fatalf("mounting a small file system (run the tests as root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(store.Root(), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return store
}

// fullStore returns an app whose store is on a file system without room.
func fullStore(t *testing.T) *App {
	t.Helper()
	store := storeOn(t, "size=256k")
	app := fillApp(t, store, "web")
	ballast, err := os.Create(filepath.Join(store.Root(), "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = ballast.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := ballast.Close(); err != nil {
		t.Fatal(err)
	}
	return app
}

// contents reads all files of the store but the locks and the ballast.
func contents(t *testing.T, store *Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(store.Root(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "ballast" && entry.Name() != lockFile {
			files[path] = readTestFile(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFullDisk_failsWithoutChangingAnything(t *testing.T) {
	app := fullStore(t)
	before := contents(t, app.store)
	long := strings.Repeat("x", 10_000) // more than the last page of the history has room for
	for name, write := range map[string]func() error{
		"settings": func() error { return app.SaveSettings(Settings{Port: 1}) },
		"state":    func() error { return app.SaveState(State{Next: 3, Live: 2, Slot: Green}) },
		"release":  func() error { return app.SaveRelease(Release{App: "web", Number: 2}) },
		"history":  func() error { return app.Append(Entry{Kind: KindDeploy, Error: long}) },
		"addresses": func() error {
			_, err := app.store.Allocate("web", 1, never)
			return err
		},
	} {
		if err := write(); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: error %v, want ENOSPC", name, err)
		}
	}
	if diff := cmp.Diff(before, contents(t, app.store)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

func TestFullDisk_doesNotKeepAnAppFromBeingLockedAndDeleted(t *testing.T) {
	app := fullStore(t)
	lock, err := app.Lock(t.Context(), 0, Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(app.Delete(), lock.Unlock()); err != nil {
		t.Error(err)
	}
	if app.Exists() {
		t.Error("the app exists")
	}
}
