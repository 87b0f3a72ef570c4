package container

import (
	"context"

	"golang.org/x/sys/unix"
)

// FreeDisk is how many bytes the engine's data folder has left for a process
// that is not root. It is not known (false) when the engine runs on another
// machine, or in a virtual one.
func (e *Engine) FreeDisk(ctx context.Context) (uint64, bool) {
	if !e.local() {
		return 0, false
	}
	about, err := e.about(ctx)
	if err != nil || about.DockerRootDir == "" {
		return 0, false
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(about.DockerRootDir, &disk); err != nil {
		return 0, false
	}
	return disk.Bavail * uint64(disk.Bsize), true
}
