package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Find looks for the hook called name in the folder dir, and returns its
// absolute path. found is false, without an error, when there is no such file
// or folder. A file that is there and could not or should not be run is an
// *Unusable error: one that is ignored in silence would be taken for a check
// that passed.
func Find(dir, name string) (path string, found bool, err error) {
	if path, err = filepath.Abs(filepath.Join(dir, name)); err != nil {
		return "", false, err
	}
	if err := usableFolder(filepath.Dir(path)); err != nil {
		return "", false, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err := usable(path); err != nil {
		return "", false, err
	}
	return path, true, nil
}

// usableFolder refuses what stands where the folder of hooks belongs and is none:
// the link to a disk that is not mounted, say, would leave every hook out.
func usableFolder(dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return nil // there is none, or the look at the file tells what is wrong
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unusable(dir, "is a link to a folder that does not exist", "rm %[1]s, or restore what it links to")
	case err == nil && !info.IsDir():
		return unusable(dir, "is not a folder", "put a folder in the place of %[1]s, or remove it")
	}
	return nil
}

// usable looks at the file and not into it; the error is an *Unusable, or one of
// the file system.
func usable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink(path):
		return unusable(path, "is a link to a file that does not exist", "rm %[1]s, or restore what it links to")
	case errors.Is(err, fs.ErrNotExist):
		return unusable(path, "does not exist", "restore %[1]s")
	case errors.Is(err, unix.ELOOP):
		return unusable(path, "is a link that leads back to itself", "rm %[1]s, or restore what it links to")
	case err != nil:
		return fmt.Errorf("looking for hook: %w", err)
	case info.IsDir():
		return unusable(path, "is a folder", "put a program at %[1]s, or remove the folder")
	case !info.Mode().IsRegular():
		return unusable(path, "is not a regular file", "put a program at %[1]s")
	case info.Mode()&0o002 != 0:
		return unusable(path, "can be changed by every user of this host", "chmod o-w %[1]s")
	case info.Mode()&0o111 == 0:
		return unusable(path, "is not executable", "chmod +x %[1]s")
	case unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) != nil:
		return unusable(path, "may not be executed by this user, or its file system is mounted noexec", "ls -l %[1]s; findmnt -T %[1]s")
	}
	return nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
