package nginx

import (
	"time"

	"github.com/prometheus/procfs"
)

// effort watches whether a process is at work.
type effort struct {
	spent float64   // its processor time when last seen, in seconds
	last  time.Time // when it was last seen at work; zero for never
}

// look sees whether the process, nil for none, runs, waits for a disk, or has
// done so since the last look.
func (e *effort) look(of *process) {
	if of == nil {
		return
	}
	proc, err := procfs.NewProc(of.pid)
	if err != nil {
		return // it has ended
	}
	stat, err := proc.Stat()
	if err != nil {
		return
	}
	if stat.State == "R" || stat.State == "D" || stat.CPUTime() > e.spent {
		e.last = time.Now()
	}
	e.spent = stat.CPUTime()
}

// rested is for how long it has not been at work.
func (e *effort) rested() time.Duration { return time.Since(e.last) }
