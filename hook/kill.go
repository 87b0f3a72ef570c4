package hook

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How processes are ended.
const (
	lookEvery = 20 * time.Millisecond
	killLimit = 5 * time.Second // for the kernel to end what got SIGKILL
	freezes   = 50              // rounds in which new processes are only stopped
	nothings  = 10              // looks in a row that find none are believed though other processes start all the time
)

// Unkilled says that processes of a hook are left that could not be ended: they
// belong to another user, or hang in the kernel.
type Unkilled struct {
	Pids []int
	Err  error // of the last signal; nil when it was sent
}

func (e *Unkilled) Error() string {
	text := fmt.Sprintf("killing the hook's processes: %d of them live on: %s", len(e.Pids), strings.Trim(fmt.Sprint(e.Pids), "[]"))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns why the last signal could not be sent.
func (e *Unkilled) Unwrap() error { return e.Err }

// partOf is the run that this process is a part of, after Unmark.
var partOf string

// Unmark keeps the marks of a hook that started this process away from what
// this process starts: an nginx that is to stay must not end with the hook. It
// is called once, before anything else.
func Unmark() {
	partOf = os.Getenv(runVariable)
	for _, name := range []string{ownerVariable, runVariable} {
		_ = os.Unsetenv(name) // only fails for a name that is none
	}
}

// KillLeft kills what a zdd that was itself killed left running of the owner's
// hooks, and their children, and returns how many these were. It waits until
// they are gone, 5 seconds at most; the error is then an *Unkilled.
//
// Hooks of a zdd that lives are not touched, nor is a run that this process is
// itself a part of: a hook may have started it. Processes of other users are
// seen by root alone.
func KillLeft(owner string) (int, error) {
	all, _, err := scan(onlyLook)
	if err != nil {
		return 0, err
	}
	own := cmp.Or(os.Getenv(runVariable), partOf)
	return newFamily(0, func(p process) bool {
		return p.marked && p.owner == owner && (own == "" || p.run != own) && !attended(p, all)
	}).kill()
}

// attended tells whether the zdd lives that started the run of p.
func attended(p process, all []process) bool {
	return slices.ContainsFunc(all, func(zdd process) bool { return strings.HasPrefix(p.run, zdd.runs()) })
}

// family are the processes that are to end together, with their descendants.
type family struct {
	belongs func(process) bool
	group   int             // all processes of it belong, and its number is not given away meanwhile; 0 for none
	known   map[int]process // all that were ever found: a child is one still when its parent has ended
}

func newFamily(group int, belongs func(process) bool) *family {
	return &family{belongs: belongs, group: group, known: map[int]process{}}
}

func (f *family) has(p process) bool {
	known, ok := f.known[p.pid]
	return ok && known.start == p.start || f.belongs(p)
}

// find returns those that live. onSight gets each that belongs at once, though
// not yet their descendants; whole is false when new ones can have been missed.
func (f *family) find(onSight func(process)) (found []process, whole bool, err error) {
	all, whole, err := scan(func(p process) {
		if p.mayEnd() && f.has(p) {
			onSight(p)
		}
	})
	if err != nil {
		return nil, false, err
	}
	return members(all, f.has), whole, nil
}

func onlyLook(process) {}

// stop is for those that fork: what is stopped does not. Who does not get it is
// killed all the same.
func stop(p process) { _ = p.signal(unix.SIGSTOP) }

// ask sends SIGTERM, once: what a hook starts to tidy up is not to get it. A
// process that is stopped takes SIGTERM only when it goes on.
func (f *family) ask() {
	found, _, _ := f.find(onlyLook) // without /proc the group at least is asked
	f.remember(found)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGCONT} {
		f.signalGroup(sig)
		for _, p := range found {
			if p.group != f.group {
				_ = p.signal(sig) // whoever does not get it is killed
			}
		}
	}
}

// signalGroup reaches all members in one instant, so that none can fork away.
func (f *family) signalGroup(sig unix.Signal) {
	if f.group > 1 {
		_ = unix.Kill(-f.group, sig) // an empty group is no error, and a scan shows the rest
	}
}

// await returns when all have ended, or after the limit.
func (f *family) await(limit time.Duration) {
	over := time.NewTimer(limit)
	defer over.Stop()
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for {
		found, _, err := f.find(onlyLook)
		if err == nil && len(found) == 0 {
			return
		}
		f.remember(found)
		select {
		case <-over.C:
			return
		case <-again.C:
		}
	}
}

// kill ends them with SIGKILL and returns how many it found. New ones are
// stopped first, until a look finds no more: stopped processes do not fork, and
// as long as a parent lives its children can be told by it.
func (f *family) kill() (int, error) {
	deadline := time.Now().Add(killLimit)
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for round, empty := 0, 0; ; round++ {
		found, whole, err := f.find(stop)
		if err != nil {
			f.signalGroup(unix.SIGKILL)
			return len(f.known), err
		}
		if len(found) == 0 {
			if empty++; whole || empty == nothings {
				return len(f.known), nil
			}
			continue
		}
		empty = 0
		fresh := f.remember(found)
		if len(fresh) > 0 && round < freezes {
			_ = signalAll(fresh, unix.SIGSTOP) // descendants, too
			continue
		}
		f.signalGroup(unix.SIGKILL)
		err = signalAll(found, unix.SIGKILL)
		if time.Now().After(deadline) {
			return len(f.known) - len(found), unkilled(found, err)
		}
		<-again.C
	}
}

// remember adds what was found and returns what was not known before.
func (f *family) remember(found []process) (fresh []process) {
	for _, p := range found {
		if known, ok := f.known[p.pid]; !ok || known.start != p.start {
			f.known[p.pid] = p
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// signalAll tries each, and returns the last error.
func signalAll(all []process, sig unix.Signal) (last error) {
	for _, p := range all {
		if err := p.signal(sig); err != nil {
			last = err
		}
	}
	return last
}

func unkilled(left []process, err error) error {
	e := &Unkilled{Err: err}
	for _, p := range left {
		e.Pids = append(e.Pids, p.pid)
	}
	return e
}
