package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// process is one nginx process that holds something of this proxy.
type process struct {
	pid, parent int
	leader      bool  // leads its session, as a master does that made itself a daemon
	generations []int // of the markers that it holds
	accepts     bool  // holds the door's listening socket
	stopped     bool  // by SIGSTOP or a terminal; it does nothing until SIGCONT
}

func (p process) newest() int { return slices.Max(append(p.generations, 0)) }

// processes are those that run, or ran, this proxy's configuration.
type processes struct {
	master  *process  // nil when none runs
	workers []process // the master's children
	orphans []process // whose master was killed
}

// generation is the newest that a worker which accepts runs; 0 without one.
func (ps processes) generation() int {
	newest := 0
	for _, w := range ps.workers {
		if w.accepts {
			newest = max(newest, w.newest())
		}
	}
	return newest
}

// taken tells whether a live worker runs generation n or a later one. That it
// accepts also proves that the door's socket was seen, or "no older worker
// accepts" would mean nothing.
func (ps processes) taken(n int) bool {
	return slices.ContainsFunc(ps.workers, func(w process) bool { return w.newest() >= n && w.accepts })
}

// older are the workers of generations before n; with accepting set only those
// that still take connections.
func (ps processes) older(n int, accepting bool) []int {
	var pids []int
	for _, w := range ps.workers {
		if w.newest() < n && (w.accepts || !accepting) {
			pids = append(pids, w.pid)
		}
	}
	return pids
}

// stopped are the processes without which nothing goes on: the master, and
// workers that take connections, as far as somebody has stopped them.
func (ps processes) stopped() []int {
	var pids []int
	if ps.master != nil && ps.master.stopped {
		pids = append(pids, ps.master.pid)
	}
	for _, w := range ps.workers {
		if w.accepts && w.stopped {
			pids = append(pids, w.pid)
		}
	}
	return pids
}

// usable is an *Unreachable when nginx runs, and yet nothing would come of a
// reload: somebody has stopped processes, or removed the door.
func (p *Proxy) usable(ps processes) error {
	if stopped := ps.stopped(); len(stopped) > 0 {
		return &Unreachable{
			Reason: "nginx runs, but somebody has stopped (SIGSTOP) its processes " + pids(stopped),
			Next:   fmt.Sprintf("let them go on: kill -CONT %s; then run the command again", strings.ReplaceAll(pids(stopped), ",", "")),
		}
	}
	_, err := os.Stat(p.paths.door())
	if errors.Is(err, fs.ErrNotExist) && ps.generation() > 0 {
		return &Unreachable{
			Reason: fmt.Sprintf("nginx (process %d) listens at %q, but somebody has removed that file", ps.master.pid, p.paths.door()),
			Next:   p.restartHint(ps),
		}
	}
	return nil
}

// restartHint says how nginx is started again, which makes its sockets anew.
func (p *Proxy) restartHint(ps processes) string {
	if p.config.Mode == System {
		return "start nginx again (systemctl restart nginx), then run the command again"
	}
	return fmt.Sprintf("end nginx (kill -QUIT %d); the next command starts it again, with its sockets: zdd recover", ps.master.pid)
}

// held tells whether any process has the marker of generation n open.
func (ps processes) held(n int) bool {
	all := slices.Concat(ps.workers, ps.orphans)
	if ps.master != nil {
		all = append(all, *ps.master)
	}
	return slices.ContainsFunc(all, func(p process) bool { return slices.Contains(p.generations, n) })
}

// scan finds the processes by what they hold open. Pid files survive a kill and
// pids are used again; process titles are for people.
func (p *Proxy) scan() (processes, error) {
	fsys, err := procfs.NewDefaultFS()
	if err != nil {
		return processes{}, err
	}
	sockets, err := p.doorSockets()
	if err != nil {
		return processes{}, err
	}
	// /proc shows where a file is, without symbolic links.
	markers, err := filepath.EvalSymlinks(p.paths.markers())
	if errors.Is(err, fs.ErrNotExist) {
		return processes{}, nil
	} else if err != nil {
		return processes{}, err
	}
	all, err := fsys.AllProcs()
	if err != nil {
		return processes{}, fmt.Errorf("reading the process list: %w", err)
	}
	names := p.programNames()
	var ours []process
	for _, proc := range all {
		// A process may end at any point of this; then it is none of ours.
		if comm, err := proc.Comm(); err != nil || !slices.Contains(names, comm) {
			continue
		}
		if found, ok := inspect(proc, markers+"/", sockets); ok {
			ours = append(ours, found)
		}
	}
	return family(ours), nil
}

