// Package durable changes files so that a crash leaves the old bytes or the
// new ones, never a mixture and never a loss.
//
// A file is replaced whole: temporary file beside it, fsync, rename, fsync of
// the folder (the rename itself is on disk only after the last one; see
// fsync(2) and rename(2)).
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// WriteFile replaces the file at path by data, with exactly the permission
// bits perm whatever the umask is. The folder must exist. A temporary file has
// a name that begins with a dot, so that no glob like *.conf picks it up.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	// renameio.WriteFile would keep the permissions of a file that is there.
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(perm))
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer file.Cleanup()
	if _, err := file.Write(data); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// Remove deletes the file at path; that it is gone already is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncDir(filepath.Dir(path))
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
