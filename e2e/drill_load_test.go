package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zdd/testdata/load"
)

// loadDrill is how much of it there is.
type loadDrill struct {
	clients, others                     int // clients of the app, other apps
	deploys, failed, rollbacks, changes int
	upload, answer, stream, drain       time.Duration
	quiet                               int           // answers of each kind without a deploy
	pause                               time.Duration // of each client between two requests
}

// TestDrillLoad_losesNothing puts clients of every sort on an app, and takes it
// through deploys, deploys that fail, rollbacks and changes of its site, while
// other apps carry traffic. Then a deploy without zdd must lose requests, or
// nothing of this means anything.
func TestDrillLoad_losesNothing(t *testing.T) {
	if !*whole {
		t.Parallel()
		drillLoad(t, loadDrill{
			clients: 48, others: 2, deploys: 3, failed: 2, rollbacks: 2, changes: 2,
			upload: time.Second, answer: time.Second, stream: time.Second, drain: 1500 * time.Millisecond,
			quiet: 1, pause: 50 * time.Millisecond,
		})
		return
	}
	for _, clients := range []int{64, 512} {
		t.Run(fmt.Sprintf("%d clients", clients), func(t *testing.T) {
			drillLoad(t, loadDrill{
				clients: clients, others: 5, deploys: 50, failed: 20, rollbacks: 20, changes: 10,
				upload: 2 * time.Second, answer: 3 * time.Second, stream: 2 * time.Second, drain: 3500 * time.Millisecond,
				// The same number of requests a second, whoever sends them.
				quiet: clients / 8, pause: 10 * time.Millisecond * time.Duration(clients/64),
			})
		})
	}
}

// The phases of the drill.
const (
	phaseQuiet     = "quiet"
	phaseDeploys   = "deploys"
	phaseFailed    = "failed deploys"
	phaseRollbacks = "rollbacks"
	phaseChanges   = "changed sites"
)

// loaded is a drill in progress.
type loaded struct {
	*host
	fleet
	drill    loadDrill
	image    string
	versions []string             // that may answer
	checked  map[string]time.Time // when the checks of each had passed
	n        int                  // deploys that succeeded
	own      []*clients           // clients of the app that is deployed
	others   []*clients           // and of the other ones
}

func drillLoad(t *testing.T, drill loadDrill) {
	l := &loaded{host: newHost(t), drill: drill, checked: map[string]time.Time{}}
	l.fleet.h, l.secure = l.host, freeAddress(t)
	l.env = append(l.env, "ZDD_LISTEN_TLS="+l.secure)
	l.image = l.host.image("IDS=/ids")
	l.trust.add(l.certificate(1))
	l.deploy("--drain", drill.drain.String(), "--volume", l.ids+":/ids", "--domain", l.name())
	for i := range drill.others {
		name := fmt.Sprintf("%s-other%d", l.app, i)
		l.must("deploy", name, l.image, "--env", "VERSION=other", "--volume", l.ids+":/ids")
	}
	slow := l.begin()

	l.phase(phaseQuiet)
	l.awaitAnswers(phaseQuiet, drill.quiet)
	l.phase(phaseDeploys)
	for range drill.deploys {
		l.deploy()
	}
	l.phase(phaseFailed)
	l.fail()
	l.assertServes(l.versions[l.n-1], l.n)
	l.phase(phaseRollbacks)
	for range drill.rollbacks { // back and forth: an even number
		l.must("rollback", l.app)
	}
	l.assertServes(l.versions[l.n-1], l.n)
	slow.Stop()
	l.exposed()
	l.phase(phaseChanges)
	for i := range drill.changes {
		l.change(i)
	}
	l.assertServes(l.versions[l.n-1], l.n+drill.failed)
	l.judge()
	assertControlLoses(t)
}

func (l *loaded) name() string { return l.app + ".localhost" }

// begin starts all clients. Those that it returns are the ones whose connections
// nginx cannot tell in time that it will close them for a changed site; see
// exposed.
func (l *loaded) begin() (slow *clients) {
	d := l.drill
	rest := d.clients
	share := func(of64 int) int {
		n := max((d.clients*of64+32)/64, 1)
		rest -= n
		return n
	}
	config := func(c load.Config) load.Config {
		c.UploadTime, c.AnswerTime, c.StreamTime = d.upload, d.answer, d.stream
		c.Allowed, c.Limit = l.versions, time.Hour
		c.Pause = max(c.Pause, d.pause)
		return c
	}
	slow = l.put("keep-alive, slow", config(load.Config{
		Clients: -1, SlowUploads: share(4), SlowAnswers: share(4), Streams: share(2),
	}))
	// New connections are few a second: each leaves a port in TIME_WAIT.
	fresh := l.put("new connections", config(load.Config{
		Fresh: true, Pause: 10 * d.pause,
		Clients: share(5), Gets: share(4), SlowUploads: share(2), SlowAnswers: share(2), Streams: share(1),
	}))
	http2 := l.put("HTTP/2 over TLS", config(load.Config{
		TLS: l.trust.config(), Clients: share(5), Gets: share(3), SlowUploads: share(2), SlowAnswers: share(1), Streams: share(1),
	}))
	most := config(load.Config{Gets: share(10), Websockets: share(4)})
	most.Clients = rest
	kept := l.put("keep-alive", most)
	l.own = []*clients{slow, fresh, http2, kept}
	for i := range d.others {
		l.others = append(l.others, l.put(fmt.Sprintf("other app %d", i+1), load.Config{
			Host:    fmt.Sprintf("%s-other%d.localhost", l.app, i),
			Clients: 1, Gets: 1, Websockets: 2, Pause: 50 * time.Millisecond, Allowed: []string{"other"}, Limit: time.Hour,
		}))
	}
	return slow
}

