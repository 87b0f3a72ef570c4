package release

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
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
		if !isFile(app.Path(name)) {
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
	if diff := cmp.Diff([]string{app.Path("nginx/a.conf"), app.Path("nginx/b.conf")}, app.Snippets()); diff != "" {
		t.Errorf("snippets (-want +got):\n%s", diff)
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