// inspect reads what the process holds; ok is false when it is nothing of ours.
func inspect(proc procfs.Proc, markers string, sockets []string) (found process, ok bool) {
	targets, err := proc.FileDescriptorTargets()
	if err != nil {
		return process{}, false
	}
	found.pid = proc.PID
	for _, target := range targets {
		if slices.Contains(sockets, target) {
			found.accepts = true
		}
		if name, ok := strings.CutPrefix(target, markers); ok {
			if n, err := strconv.Atoi(strings.TrimSuffix(name, " (deleted)")); err == nil {
				found.generations = append(found.generations, n)
			}
		}
	}
	if !found.accepts && len(found.generations) == 0 {
		return process{}, false
	}
	stat, err := proc.Stat()
	if err != nil {
		return process{}, false
	}
	found.parent, found.leader, found.stopped = stat.PPID, stat.Session == proc.PID, stat.State == "T"
	return found, true
}

// family sorts processes into a master, its children, and orphans. A master is
// a session leader or has children here; orphaned workers are neither.
func family(ours []process) processes {
	var ps processes
	byPid := map[int]bool{}
	for _, o := range ours {
		byPid[o.pid] = true
	}
	for i, o := range ours {
		hasChild := slices.ContainsFunc(ours, func(c process) bool { return c.parent == o.pid })
		if (o.leader || hasChild) && !byPid[o.parent] {
			ps.master = &ours[i]
		}
	}
	for _, o := range ours {
		switch {
		case ps.master != nil && o.pid == ps.master.pid:
		case ps.master != nil && o.parent == ps.master.pid:
			ps.workers = append(ps.workers, o)
		default:
			ps.orphans = append(ps.orphans, o)
		}
	}
	return ps
}

// doorSockets returns the door's listening sockets as /proc/PID/fd shows them.
func (p *Proxy) doorSockets() ([]string, error) {
	inodes, err := listeners(p.paths.door())
	if err != nil {
		return nil, err
	}
	var sockets []string
	for inode := range inodes {
		sockets = append(sockets, fmt.Sprintf("socket:[%d]", inode))
	}
	return sockets, nil
}

// programNames are the names that the kernel may show for nginx's processes: at
// most 15 bytes of the file's name.
func (p *Proxy) programNames() []string {
	names := []string{"nginx", filepath.Base(p.config.Program)}
	if real, err := filepath.EvalSymlinks(p.config.Program); err == nil {
		names = append(names, filepath.Base(real))
	}
	for i, name := range names {
		names[i] = name[:min(len(name), 15)]
	}
	return names
}

// Generations says which configuration runs: running is the newest that takes
// connections (0: none runs), disk is the one that was written last. lingering
// are the ids of older worker processes that still finish connections: as long
// as there is one, an address that they know must not be given to another app.
func (p *Proxy) Generations() (running, disk int, lingering []int, err error) {
	ps, err := p.scan()
	if err != nil {
		return 0, 0, nil, err
	}
	if disk, err = p.diskGeneration(); err != nil {
		return 0, 0, nil, err
	}
	running = ps.generation()
	lingering = ps.older(running, false)
	for _, o := range ps.orphans {
		lingering = append(lingering, o.pid)
	}
	return running, disk, lingering, nil
}

// diskGeneration is 0 before the first configuration was written.
func (p *Proxy) diskGeneration() (int, error) {
	data, err := os.ReadFile(p.paths.generation())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("reading %q: %w", p.paths.generation(), err)
	}
	return n, nil
}

// nextGeneration is a number that no configuration and no process has had.
func (p *Proxy) nextGeneration(ps processes) (int, error) {
	newest, err := p.diskGeneration()
	if err != nil {
		return 0, err
	}
	newest = max(newest, ps.generation())
	for _, n := range p.markerNumbers() {
		newest = max(newest, n)
	}
	return newest + 1, nil
}

func (p *Proxy) markerNumbers() []int {
	entries, err := os.ReadDir(p.paths.markers())
	if err != nil {
		return nil
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
