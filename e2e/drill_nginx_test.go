package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zdd/testdata/load"
)

// nginxClients is how many clients a drill of nginx has. Each holds one
// connection, so that a worker's end takes one request of each at most.
const nginxClients = 4

// nginxPace is the pause of these clients. What they lose is counted by
// connection, so that few requests do.
const nginxPace = 20 * time.Millisecond

// An nginxFault is what somebody does to nginx while zdd stands still at a point
// of a deploy.
type nginxFault struct {
	name string
	// strike does it, and returns what is done once the deploy has ended.
	strike func(d *nginxDrill) (after func())
	// outlived says that workers go on without their master: clients notice
	// nothing until the next command starts nginx again, and are refused then.
	outlived bool
	// all says that it ends every worker, one after the other: whoever lost the
	// connection to one may have the next taken by another that is about to end.
	all bool
	// codes are the ways in which the deploy may end.
	codes []int
	// some are the points of the short form.
	some []string
}

var nginxPoints = []string{
	"before lock", "before resolve", "before start", "before check", "before site", "before signalling nginx",
	"after signalling nginx", "after site", "before switch", "after switch", "before verify", "after verify",
	"before commit", "after commit", "before drain", "after drain", "before retire", "after retire",
}

var nginxFaults = []nginxFault{
	{
		name: "worker killed", codes: []int{0}, some: []string{"before verify"},
		strike: func(d *nginxDrill) func() { return d.kill(d.nginxWorkers()[0]) },
	}, {
		name: "reloaded by somebody else", all: true, codes: []int{0}, some: []string{"before commit"},
		strike: func(d *nginxDrill) func() { d.signal(d.nginxMaster(), syscall.SIGHUP); return func() {} },
	}, {
		name: "master killed", outlived: true, codes: []int{0, 4, 6, 7}, some: []string{"before check", "before verify"},
		strike: func(d *nginxDrill) func() { return d.kill(d.nginxMaster()) },
	}, {
		name: "workers stopped", codes: []int{0, 4, 6, 7},
		strike: (*nginxDrill).stopWorkers,
	},
}

// nginxDrill is a host whose nginx is struck again and again.
type nginxDrill struct{ *killDrill }

// TestDrillNginx_survivesWhatBecomesOfNginx strikes nginx at the points of a
// deploy that changes the site, under load. The next command makes all whole.
func TestDrillNginx_survivesWhatBecomesOfNginx(t *testing.T) {
	t.Parallel()
	d := &nginxDrill{newKillDrill(t)}
	for _, fault := range nginxFaults {
		points := fault.some
		if *whole {
			points = nginxPoints
		}
		for _, at := range points {
			d.strikeNginx(fault, at)
			if t.Failed() {
				t.Fatalf("after %s at %q", fault.name, at)
			}
		}
	}
	run := d.load(d.clients())
	version := d.expect()
	d.must(d.deploy(version)...)
	d.assertLossless(run)
	d.assertWhole(version)
}

// strikeNginx lets a deploy stand still at the point, strikes, and lets it go on.
func (d *nginxDrill) strikeNginx(fault nginxFault, at string) {
	d.t.Helper()
	run := d.load(d.clients())
	version := d.expect()
	words := append(d.deploy(version), "--domain", d.app+".localhost", "--domain", version+".example.test")
	bound := nginxClients
	if fault.all {
		bound *= len(d.nginxWorkers())
	}
	var after func()
	r := d.stoppedAt(at, func() { after = fault.strike(d) }, words...)
	if !slices.Contains(fault.codes, r.code) {
		d.t.Errorf("%s at %q: want exit %v: %s", fault.name, at, fault.codes, r.describe())
	}
	// After the lock every command looks at nginx, and starts it where it must.
	if fault.outlived && at != "before lock" {
		d.assertLossless(run)
		run = d.load(d.clients())
	}
	after()
	d.must("recover", d.app)
	mended := time.Now()
	state, _ := d.onDisk()
	d.assertWhole(d.versions[state.Live])
	report := d.assertLost(run, fault, bound, mended)
	d.t.Logf("%s at %q: exit %d, release %d is live, %d requests lost", fault.name, at, r.code, state.Live, report.Lost)
}

