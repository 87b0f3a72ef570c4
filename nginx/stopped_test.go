package nginx

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// stopProcess stops a process until the returned function, or the test's end,
// lets it go on.
func stopProcess(t *testing.T, pid int) (goOn func()) {
	t.Helper()
	send := func(s syscall.Signal) {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
	send(syscall.SIGSTOP)
	goOn = func() { send(syscall.SIGCONT) }
	t.Cleanup(goOn)
	return goOn
}

func scanned(t *testing.T, p *Proxy) processes {
	t.Helper()
	ps, err := p.scan()
	if err != nil || ps.master == nil || len(ps.workers) == 0 {
		t.Fatalf("%+v, %v; want a master with workers", ps, err)
	}
	return ps
}

// serving is a worker of the configuration that runs: others may be about to end.
func serving(t *testing.T, p *Proxy) int {
	t.Helper()
	ps := scanned(t, p)
	for _, w := range ps.workers {
		if w.accepts && w.newest() == ps.generation() {
			return w.pid
		}
	}
	t.Fatalf("no worker serves: %+v", ps)
	return 0
}

// Nothing is written when nginx could not load it, and the operator hears which
// process to let go on.
func TestInstall_changesNothingWhileSomebodyHasStoppedNginx(t *testing.T) {
	t.Parallel()
	ctx, p, site := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	for name, pid := range map[string]int{"master": scanned(t, p).master.pid, "worker": serving(t, p)} {
		goOn := stopProcess(t, pid)
		eventually(t, name+" to be stopped", func() bool { return len(scanned(t, p).stopped()) == 1 })
		changed := site
		changed.Gzip = true
		_, installErr := p.Install(ctx, changed)
		_, ensureErr := p.Ensure(ctx)
		for _, err := range []error{installErr, ensureErr} {
			var gone *Unreachable
			if !errors.As(err, &gone) || !contains(gone.Error(), strconv.Itoa(pid)) || !contains(gone.Hint(), "kill -CONT "+strconv.Itoa(pid)) {
				t.Errorf("%s stopped: got %v, want *Unreachable that names process %d and says how it goes on", name, err, pid)
			}
		}
		goOn()
		eventually(t, name+" to go on", func() bool { return len(scanned(t, p).stopped()) == 0 })
		checkServes(t, p, "web", "blue", before)
	}
	if _, err := p.Ensure(ctx); err != nil {
		t.Error(err)
	}
}

// A worker that is stopped in the middle of a reload never lets go of the door.
func TestReload_endsAndNamesAnOlderWorkerThatIsStopped(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	prog := programOf(t, p)
	stopped := serving(t, p)
	goOn := stopProcess(t, stopped)
	err := p.plainReload(ctx, prog)
	var late *NotTaken
	if !errors.As(err, &late) || !contains(late.Awaited, "stopped processes: "+strconv.Itoa(stopped)) {
		t.Errorf("got %v, want *NotTaken that names process %d", err, stopped)
	}
	goOn()
	eventually(t, "the older worker to end", func() bool { return len(scanned(t, p).older(scanned(t, p).generation(), true)) == 0 })
	if err := p.Settle(ctx); err != nil {
		t.Error(err)
	}
	checkServes(t, p, "web", "blue", before)
}

func TestEnsure_startsAgainWhenTheWorkersOfAKilledMasterAreStopped(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	ps := scanned(t, p)
	for _, w := range ps.workers {
		stopProcess(t, w.pid)
	}
	killMaster(t, p)
	if err := p.Settle(ctx); err != nil { // nothing runs that could be settled
		t.Error(err)
	}
	if begun, err := p.Ensure(ctx); err != nil || !begun {
		t.Fatalf("started %v, %v", begun, err)
	}
	checkServes(t, p, "web", "blue", before)
	eventually(t, "the former workers to end", func() bool { return len(scanned(t, p).orphans) == 0 })
}

// TestEnsure_startsAgainThoughInterrupted: the workers of a killed master serve
// until they are told to finish, and from then on there is no way back.
func TestEnsure_startsAgainThoughInterrupted(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	for range 3 {
		killMaster(t, p)
		interrupted, interrupt := context.WithCancel(ctx)
		over := make(chan struct{})
		go func() {
			defer close(over)
			defer interrupt()
			for ctx.Err() == nil {
				ps, err := p.scan()
				if err == nil && !slices.ContainsFunc(ps.orphans, func(o process) bool { return o.accepts }) {
					return
				}
			}
		}()
		if begun, err := p.Ensure(interrupted); err != nil || !begun {
			t.Errorf("started %v, %v", begun, err)
		}
		<-over
		checkServes(t, p, "web", "blue", before)
	}
}

func TestEnsure_saysThatSomebodyHasRemovedTheDoor(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	if err := os.Remove(p.paths.door()); err != nil {
		t.Fatal(err)
	}
	var gone *Unreachable
	if _, err := p.Ensure(ctx); !errors.As(err, &gone) || !contains(gone.Error(), p.paths.door()) || gone.Hint() == "" {
		t.Errorf("got %v, want *Unreachable that names the door and says what to do", err)
	}
}

func TestEnsure_saysWhoHasThePortThatAStartNeeds(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	taken, err := net.Listen("tcp", p.config.Listen[0])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = p.Ensure(testContext(t))
	var gone *Unreachable
	if !errors.As(err, &gone) {
		t.Fatalf("got %v, want *Unreachable", err)
	}
	checkNamesUs(t, err, p.config.Listen[0])
	if ps, err := p.scan(); err != nil || ps.master != nil {
		t.Errorf("nginx runs: %+v, %v", ps, err)
	}
	_ = taken.Close()
	if begun, err := p.Ensure(testContext(t)); err != nil || !begun {
		t.Errorf("with the port free: started %v, %v", begun, err)
	}
}

// Workers whose master is dead serve on where the next nginx could not start.
func TestEnsure_leavesTheWorkersOfAKilledMasterAloneWhereNginxRefusesAFile(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	good := installedBytes(t, p, "web")
	killMaster(t, p)
	writeFile(t, p.paths.site("web"), "broken\n")
	var refused *Refused
	if _, err := p.Ensure(ctx); !errors.As(err, &refused) || refused.App != "web" {
		t.Errorf("got %v, want *Refused that names the app", err)
	}
	if _, body := get(t, p, "web.localhost", "/"); body != "blue" {
		t.Errorf("answered by %q, want blue", body)
	}
	writeFile(t, p.paths.site("web"), string(good))
	if begun, err := p.Ensure(ctx); err != nil || !begun {
		t.Errorf("with the file mended: started %v, %v", begun, err)
	}
	checkServes(t, p, "web", "blue", good)
}
