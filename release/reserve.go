package release

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
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

// reserveFiles is how many files there must be room for on a disk that is not
// full: its inodes may be at an end before its bytes are. The reserve is one.
const reserveFiles = 16

// Room is what a disk has left: bytes for a process that is not root, and files
// (inodes), which on some file systems have no limit of their own.
type Room struct{ Bytes, Files uint64 }

// Room is what the disk of the root folder has left.
func (s *Store) Room() (Room, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(s.root, &disk); err != nil {
		return Room{}, fmt.Errorf("asking for the free space of %q: %w", s.root, err)
	}
	free := Room{disk.Bavail * uint64(disk.Bsize), disk.Ffree}
	if disk.Files == 0 {
		free.Files = math.MaxUint64
	}
	return free, nil
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
	free, err := s.Room()
	if err != nil || free.Bytes >= ReserveSize && free.Files >= reserveFiles {
		return false, err
	}
	err = os.Remove(filepath.Join(s.root, reserveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
