package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zdd/failpoint"
)

// worker is who nginx's workers run as when its master is root.
type worker struct {
	name     string
	uid, gid int
}

// managedUser is the value of the user directive in managed mode, as root.
func managedUser() (string, error) {
	w, err := findWorker("www-data", "nginx", "nobody")
	if err != nil {
		return "", err
	}
	group, err := user.LookupGroupId(strconv.Itoa(w.gid))
	if err != nil {
		return "", err
	}
	return w.name + " " + group.Name, nil
}

// findWorker returns the first of the users that exists.
func findWorker(names ...string) (worker, error) {
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err = errors.Join(err, err2); err != nil {
			return worker{}, err
		}
		return worker{name, uid, gid}, nil
	}
	return worker{}, &Unreachable{Reason: fmt.Sprintf("no user for nginx's workers (looked for %s)", strings.Join(names, ", "))}
}

// layout makes the folder and what is in it. As root the folder belongs to the
// workers' group: nginx and zdd reach the door and the flags, other users do
// not. Else everything is the user's own.
func (p *Proxy) layout() error {
	private := []string{p.paths.sites(), p.paths.switches(), p.paths.copies()}
	shared := []string{p.paths.dir, p.paths.live(), p.paths.markers(), p.paths.logs(), p.paths.tmp()}
	readable := []string{p.paths.acme()}
	root := os.Geteuid() == 0
	var w worker
	if root {
		var err error
		if w, err = p.workerUser(); err != nil {
			return err
		}
	}
	for _, group := range []struct {
		dirs []string
		perm fs.FileMode
	}{{shared, 0o710}, {private, 0o700}, {readable, 0o750}} {
		for _, dir := range group.dirs {
			perm := group.perm
			if !root {
				perm = 0o700
			}
			if err := makeDir(dir, perm, w.gid, root); err != nil {
				return err
			}
		}
	}
	if !root {
		return nil
	}
	return w.checkAccess(p.paths.live())
}

func makeDir(dir string, perm fs.FileMode, gid int, root bool) error {
	if err := failpoint.Fail("making the folder " + filepath.Base(dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, perm); err != nil {
		return err
	}
	if root {
		if err := os.Chown(dir, 0, gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, perm)
}

// workerUser is who the workers of this nginx are.
func (p *Proxy) workerUser() (worker, error) {
	if p.config.Mode == Managed {
		return findWorker("www-data", "nginx", "nobody")
	}
	system, err := p.loadSystem()
	if err != nil {
		return worker{}, err
	}
	w, err := findWorker(system.User)
	if err == nil && system.Group != "" {
		group, err := user.LookupGroup(system.Group)
		if err != nil {
			return worker{}, err
		}
		w.gid, err = strconv.Atoi(group.Gid)
		return w, err
	}
	return w, err
}

// checkAccess looks into every folder on the way to dir as the worker would: a
// worker that may not see the flags would serve blue for ever. The kernel
// decides, on a thread that takes the worker's identity for files, so access
// lists count too.
func (w worker) checkAccess(dir string) error {
	blocked := make(chan error)
	go func() {
		// Not unlocked: the thread ends with this goroutine and its identity.
		runtime.LockOSThread()
		blocked <- func() error {
			if err := errors.Join(unix.Setfsgid(w.gid), unix.Setfsuid(w.uid)); err != nil {
				return err
			}
			for i := 1; i <= len(dir); i++ {
				if i < len(dir) && dir[i] != filepath.Separator {
					continue
				}
				var stat unix.Stat_t
				if err := unix.Stat(dir[:i]+"/.", &stat); err != nil {
					return &Invalid{Field: "nginx folder", Value: dir[:i],
						Reason: fmt.Sprintf("user %q, who runs nginx's workers, may not look into it (%v); chmod a+x it or choose another root", w.name, err)}
				}
			}
			return nil
		}()
	}()
	return <-blocked
}
