package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// within runs zdd, and wants it to end by itself: what waits for a pipe would
// wait for ever.
func (h *host) within(args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(h.t, "zdd"), args...)
	cmd.Env = h.env
	r := ended(h.t, cmd)
	if ctx.Err() != nil {
		h.t.Fatalf("zdd %s hangs\n%s", strings.Join(args, " "), r.stderr)
	}
	return r
}

// strange are things that a person or a program may put in the place of a file.
var strange = []struct {
	name string
	make func(path string) error
}{
	{"a pipe", func(path string) error { return unix.Mkfifo(path, 0o700) }},
	{"a folder", func(path string) error { return os.Mkdir(path, 0o700) }},
	{"a device", func(path string) error { return os.Symlink("/dev/zero", path) }},
	{"a link to nowhere", func(path string) error { return os.Symlink("nowhere", path) }},
	{"a link to itself", func(path string) error { return os.Symlink(filepath.Base(path), path) }},
	{"far too much", func(path string) error {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
		if err != nil {
			return err
		}
		return errors.Join(file.Truncate(64<<20), file.Close())
	}},
}

// TestDrillPaths_refusesUserFilesThatAreNone puts each strange thing in the place
// of each file that a user gives an app. Short: a pipe for each, and the other
// things in turn.
func TestDrillPaths_refusesUserFilesThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	crt := h.inApp("tls/server.crt", "", 0o600) // beside it the key may be strange
	if err := os.Remove(crt); err != nil {
		t.Fatal(err)
	}
	// app.yaml remembers files that flags have named, so these come last.
	files := []string{"env", "CHECKS", "app.json", "hooks/pre-deploy", "app.yaml", "tls/server.crt", "nginx/extra.conf", "env --env-file", "CHECKS --checks"}
	env := h.env
	h.env = append(env, "ZDD_LISTEN_TLS="+freeAddress(t))
	for i, file := range files {
		file, flag, _ := strings.Cut(file, " ")
		for j, thing := range strange {
			if !*whole && j != 0 && j != 1+i%(len(strange)-1) {
				continue
			}
			path := h.inApp(file+".not", "", 0o600)
			path = strings.TrimSuffix(path, ".not")
			args := []string{"deploy", h.app, image}
			if flag != "" {
				path = filepath.Join(filepath.Dir(h.root), "named")
				args = append(args, flag, path)
			}
			h.replaced(path, thing.make, func() {
				r := h.within(args...)
				if strings.HasPrefix(file, "hooks/") && thing.name == "far too much" {
					return // a program may be large; that this one cannot run is a failure of another kind
				}
				if r.code != 2 {
					t.Errorf("%s in the place of %s %s: exit %d, want 2", thing.name, file, flag, r.code)
				}
				assertContains(t, r.stderr, path, "hint:")
				if thing.name == "far too much" { // and not: there is nonsense in it
					assertContains(t, r.stderr, "larger than")
				}
			})
		}
	}
	h.env = env
	h.assertServes("v1", 1)
}

// replaced puts something in the place of a file, and the file back.
func (h *host) replaced(path string, thing func(string) error, do func()) {
	h.t.Helper()
	former, err := os.ReadFile(path)
	there := err == nil
	if err := os.RemoveAll(path); err != nil {
		h.t.Fatal(err)
	}
	if strings.HasSuffix(path, "tls/server.crt") {
		h.inApp("tls/server.key", "", 0o600)
		defer os.Remove(filepath.Join(filepath.Dir(path), "server.key"))
	}
	if err := thing(path); err != nil {
		h.t.Fatal(err)
	}
	do()
	if err := os.RemoveAll(path); err != nil {
		h.t.Fatal(err)
	}
	if there {
		if err := os.WriteFile(path, former, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestDrillPaths_staysInItsRoot gives zdd names and links that lead elsewhere,
// and wants what is there to stay as it is.
func TestDrillPaths_staysInItsRoot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("VERSION=v1")
	outside := filepath.Join(filepath.Dir(h.root), "outside")
	if err := os.MkdirAll(filepath.Join(outside, "hooks"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "hooks", "keep"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, filepath.Dir(h.root))
	for _, name := range []string{
		"..", ".", "../outside", "/etc", "a/b", "a/../../outside", "a\x2f..", "A", "a_b", "a.b", "-a", "a-", " a", "a ", "a\n", "a\tb", "a;b", "a'b", `a\b`, "a$b", "ä", "%2e%2e", strings.Repeat("a", 41),
	} {
		commands := [][]string{{"deploy", name, image}, {"remove", name, "--yes"}, {"history", name}}
		if !*whole && name != ".." {
			commands = commands[:1]
		}
		for _, args := range commands {
			if r := h.within(append([]string{args[0], "--"}, args[1:]...)...); r.code != 2 && name != "-a" {
				t.Errorf("%q: exit %d, want 2\n%s", args, r.code, r.stderr)
			}
		}
	}
	for _, root := range []string{"/", "/srv/a b", "/srv/a;b", "/srv/a{b", "/srv/$HOME", "/srv/a\nb", "/srv/é", "/srv/a%n", "/srv/" + strings.Repeat("a", 100)} {
		if r := h.within("deploy", "--root", root, h.app, image); r.code != 2 {
			t.Errorf("the root %q: exit %d, want 2\n%s", root, r.code, r.stderr)
		}
		if _, err := os.Stat(root); root != "/" && err == nil {
			t.Errorf("the root %q was made", root)
		}
	}
	if after := tree(t, filepath.Dir(h.root)); !slices.Equal(before, after) {
		t.Errorf("before: %q\nafter: %q", before, after)
	}

	// Links in the app's folder are the user's, and what they lead to is not zdd's.
	h.must("deploy", h.app, image)
	if err := os.Symlink(filepath.Join(outside, "hooks"), filepath.Join(h.root, "apps", h.app, "hooks")); err != nil {
		t.Fatal(err)
	}
	h.must("remove", h.app, "--yes")
	if content, err := os.ReadFile(filepath.Join(outside, "hooks", "keep")); string(content) != "kept" {
		t.Errorf("behind a link there is %q, %v", content, err)
	}
}

// tree lists what is below the folder.
func tree(t testing.TB, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		found = append(found, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
