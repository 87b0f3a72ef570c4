package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zdd/failpoint"
)

// AppendLine adds a line, which ends with a newline, to the file at path, and
// waits until it is on disk. The file is made, and gets exactly the permission
// bits perm. A last line whose writer died half way is ended first, so that it
// takes no other one with it. When it fails, the file is as before. Nobody else
// may write to the file meanwhile.
func AppendLine(path string, line []byte, perm fs.FileMode) error {
	made, err := appendLine(path, line, perm)
	if err != nil {
		return fmt.Errorf("appending to %q: %w", path, err)
	}
	if !made {
		return nil
	}
	return syncDirOf(path)
}

func appendLine(path string, line []byte, perm fs.FileMode) (made bool, err error) {
	name := filepath.Base(path)
	if err := failpoint.Fail("opening " + name); err != nil {
		return false, err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_RDWR|os.O_CREATE, perm)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(perm); err != nil {
		return false, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	torn, err := endsTorn(file, size)
	if err != nil {
		return false, err
	}
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := failpoint.Write("appending to "+name, line, file.Write); err != nil {
		return false, errors.Join(err, file.Truncate(size))
	}
	if err := errors.Join(failpoint.Fail("syncing "+name), file.Sync()); err != nil {
		return false, errors.Join(err, file.Truncate(size))
	}
	failpoint.Hit("after the change of " + name)
	return size == 0, nil
}

// endsTorn reports whether the last line lacks its end: its writer died.
func endsTorn(file io.ReaderAt, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}
