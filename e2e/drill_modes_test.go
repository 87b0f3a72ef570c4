package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestDrillModes_keepFilesTheirOwnersWhateverTheUmask deploys an app with all
// that an app can have, and looks at every file: as it is, and as somebody else
// who tries to read and write it.
func TestDrillModes_keepFilesTheirOwnersWhateverTheUmask(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"000", "077"} {
		t.Run("umask "+umask, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if err := os.Remove(h.root); err != nil { // zdd makes it itself
				t.Fatal(err)
			}
			image := h.image("VERSION=v1")
			deploy := func(args ...string) {
				t.Helper()
				cmd := exec.Command("sh", append([]string{"-c", "umask " + umask + `; exec "$@"`, "sh", binary(t, "zdd"), "deploy", h.app}, args...)...)
				cmd.Env = h.env
				if r := ended(t, cmd); r.code != 0 {
					t.Fatalf("exit %d\n%s", r.code, r.stderr)
				}
			}
			deploy(image, "--env", "SECRET=1")
			h.inApp("nginx/extra.conf", "add_header X-Extra 1;\n", 0o600)
			h.inApp("env", "SECRET=2\n", 0o600)
			deploy(h.image("VERSION=v2"))
			h.assertServes("v2", 2) // by green: nginx's workers see the flag
			h.assertModes()
			h.assertOthersSeeNothing()
		})
	}
}

// assertModes wants nobody else to be able to write to anything, and all that
// may hold a secret to be its owner's alone.
func (h *host) assertModes() {
	h.t.Helper()
	seen := 0
	err := filepath.WalkDir(h.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		seen++
		name, mode := strings.TrimPrefix(path, h.root), info.Mode()
		switch {
		// nginx makes its socket for everybody; the folder around it is not.
		case mode.Type() == fs.ModeSocket:
		case mode.Perm()&0o022 != 0:
			h.t.Errorf("%s has the mode %v: others may write", name, mode)
		case strings.HasPrefix(name, "/apps/") && mode.IsRegular() && mode.Perm() != 0o600,
			strings.HasPrefix(name, "/apps") && mode.IsDir() && mode.Perm() != 0o700,
			strings.HasPrefix(name, "/nginx/copies/") && mode.Perm() != 0o600,
			name == "/nginx" && mode.Perm() != 0o710:
			h.t.Errorf("%s has the mode %v", name, mode)
		}
		return nil
	})
	if err != nil || seen < 30 {
		h.t.Errorf("%d files seen, %v", seen, err)
	}
}

// assertOthersSeeNothing tries as a user of no group, and as nginx's workers,
// who get what they need and no more.
func (h *host) assertOthersSeeNothing() {
	h.t.Helper()
	seen := h.lookAs(65534, 65534)
	for _, path := range seen {
		// What stands in the root itself has no secret: locks and addresses.
		if filepath.Dir(path) != h.root && path != h.root {
			h.t.Errorf("anybody can see %s", path)
		}
	}
	workers, err := user.Lookup("www-data")
	if err != nil {
		h.t.Fatal(err)
	}
	uid, err := strconv.Atoi(workers.Uid)
	gid, err2 := strconv.Atoi(workers.Gid)
	if err := errors.Join(err, err2); err != nil {
		h.t.Fatal(err)
	}
	acme := false
	for _, path := range h.lookAs(uid, gid) {
		name := strings.TrimPrefix(path, h.root)
		acme = acme || name == "/nginx/acme"
		for _, private := range []string{"/apps", "/nginx/copies", "/nginx/sites", "/nginx/switch"} {
			if strings.HasPrefix(name, private) {
				h.t.Errorf("nginx's workers can read %s", name)
			}
		}
	}
	if !acme {
		h.t.Error("nginx's workers cannot read the answers to ACME challenges")
	}
}

// lookAs lists what below the root the user can read or write. Of folders that
// may be passed through it looks at the names that root sees in them.
func (h *host) lookAs(uid, gid int) []string {
	h.t.Helper()
	cmd := exec.Command("xargs", "-0", "sh", "-c", `for path; do if [ -r "$path" ] || [ -w "$path" ]; then echo "$path"; fi; done`, "sh")
	cmd.Stdin = strings.NewReader(strings.Join(tree(h.t, h.root), "\x00"))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("looking as user %d: %v\n%s", uid, err, out)
	}
	return strings.Fields(string(out))
}
