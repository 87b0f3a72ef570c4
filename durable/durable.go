// Package durable changes files so that a crash leaves the old bytes or the
// new ones, never a mixture and never a loss.
//
// A file is replaced whole: temporary file beside it, fsync, rename, fsync of
// the folder (the rename itself is on disk only after the last one; see
// fsync(2) and rename(2)). A process that is killed in between leaves the
// temporary file, which [Sweep] finds by its name.
//
// Each step has a point at which a drill can strike (package failpoint).
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zdd/failpoint"
)

// temporary begins the names of files that are not whole yet. The dot keeps
// globs like *.conf from picking them up.
const temporary = ".zdd-new-"

// IsTemporary reports whether a file of that name, without its folder, is one
// that a killed process left while it wrote.
func IsTemporary(name string) bool { return strings.HasPrefix(name, temporary) }

// WriteFile replaces the file at path by data, with exactly the permission
// bits perm whatever the umask is. The folder must exist. On any error but that
// of the folder's fsync the former file is there unchanged, and no other.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	if err := replace(path, data, perm); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return syncDirOf(path)
}

func replace(path string, data []byte, perm fs.FileMode) (err error) {
	dir, name := filepath.Split(path)
	if err := failpoint.Fail("creating " + name); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, temporary+name+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close() // an error here adds nothing to the one that counts
			_ = os.Remove(file.Name())
		}
	}()
	if err := file.Chmod(perm); err != nil {
		return err
	}
	if _, err := failpoint.Write("writing "+name, data, file.Write); err != nil {
		return err
	}
	if err := errors.Join(failpoint.Fail("syncing "+name), file.Sync()); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := failpoint.Fail("renaming " + name); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Touch makes an empty file at path with exactly the permission bits perm. One
// that is there stays as it is, but for them. There is no temporary file.
func Touch(path string, perm fs.FileMode) error {
	if err := failpoint.Fail("creating " + filepath.Base(path)); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(perm), file.Close()); err != nil {
		return err
	}
	return syncDirOf(path)
}

// Remove deletes the file at path; that it is gone already is no error.
func Remove(path string) error {
	name := filepath.Base(path)
	if err := failpoint.Fail("removing " + name); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDirOf(path)
}

// Sweep removes the temporary files that killed processes left in a folder,
// which need not exist. The caller sees to it that nobody else writes there.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if IsTemporary(entry.Name()) && entry.Type().IsRegular() {
			errs = append(errs, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func syncDirOf(path string) error {
	dir, name := filepath.Split(path)
	if err := failpoint.Fail("syncing the folder of " + name); err != nil {
		return err
	}
	if err := SyncDir(dir); err != nil {
		return err
	}
	failpoint.Hit("after the change of " + name)
	return nil
}

// SyncDir makes earlier creations, renames and removals in the folder survive
// a crash of the machine.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := dir.Sync(); err != nil {
		_ = dir.Close()
		return fmt.Errorf("syncing folder %q: %w", path, err)
	}
	return dir.Close()
}
