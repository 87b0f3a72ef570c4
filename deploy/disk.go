package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/docker/go-units"

	"zdd/release"
)

// MinFreeDisk is how many bytes must be free where the engine keeps images and
// where zdd keeps its files: a deploy is refused below it, because a disk that
// fills up in its middle hurts the live release too.
const MinFreeDisk = 256 << 20

// minFreeFiles is how many files zdd's disk must have room for.
const minFreeFiles = 256

// refuseFullDisk wants room for a deploy. A rollback needs next to none, and is
// what an operator may want just then: it is not asked for any.
func (m *move) refuseFullDisk(ctx context.Context) error {
	if free, known := m.Engine.FreeDisk(ctx); known && free < MinFreeDisk {
		return fullDisk("the Docker engine's data", free)
	}
	free, err := m.Store.Room()
	switch {
	case err != nil:
		return err
	case free.Bytes < MinFreeDisk:
		return fullDisk(m.Store.Root(), free.Bytes)
	case free.Files < minFreeFiles:
		return usage("remove some files; df -i "+m.Store.Root()+" shows how many there are",
			"the disk of %s has room for %d more files, less than the %d that a deploy needs", m.Store.Root(), free.Files, minFreeFiles)
	}
	if err := m.Store.Reserve(); err != nil {
		m.warn(m.step, err)
	}
	return nil
}

func fullDisk(of string, free uint64) error {
	return usage("free some space, for example by: docker image prune",
		"the disk of %s has %s free, less than the %s that a deploy needs",
		of, units.BytesSize(float64(free)), units.BytesSize(MinFreeDisk))
}

// makeRoom gives up the reserve where the disk is full, for what is about to be
// written has to be: an undoing, a recovery, a rollback.
func (m *move) makeRoom() {
	spent, err := m.Store.Spend()
	switch {
	case errors.Is(err, os.ErrNotExist): // there is no root yet
	case err != nil:
		m.warn(m.step, err)
	case spent:
		m.warn(m.step, fmt.Errorf("the disk of %s is full: going on with the %s that were kept back for this; free some space soon",
			m.Store.Root(), units.BytesSize(release.ReserveSize)))
	}
}
