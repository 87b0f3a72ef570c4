package release

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestOpen_refusesRootsThatNginxOrTheKernelWouldMisread(t *testing.T) {
	for _, row := range []struct{ name, root string }{
		{"empty", ""},
		{"relative", "var/lib/zdd"},
		{"the whole file system", "/"},
		{"slash at the end", "/srv/zdd/"},
		{"parent", "/srv/../zdd"},
		{"blank", "/srv/z dd"},
		{"no-break space", "/srv/z\u00a0dd"},
		{"line feed", "/srv/zdd\n"},
		{"zero byte", "/srv/z\x00dd"},
		{"end of directive", "/srv/z;dd"},
		{"open block", "/srv/z{dd"},
		{"close block", "/srv/z}dd"},
		{"variable", "/srv/$host"},
		{"quote", "/srv/z'dd"},
		{"double quote", `/srv/z"dd`},
		{"backslash", `/srv/z\dd`},
		{"comment", "/srv/z#dd"},
		{"glob", "/srv/z*dd"},
		{"not UTF-8", "/srv/z\xffdd"},
		{"too long for the door's socket", "/" + strings.Repeat("x", longestRoot)},
	} {
		t.Run(row.name, func(t *testing.T) {
			store, err := Open(row.root)
			var invalid *Invalid
			if !errors.As(err, &invalid) || invalid.Hint == "" {
				t.Errorf("Open(%q) = %v, %v; want an *Invalid with a hint", row.root, store, err)
			}
		})
	}
}

func TestOpen_touchesNothing(t *testing.T) {
	store := newStore(t)
	app, err := store.App("web")
	if err != nil {
		t.Fatal(err)
	}
	if apps, err := store.Apps(); len(apps) > 0 || err != nil {
		t.Errorf("apps %q, error %v", apps, err)
	}
	if app.Exists() {
		t.Error("the app exists")
	}
	if _, busy := app.Busy(); busy {
		t.Error("the app is locked")
	}
	if _, err := app.State(); err != nil {
		t.Error(err)
	}
	if _, err := app.History(); err != nil {
		t.Error(err)
	}
	if _, _, err := store.Subnet(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(store.Root()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the root was made: %v", err)
	}
	longest := "/" + strings.Repeat("x", longestRoot-1)
	if _, err := Open(longest); err != nil {
		t.Errorf("Open with the longest root: %v", err)
	}
}

func TestDefaultRoot_followsTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run the tests as root")
	}
	if got := DefaultRoot(); got != "/var/lib/zdd" {
		t.Errorf("root's is %q", got)
	}
}

func TestApps_listsThoseThatExist(t *testing.T) {
	store := newStore(t)
	for _, path := range []string{"web/app.yaml", "api/state.json", "only-locked/lock", "Not_A_Name/app.yaml", ".hidden/app.yaml"} {
		writeTestFile(t, filepath.Join(store.Root(), "apps", path), "")
	}
	writeTestFile(t, filepath.Join(store.Root(), "apps", "file"), "")
	got, err := store.Apps()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"api", "web"}, got); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
}

func TestApp_refusesNamesThatEscape(t *testing.T) {
	for _, row := range []struct{ name, suggestion string }{
		{"", ""},
		{".", ""},
		{"..", ""},
		{"../etc", "etc"},
		{"/etc/passwd", "etc-passwd"},
		{"Web", "web"},
		{"my_shop", "my-shop"},
		{"my shop", "my-shop"},
		{"-web", "web"},
		{"web-", "web"},
		{"web\n", "web"},
		{"web\x00", "web"},
		{"web;", "web"},
		{"web{}", "web"},
		{"$web", "web"},
		{"web.green", "web-green"},
		{"grün", "gr-n"},
		{"--help", "help"},
		{strings.Repeat("a", 41), strings.Repeat("a", 40)},
		{strings.Repeat("a", 39) + "-b", strings.Repeat("a", 39)},
	} {
		_, err := newStore(t).App(row.name)
		want := &InvalidName{Name: row.name, Suggestion: row.suggestion}
		var got *InvalidName
		if !errors.As(err, &got) {
			t.Errorf("App(%q): error %v is no *InvalidName", row.name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("App(%q) (-want +got):\n%s", row.name, diff)
		}
	}
	for _, name := range []string{"a", "0", "web", "my-shop-2", strings.Repeat("a", 40), "a--b"} {
		if _, err := newStore(t).App(name); err != nil {
			t.Errorf("App(%q): %v", name, err)
		}
	}
}

func TestStore_permissionsAreTheSameWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o177} {
		former := unix.Umask(mask)
		got := permissionsOfAFullStore(t)
		unix.Umask(former)
		want := map[string]fs.FileMode{
			".": 0o711, "lock": 0o600, "addresses.json": 0o600,
			"apps": 0o700, "apps/web": 0o700, "apps/web/lock": 0o600, "apps/web/app.yaml": 0o600,
			"apps/web/state.json": 0o600, "apps/web/history.jsonl": 0o600,
			"apps/web/releases": 0o700, "apps/web/releases/1.json": 0o600,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("permissions with umask %o (-want +got):\n%s", mask, diff)
		}
	}
}

func permissionsOfAFullStore(t *testing.T) map[string]fs.FileMode {
	t.Helper()
	app := fillApp(t, newStore(t), "web")
	modes := map[string]fs.FileMode{}
	root := app.store.Root()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		modes[name] = info.Mode().Perm()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return modes
}

// fillApp makes one of everything that an app can have, and unlocks it.
func fillApp(t *testing.T, store *Store, name string) *App {
	t.Helper()
	app, err := store.App(name)
	if err != nil {
		t.Fatal(err)
	}
	storeLock, err := store.Lock(t.Context(), Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	appLock, err := app.Lock(t.Context(), 0, Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, allocate := store.Allocate("other", 1, never)
	if allocate == nil {
		t.Fatal("addresses without a subnet")
	}
	for _, err := range []error{
		store.SetSubnet(testSubnet, netip.Prefix{}),
		app.SaveSettings(full()),
		app.SaveState(State{Next: 2, Live: 1, Slot: Blue}),
		app.SaveRelease(Release{App: name, Number: 1, Env: Env{"A": "b"}}),
		app.Append(Entry{Kind: KindDeploy, Outcome: Done}),
		appLock.Unlock(),
		storeLock.Unlock(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return app
}

func TestStore_keepsThePermissionsOfARootInUse(t *testing.T) {
	store := newStore(t)
	writeTestFile(t, filepath.Join(store.Root(), "nginx", "zdd.conf"), "")
	fillApp(t, store, "web")
	info, err := os.Stat(store.Root())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestStoreLock_endsWithTheContext(t *testing.T) {
	store := newStore(t)
	lock, err := store.Lock(t.Context(), Self("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	told := 0
	if _, err := store.Lock(ctx, Self("test"), func(Holder) { told++ }); !errors.Is(err, context.DeadlineExceeded) || told != 1 {
		t.Errorf("error %v, told %d times", err, told)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}