// exposed starts the clients that lose requests to a changed site, and which
// the drill counts apart. nginx 1.22 closes a connection as soon as the answer
// on it ends, if it was reloaded meanwhile, and has by then said that it would
// keep it; one that sends its next request in that moment is not heard. That is
// so for every answer that began before the polite phase and ended after it. No
// such request may have reached the app. (HTTP/2 has GOAWAY for it; a connection
// for each request needs no word. Slow uploads on kept connections are in the
// same case, and are left out, as one that breaks cannot be told from one that
// was not heard.)
func (l *loaded) exposed() {
	d := l.drill
	l.own = append(l.own, l.put("keep-alive, slow, exposed", load.Config{
		Clients: -1, SlowAnswers: (d.clients*4 + 32) / 64, Streams: (d.clients*2 + 32) / 64,
		AnswerTime: d.answer + time.Second, StreamTime: d.stream, Pause: d.pause, Allowed: l.versions, Limit: time.Hour,
	}))
}

// deploy makes the next version live, and waits until it has answered clients.
func (l *loaded) deploy(flags ...string) {
	l.t.Helper()
	version := fmt.Sprintf("v%d", l.n)
	l.versions = append(l.versions, version)
	l.allow(l.versions, l.own...)
	result := l.must(append([]string{"deploy", l.app, l.image, "--json", "--env", "VERSION=" + version}, flags...)...)
	l.checked[version] = checksPassed(l.t, result)
	l.n++
	for _, sort := range l.own {
		eventually(l.t, version+" answers "+sort.name, func() bool {
			report := sort.Report()
			_, ok := report.Version(version)
			return ok || report.Kinds[load.Post].Sent == 0
		})
	}
}

// fail deploys releases that do not pass their checks, each in its own way.
func (l *loaded) fail() {
	l.t.Helper()
	checks := filepath.Join(l.root, "CHECKS")
	if err := os.WriteFile(checks, []byte("WAIT=1\nTIMEOUT=1\nATTEMPTS=1\n/healthz ok\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	ways := []string{"STATUS=500", "ON_START=exit:3", "LISTEN=never"}
	for i := range l.drill.failed {
		l.wants(5, "deploy", l.app, l.image, "--checks", checks, "--env", "VERSION=bad", "--env", ways[i%len(ways)])
	}
}

// change gives the app a domain, or another certificate, in turns.
func (l *loaded) change(i int) {
	l.t.Helper()
	if i%2 == 0 {
		domain := fmt.Sprintf("www%d.example.test", i)
		l.deploy("--domain", l.name(), "--domain", domain)
		if status, _, _ := l.ask(domain, "/"); status != 200 {
			l.t.Errorf("the new domain %s answers %d", domain, status)
		}
		return
	}
	serial := int64(i + 2)
	pool := l.certificate(serial)
	l.trust.add(pool)
	l.deploy()
	if got, _ := l.askTLS(l.secure, pool); got != serial {
		l.t.Errorf("HTTPS answers with certificate %d, want %d", got, serial)
	}
}

// judge ends the load and wants nothing lost.
func (l *loaded) judge() {
	l.t.Helper()
	reports := l.assertNothingLost()
	for _, sort := range l.own {
		for _, answers := range reports[sort.name].Versions {
			if answers.First.Before(l.checked[answers.Name]) {
				l.t.Errorf("%s: %s answered at %s, before its checks passed at %s",
					sort.name, answers.Name, answers.First, l.checked[answers.Name])
			}
		}
		for _, phase := range reports[sort.name].Phases {
			for kind, count := range phase.Kinds {
				if count.Exposed > 0 && phase.Name != phaseChanges {
					l.t.Errorf("%s: %d of %s lost in the phase %q, in which nginx is not reloaded", sort.name, count.Exposed, kind, phase.Name)
				}
			}
		}
	}
	for _, sort := range l.others {
		if got := reports[sort.name].Kinds[load.Websocket]; got.Cut != 0 || got.Sent != 2 {
			l.t.Errorf("%s: %d of %d websockets cut, want 0 of 2", sort.name, got.Cut, got.Sent)
		}
	}
	phases := []string{phaseQuiet, phaseDeploys, phaseFailed, phaseRollbacks, phaseChanges}
	l.t.Logf("\n%s", l.table(phases, reports))
}

// checksPassed is when the checks of a deploy had passed, by its events.
func checksPassed(t testing.TB, deploy result) time.Time {
	t.Helper()
	for line := range strings.Lines(deploy.stdout) {
		var event struct {
			Time         time.Time
			Step, Status string
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if event.Step == "check" && event.Status == "done" {
			return event.Time
		}
	}
	t.Fatalf("the checks never passed:\n%s", deploy.stdout)
	return time.Time{}
}