func (d *nginxDrill) clients() load.Config {
	return load.Config{Clients: nginxClients, Pause: nginxPace, Timeout: patience, Losses: 1 << 20}
}

// assertLost wants the clients to have lost no more than bound, unless all were
// refused for a while, nothing on a connection of after nginx was mended, and
// nothing to have been asked twice.
func (d *nginxDrill) assertLost(run *load.Run, fault nginxFault, bound int, mended time.Time) load.Report {
	d.t.Helper()
	report := run.Stop()
	compared, err := report.Compare(d.ids)
	if err != nil {
		d.t.Fatal(err)
	}
	if report.Unchecked != 0 || report.Answered == 0 || len(compared.Unprocessed)+len(compared.Twice) > 0 {
		d.t.Errorf("%s: answers are wrong:\n%s\n%s", fault.name, report, compared)
	}
	if report.Lost > bound && !fault.outlived {
		d.t.Errorf("%s: %d requests lost, want %d at most\n%s", fault.name, report.Lost, bound, report)
	}
	late := 0
	for _, loss := range report.Losses {
		if loss.Time.Add(-loss.After).After(mended) {
			late++
			if loss.Reason == "connection refused" {
				d.t.Errorf("%s: %s was refused after nginx had been mended", fault.name, loss.ID)
			}
		}
		if !strings.HasPrefix(loss.Reason, "connection ") && loss.Reason != "answer cut short" {
			d.t.Errorf("%s: %s was lost for another reason: %s %s", fault.name, loss.ID, loss.Reason, loss.Detail)
		}
	}
	// A client that was slow may find its connection of before closed only now.
	if late > nginxClients {
		d.t.Errorf("%s: %d requests lost after nginx had been mended\n%s", fault.name, late, report)
	}
	return report
}

// signal sends a signal to a process of the host's own.
func (d *nginxDrill) signal(pid int, s syscall.Signal) {
	d.t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		d.t.Errorf("sending %s to %d: %v", s, pid, err)
	}
}

func (d *nginxDrill) kill(pid int) (after func()) {
	d.t.Helper()
	d.signal(pid, syscall.SIGKILL)
	eventually(d.t, fmt.Sprintf("process %d has ended", pid), func() bool { s := processState(pid); return s == "" || s == "Z" })
	return func() {}
}

// stopWorkers stops all workers, and wants a command that begins then to say so
// at once.
func (d *nginxDrill) stopWorkers() (after func()) {
	d.t.Helper()
	workers := d.nginxWorkers()
	goOn := func() {
		for _, pid := range workers {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been replaced
		}
	}
	d.t.Cleanup(goOn)
	for _, pid := range workers {
		d.signal(pid, syscall.SIGSTOP)
		eventually(d.t, fmt.Sprintf("worker %d is stopped", pid), func() bool { return processState(pid) == "T" })
	}
	return goOn
}

// nginxWorkers are the master's children that are not about to end.
func (d *nginxDrill) nginxWorkers() []int {
	d.t.Helper()
	var workers []int
	eventually(d.t, "nginx has workers", func() bool {
		workers = nil
		for _, pid := range childrenOf(d.nginxMaster()) {
			title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if !bytes.Contains(title, []byte("shutting down")) {
				workers = append(workers, pid)
			}
		}
		return len(workers) > 0
	})
	return workers
}

// TestDrillNginx_saysThatItIsStoppedAndStartsItWhereItDoesNotRun: no command waits
// for an nginx that somebody has stopped, and a deploy needs none that runs.
func TestDrillNginx_saysThatItIsStoppedAndStartsItWhereItDoesNotRun(t *testing.T) {
	t.Parallel()
	d := &nginxDrill{newKillDrill(t)}
	goOn := d.stopWorkers()
	refused := d.wants(4, d.deploy("v3")...)
	assertContains(t, refused.stderr, "stopped (SIGSTOP)", strconv.Itoa(d.nginxWorkers()[0]), "hint: let them go on: kill -CONT")
	goOn()
	d.assertWhole("v2")

	master := d.nginxMaster()
	d.signal(master, syscall.SIGTERM)
	eventually(t, "nginx has ended", func() bool { return processState(master) == "" })
	d.must(d.deploy("v4")...)
	d.assertWhole("v4")
}

