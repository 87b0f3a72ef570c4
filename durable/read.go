package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// MaxUserFile is the size in bytes up to which a file of the user's is read
// where nothing else is said: 4 MiB, a thousand times what anybody writes.
const MaxUserFile = 4 << 20

// ErrNotRegular says that something else than a regular file is at a path: a
// folder, a pipe, a socket, a device.
var ErrNotRegular = errors.New("not a regular file")

// ReadRegular reads the file at path, or that a link at path leads to, of at
// most limit bytes. It is for files that somebody else has put there: it neither
// waits for a pipe that nobody writes into nor fills the memory. The error is a
// *fs.PathError; its cause is ErrNotRegular for what is no regular file.
func ReadRegular(path string, limit int64) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		var inner *fs.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, &fs.PathError{Op: "reading", Path: path, Err: err}
	}
	// To open a device may already do something, so it is not even opened.
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(ErrNotRegular)
	}
	// It may have been replaced since, hence O_NONBLOCK and the second look.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return fail(err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(ErrNotRegular)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return fail(err)
	}
	if int64(len(data)) > limit {
		return fail(fmt.Errorf("larger than %d MiB", limit>>20))
	}
	return data, nil
}
