package hook

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// The marks that a hook and its children carry in their environment.
const (
	ownerVariable = "ZDD_HOOK_OWNER"
	runVariable   = "ZDD_HOOK_RUN" // PID.START.RANDOM, the first two of the zdd that runs it
)

// newRun names one run of a hook, and this process as its parent.
func newRun() (string, error) {
	fsys, err := procfs.NewDefaultFS()
	if err != nil {
		return "", err
	}
	proc, err := fsys.Proc(os.Getpid())
	if err != nil {
		return "", fmt.Errorf("looking at this process: %w", err)
	}
	self, ok := inspect(proc)
	if !ok {
		return "", fmt.Errorf("looking at this process: %w", os.ErrNotExist)
	}
	return self.runs() + rand.Text(), nil
}

// process is one that lives, as a scan saw it. Two that are equal are the same
// process, and it still has its marks.
type process struct {
	pid, parent, group int
	start              uint64 // clock ticks after the boot
	owner, run         string // the marks; "" without
	marked             bool
}

// runs is how the name of a run begins that this process is the parent of.
func (p process) runs() string {
	return strconv.Itoa(p.pid) + "." + strconv.FormatUint(p.start, 10) + "."
}

// mayEnd is false for process 1 and for this one, whatever they seem to be.
func (p process) mayEnd() bool { return p.pid != 1 && p.pid != os.Getpid() }

// same tells whether p and q are one process; its parent may have ended.
func (p process) same(q process) bool {
	q.parent = p.parent
	return p == q
}

// scan returns all living processes, and shows each to onSight at once. The
// youngest numbers come first: what forks and ends is gone when its turn is late.
// whole is false when processes were started meanwhile, which it can have missed.
func scan(onSight func(process)) (alive []process, whole bool, err error) {
	fsys, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, false, err
	}
	before, err := forks(fsys)
	if err != nil {
		return nil, false, err
	}
	all, err := fsys.AllProcs()
	if err != nil {
		return nil, false, fmt.Errorf("reading the process list: %w", err)
	}
	slices.SortFunc(all, func(a, b procfs.Proc) int { return b.PID - a.PID })
	for _, proc := range all {
		if p, ok := inspect(proc); ok {
			alive = append(alive, p)
			onSight(p)
		}
	}
	after, err := forks(fsys)
	return alive, before == after, err
}

// forks is how many processes and threads this host has started.
func forks(fsys procfs.FS) (uint64, error) {
	stat, err := fsys.Stat()
	if err != nil {
		return 0, fmt.Errorf("reading the count of processes: %w", err)
	}
	return stat.ProcessCreated, nil
}

// inspect is not ok for a process that has ended, be it reaped or not. One whose
// first thread alone has ended looks like a zombie, and is none.
func inspect(proc procfs.Proc) (process, bool) {
	stat, err := proc.Stat()
	if err != nil || stat.State == "X" || stat.State == "Z" && stat.NumThreads < 2 {
		return process{}, false
	}
	p := process{pid: proc.PID, parent: stat.PPID, group: stat.PGRP, start: stat.Starttime}
	if stat.VSize == 0 { // a thread of the kernel
		return p, true
	}
	for _, variable := range environ(proc) {
		if owner, ok := strings.CutPrefix(variable, ownerVariable+"="); ok {
			p.owner, p.marked = owner, true
		} else if run, ok := strings.CutPrefix(variable, runVariable+"="); ok {
			p.run = run
		}
	}
	return p, true
}

// environ is empty for another user's process: it has no marks to us. In the
// middle of an exec it is empty as well, for some microseconds.
func environ(proc procfs.Proc) (env []string) {
	for range 5 {
		var err error
		if env, err = proc.Environ(); err != nil || len(env) > 0 {
			break
		}
	}
	return env
}

// members are those that belong and their descendants, without process 1 and
// this one.
func members(all []process, belongs func(process) bool) []process {
	in := map[int]bool{}
	var found []process
	for {
		before := len(found)
		for _, p := range all {
			if !in[p.pid] && p.mayEnd() && (belongs(p) || in[p.parent]) {
				in[p.pid] = true
				found = append(found, p)
			}
		}
		if len(found) == before {
			return found
		}
	}
}

// signal sends it to this very process. The pidfd is opened first: if the
// process is still the same afterwards, the pidfd can mean no other. One that
// has ended is no error, nor is one that has changed, which the next scan sees.
func (p process) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ESRCH {
		return nil
	} else if err != nil {
		return fmt.Errorf("opening process %d: %w", p.pid, err)
	}
	defer unix.Close(fd)
	if now, ok := look(p.pid); !ok || !p.same(now) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("sending %s to process %d: %w", signalName(sig), p.pid, err)
	}
	return nil
}

// look inspects the process of that number.
func look(pid int) (process, bool) {
	fsys, err := procfs.NewDefaultFS()
	if err != nil {
		return process{}, false
	}
	proc, err := fsys.Proc(pid)
	if err != nil {
		return process{}, false
	}
	return inspect(proc)
}