// TestDrillNginx_undoesAMoveWhoseSiteItHadToTakeBack: nginx cannot start after a
// deploy was killed, and a first recovery fails. The second one must not take the
// deploy for one that serves, whose site is gone.
func TestDrillNginx_undoesAMoveWhoseSiteItHadToTakeBack(t *testing.T) {
	t.Parallel()
	d := newKillDrill(t)
	r, _ := d.struck("kill@before commit", append(d.deploy("v3"), "--domain", d.app+".localhost", "--domain", "www.example.test")...)
	if !r.killed(syscall.SIGKILL) {
		t.Fatal(r.describe())
	}
	d.stopNginx()
	var taken net.Listener
	eventually(t, "nginx's port is free", func() bool {
		var err error
		taken, err = net.Listen("tcp", d.addr)
		return err == nil
	})
	d.wants(4, "recover", d.app)
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	d.must("recover", d.app)
	d.assertWhole("v2")
	if domains := fmt.Sprint(d.must("status", d.app, "--json").last(t)["domains"]); strings.Contains(domains, "www.example.test") {
		t.Errorf("the app's domains are %s, want those of release 2", domains)
	}
}

// TestDrillNginx_namesTheFileOfAnotherSite: what is wrong with it stops only what
// must be loaded, and zdd leaves it alone.
func TestDrillNginx_namesTheFileOfAnotherSite(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	conf := h.startDistribution()
	h.must("setup", "--nginx-conf", conf)
	image := h.image("IDS=/ids")
	deploy := func(version string, more ...string) []string {
		return append([]string{"deploy", h.app, image, "--env", "VERSION=" + version}, more...)
	}
	h.must(deploy("v1", "--volume", h.ids+":/ids")...)
	run := h.load(load.Config{Clients: nginxClients, Pause: nginxPace})
	const broken = "server { no_such_directive on; }\n"
	theirs := filepath.Join(filepath.Dir(conf), "conf.d", "theirs.conf")
	if err := os.WriteFile(theirs, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(theirs) }) // with it neither zdd nor nginx could be taken off
	domains := []string{"--domain", h.app + ".localhost", "--domain", "www.example.test"}
	refused := h.wants(6, deploy("v2", domains...)...)
	assertContains(t, refused.stderr, fmt.Sprintf("because of %q, which is not zdd's", theirs), "serving: release 1")
	h.assertServes("v1", 1)
	h.must(deploy("v3")...) // no reload is needed for it
	h.assertServes("v3", 3)
	if content, err := os.ReadFile(theirs); err != nil || string(content) != broken {
		t.Errorf("their file is %q now, %v", content, err)
	}
	if err := os.Remove(theirs); err != nil {
		t.Fatal(err)
	}
	h.must(deploy("v4", domains...)...)
	h.assertServes("v4", 4)
	h.assertInOrder()
	h.assertLossless(run)
	if _, _, body := h.ask("theirs.example.test", "/"); body != "theirs" {
		t.Errorf("the distribution's own server answers %q", body)
	}
}

// TestDrillNginx_saysWhoHasAPort: nginx -t passes, and the reload is not taken.
func TestDrillNginx_saysWhoHasAPort(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	secure := taken.Addr().String()
	h.env = append(h.env, "ZDD_LISTEN_TLS="+secure)
	image := h.image("IDS=/ids")
	deploy := func(version string) []string {
		return []string{"deploy", h.app, image, "--env", "VERSION=" + version, "--volume", h.ids + ":/ids"}
	}
	h.must(deploy("v1")...)
	h.certificate(1)
	run := h.load(load.Config{Clients: nginxClients, Pause: nginxPace})
	refused := h.wants(6, deploy("v2")...)
	assertContains(t, refused.stderr, secure+" is taken by ", fmt.Sprintf("(process %d)", os.Getpid()), "serving: release 1", "hint: end what listens there")
	h.assertWhole("v1")
	h.assertGenerationServes() // the former site is on disk, too
	_ = taken.Close()
	h.must(deploy("v3")...)
	h.assertWhole("v3")
	h.assertLossless(run)
}
