package release

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zdd/durable"
)

func TestDelete_leavesNothing(t *testing.T) {
	app := fillApp(t, newStore(t), "web")
	writeTestFile(t, app.Path("tls", "server.key"), "x")
	lock, err := app.Lock(t.Context(), 0, Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Delete(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(app.Path())); len(entries) > 0 || err != nil {
		t.Errorf("left: %v, error %v", entries, err)
	}
	if err := app.Delete(); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

func TestDelete_keepsStateAndLockUntilTheRestIsGone(t *testing.T) {
	app := fillApp(t, newStore(t), "web")
	stuck := app.Path("tls") // a folder that cannot be removed
	if err := os.Mkdir(stuck, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", stuck, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mounting a file system (run the tests as root): %v", err)
	}
	mounted := true
	unmount := func() {
		if mounted {
			mounted = false
			if err := unix.Unmount(stuck, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(unmount)
	if err := app.Delete(); !errors.Is(err, unix.EBUSY) {
		t.Fatalf("error %v, want EBUSY", err)
	}
	for _, name := range []string{stateFile, lockFile} {
		if !isThere(app.Path(name)) {
			t.Errorf("%s is gone before the rest", name)
		}
	}
	unmount()
	if err := app.Delete(); err != nil || app.Exists() {
		t.Errorf("deleting again: error %v", err)
	}
}

func TestApp_findsTheFilesOfTheUser(t *testing.T) {
	app := newApp(t, "web")
	for _, file := range []string{"nginx/b.conf", "nginx/a.conf", "nginx/.c.conf", "nginx/d.conf~", "tls/server.crt", "CHECKS", "env"} {
		writeTestFile(t, app.Path(file), "FROM=folder\nBOTH=folder\n")
	}
	writeTestFile(t, app.Path("more.env"), "BOTH=file\nALL=file\n")
	snippets, err := app.Snippets()
	if diff := cmp.Diff([]string{app.Path("nginx/a.conf"), app.Path("nginx/b.conf")}, snippets); diff != "" || err != nil {
		t.Errorf("error %v, snippets (-want +got):\n%s", err, diff)
	}
	if got := app.ChecksFile(Settings{}); got != app.Path("CHECKS") {
		t.Errorf("checks %q", got)
	}
	if got := app.ChecksFile(Settings{Checks: "/srv/x"}); got != "/srv/x" {
		t.Errorf("checks of the settings %q", got)
	}
	env, err := app.Environment(Settings{EnvFile: "more.env", Env: Env{"ALL": "settings"}})
	if diff := cmp.Diff(Env{"FROM": "folder", "BOTH": "file", "ALL": "settings"}, env); diff != "" || err != nil {
		t.Errorf("error %v, environment (-want +got):\n%s", err, diff)
	}
	var invalid *Invalid
	if _, _, err := app.Certificate(); !errors.As(err, &invalid) {
		t.Errorf("a certificate without key: %v", err)
	}
	writeTestFile(t, app.Path("tls/server.key"), "")
	if cert, key, err := app.Certificate(); cert != app.Path("tls/server.crt") || key != app.Path("tls/server.key") || err != nil {
		t.Errorf("certificate %q, %q, %v", cert, key, err)
	}
}

// TestApp_refusesUserFilesThatAreNone puts something else in the place of each
// file that a user may put into an app's folder. None may be waited for, and
// none may be passed over, as if it were not there.
func TestApp_refusesUserFilesThatAreNone(t *testing.T) {
	makers := map[string]func(path string) error{
		"a pipe":                  func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a folder":                func(path string) error { return os.Mkdir(path, 0o700) },
		"a device":                func(path string) error { return os.Symlink("/dev/zero", path) },
		"a link to nowhere":       func(path string) error { return os.Symlink("nowhere", path) },
		"more than anybody wants": func(path string) error { return writeSparse(path, durable.MaxUserFile+1) },
	}
	readers := map[string]func(a *App) error{
		"env":      func(a *App) error { _, err := a.Environment(Settings{}); return err },
		"more.env": func(a *App) error { _, err := a.Environment(Settings{EnvFile: "more.env"}); return err },
		"app.yaml": func(a *App) error { _, err := a.Settings(); return err },
	}
	for what, make := range makers {
		for name, read := range readers {
			app := newApp(t, "web")
			if err := app.makeDirs(); err != nil {
				t.Fatal(err)
			}
			if err := make(app.Path(name)); err != nil {
				t.Fatal(err)
			}
			var invalid *Invalid
			if err := read(app); !errors.As(err, &invalid) || invalid.File != app.Path(name) || invalid.Hint == "" {
				t.Errorf("%s in the place of %s: %v, want an *Invalid that names it", what, name, err)
			}
		}
	}
}

func TestApp_refusesFoldersOfUserFilesThatAreNone(t *testing.T) {
	for name, find := range map[string]func(a *App) error{
		"tls":   func(a *App) error { _, _, err := a.Certificate(); return err },
		"nginx": func(a *App) error { _, err := a.Snippets(); return err },
	} {
		for what, make := range map[string]func(path string) error{
			"a file":            func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"a link to nowhere": func(path string) error { return os.Symlink("nowhere", path) },
		} {
			app := newApp(t, "web")
			if err := app.makeDirs(); err != nil {
				t.Fatal(err)
			}
			if err := find(app); err != nil {
				t.Errorf("no %s: %v", name, err)
			}
			if err := make(app.Path(name)); err != nil {
				t.Fatal(err)
			}
			var invalid *Invalid
			if err := find(app); !errors.As(err, &invalid) || invalid.File != app.Path(name) {
				t.Errorf("%s in the place of %s: %v, want an *Invalid that names it", what, name, err)
			}
		}
	}
}

// writeSparse makes a file of the size that takes no room on the disk.
func writeSparse(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}
