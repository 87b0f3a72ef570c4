package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"zdd/failpoint"
)

// ReserveSize is how many bytes ROOT/reserve keeps back for the time when the
// disk is full. Undoing a deploy or rolling back writes some ten small files, of
// which the largest are a site and a release's record.
const ReserveSize = 1 << 20

const reserveFile = "reserve"

// FreeBytes is how many bytes the disk of the root folder has left for a process
// that is not root.
func (s *Store) FreeBytes() (uint64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(s.root, &disk); err != nil {
		return 0, fmt.Errorf("asking for the free space of %q: %w", s.root, err)
	}
	return disk.Bavail * uint64(disk.Bsize), nil
}

// Reserve keeps ReserveSize bytes of the root's disk back, if that is not done
// yet. Any number of processes may call it at once. It is meant for a disk that
// has room; on one that has not, nothing stays.
func (s *Store) Reserve() error {
	path := filepath.Join(s.root, reserveFile)
	if info, err := os.Stat(path); err == nil && info.Size() == ReserveSize {
		return nil
	}
	if err := failpoint.Fail("reserving"); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping %d bytes back: %w", ReserveSize, err)
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, ReserveSize)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("keeping %d bytes back in %q: %w", ReserveSize, path, err), os.Remove(path))
	}
	return nil
}

// Spend gives back what Reserve has kept, where the disk has less than that
// left. spent says whether it did.
func (s *Store) Spend() (spent bool, err error) {
	free, err := s.FreeBytes()
	if err != nil || free >= ReserveSize {
		return false, err
	}
	err = os.Remove(filepath.Join(s.root, reserveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
