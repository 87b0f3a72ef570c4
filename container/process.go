package container

import (
	"os"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// killPasses bounds how often killTree looks for processes that were started
// while others were being killed.
const killPasses = 10

// killTree kills a process of a container, and all that came of it: its
// session, which each command that the engine starts has to itself, and what
// descends from that. It says whether there was anything to kill, and spares
// everything that is not of the container: the engine's numbers need not be
// this machine's.
func (e *Engine) killTree(containerID string, pid int) bool {
	killed := false
	doomed := map[int]bool{pid: true}
	for range killPasses {
		// The whole family first: whoever loses its parent gets another.
		family := e.offspring(doomed)
		if len(family) == 0 {
			break
		}
		for _, pid := range family {
			killed = e.killOf(containerID, pid) || killed
		}
	}
	return killed
}

// offspring adds to doomed what belongs to a process of it, and gives those of
// all that live.
func (e *Engine) offspring(doomed map[int]bool) []int {
	all := e.processes()
	for grown := true; grown; {
		grown = false
		for _, process := range all {
			if !doomed[process.PID] && (doomed[process.PPID] || doomed[process.Session]) {
				doomed[process.PID], grown = true, true
			}
		}
	}
	var living []int
	for _, process := range all {
		if doomed[process.PID] && process.State != "Z" && process.State != "X" {
			living = append(living, process.PID)
		}
	}
	return living
}

// processes are those of this machine, as far as they can be seen.
func (e *Engine) processes() []procfs.ProcStat {
	machine, err := procfs.NewFS(e.proc)
	if err != nil {
		return nil
	}
	all, err := machine.AllProcs()
	if err != nil {
		return nil
	}
	stats := make([]procfs.ProcStat, 0, len(all))
	for _, process := range all {
		if stat, err := process.Stat(); err == nil { // else it has ended
			stats = append(stats, stat)
		}
	}
	return stats
}

// killOf kills a process if it is of the container.
func (e *Engine) killOf(containerID string, pid int) bool {
	// Held before it is looked at: the number cannot become another's then.
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }()
	return e.isOf(containerID, pid) && process.Kill() == nil
}

// isOf says whether a process of this machine is one of the container's. Every
// engine names the control group of a container by its ID.
func (e *Engine) isOf(containerID string, pid int) bool {
	machine, err := procfs.NewFS(e.proc)
	if err != nil || containerID == "" {
		return false
	}
	process, err := machine.Proc(pid)
	if err != nil {
		return false
	}
	groups, err := process.Cgroups()
	return err == nil && slices.ContainsFunc(groups, func(group procfs.Cgroup) bool {
		return strings.Contains(group.Path, containerID)
	})
}
