package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zdd/testdata/load"
)

// pace is the pause of each client between two requests, where a test says no
// other. What counts is that requests come at every moment, and each of these
// tests has but a part of the machine.
const pace = 10 * time.Millisecond

// flatOut is the pause of clients that are to be as fast as can be.
const flatOut = time.Microsecond

// load puts clients on the host's app; they are stopped with the test.
func (h *host) load(config load.Config) *load.Run {
	h.t.Helper()
	config.Pause = cmp.Or(config.Pause, pace)
	config.Address, config.Host = h.addr, h.app+".localhost"
	run, err := load.Start(h.t.Context(), config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { run.Stop() })
	return run
}

// assertLossless wants both ends to agree that every request was answered,
// once, by a release that was allowed to.
func (h *host) assertLossless(run *load.Run) load.Report {
	h.t.Helper()
	report := run.Stop()
	compared, err := report.Compare(h.ids)
	if err != nil {
		h.t.Fatal(err)
	}
	if report.Lost != 0 || report.Unchecked != 0 || report.Answered == 0 || !compared.Clean() {
		h.t.Errorf("requests were lost:\n%s\n%s", report, compared)
	}
	h.t.Logf("%d requests sent, %d answered, %d lost", report.Sent, report.Answered, report.Lost)
	return report
}

// assertNoAnswerBefore wants the version's first answer to come after its
// checks had passed, by the events of its deploy.
func assertNoAnswerBefore(t *testing.T, report load.Report, version string, deploy result) {
	t.Helper()
	answers, ok := report.Version(version)
	if !ok {
		t.Errorf("%s has answered nobody", version)
		return
	}
	if passed := checksPassed(t, deploy); answers.First.Before(passed) {
		t.Errorf("%s answered at %s, before its checks passed at %s", version, answers.First, passed)
	}
}

// TestDeploy_losesNoRequestInTwentyDeploys is the promise: clients that never
// retry, through twenty deploys, half of them with slow requests, slow uploads,
// streams and websockets open.
func TestDeploy_losesNoRequestInTwentyDeploys(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image()
	deploy := func(n int) result {
		return h.must("deploy", h.app, image, "--env", fmt.Sprintf("VERSION=v%d", n), "--json")
	}
	h.must("deploy", h.app, image, "--env", "VERSION=v0", "--env", "IDS=/ids", "--volume", h.ids+":/ids", "--drain", "3s")

	run := h.load(load.Config{Clients: 64, Pause: 3 * pace})
	events := map[string]result{}
	for n := 1; n <= 10; n++ {
		events[fmt.Sprintf("v%d", n)] = deploy(n)
	}
	slow := h.load(load.Config{
		Clients: -1, SlowUploads: 4, SlowAnswers: 4, Streams: 2, Websockets: 2, StreamTime: 2 * time.Second, AnswerTime: 2 * time.Second,
	})
	for n := 11; n <= 20; n++ {
		events[fmt.Sprintf("v%d", n)] = deploy(n)
	}

	report := h.assertLossless(run)
	for version, deploy := range events {
		assertNoAnswerBefore(t, report, version, deploy)
	}
	slowReport := slow.Stop()
	if slowReport.Lost != 0 || slowReport.Unchecked != 0 || slowReport.Answered == 0 {
		t.Errorf("slow requests were lost:\n%s", slowReport)
	}
	h.assertServes("v20", 21)
}

// TestDeploy_losesNoRequestToAnAppThatDiesAtOnce has a release that does not
// finish anything on SIGTERM: only the drain can save its requests.
func TestDeploy_losesNoRequestToAnAppThatDiesAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("ON_TERM=exit")
	h.must("deploy", h.app, image, "--env", "VERSION=v0", "--env", "IDS=/ids", "--volume", h.ids+":/ids", "--replicas", "2")
	run := h.load(load.Config{Clients: 16, SlowUploads: 8, SlowAnswers: 4})
	for n := 1; n <= 4; n++ {
		h.must("deploy", h.app, image, "--env", fmt.Sprintf("VERSION=v%d", n))
	}
	h.must("rollback", h.app)
	h.assertLossless(run)
	h.assertServes("v3", 4)
}

// TestDeploy_losesNoRequestWhenTheSiteChanges changes domains, port and
// replicas under load: each is a reload of nginx.
func TestDeploy_losesNoRequestWhenTheSiteChanges(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	image := h.image("IDS=/ids", "VERSION=v1")
	own := h.app + ".localhost"
	h.must("deploy", h.app, image, "--volume", h.ids+":/ids", "--domain", own, "--drain", "3s")
	run := h.load(load.Config{Clients: 32, Pause: 2 * pace, Websockets: 2})
	// A slow answer that ends in the very moment of a reload is not announced as
	// the connection's last: these clients look before they send again.
	slow := h.load(load.Config{Clients: -1, SlowAnswers: 2, Pause: 100 * time.Millisecond, KeepAlive: time.Millisecond})
	h.must("deploy", h.app, image, "--domain", own, "--domain", "www.example.test")
	h.must("deploy", h.app, image, "--port", "7000")
	h.must("deploy", h.app, image, "--replicas", "3")
	h.must("deploy", h.app, image, "--replicas", "1", "--switch", "reload")
	h.must("deploy", h.app, image, "--switch", "flag")
	h.assertLossless(run)
	h.assertLossless(slow)
	if status, _, _ := h.ask("www.example.test", "/"); status != 200 {
		t.Errorf("the new domain answers %d", status)
	}
	if status, _, _ := h.ask("unknown.example.test", "/"); status != 404 {
		t.Errorf("an unknown host answers %d, want 404", status)
	}
	h.assertServes("v1", 6)
}

// TestDeploy_losesNoRequestWhenReleasesFail lets one release after the other
// fail in its own way, under load.
func TestDeploy_losesNoRequestWhenReleasesFail(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	checks := filepath.Join(h.root, "CHECKS")
	if err := os.WriteFile(checks, []byte("WAIT=1\nTIMEOUT=1\nATTEMPTS=2\n/healthz ok\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids", "--checks", checks)
	run := h.load(load.Config{Clients: 32, SlowAnswers: 2, Allowed: []string{"v1"}})
	for _, broken := range [][]string{
		{"VERSION=bad", "IDS=/ids", "STATUS=500"},
		{"VERSION=bad", "IDS=/ids", "ON_START=exit:3"},
		{"VERSION=bad", "IDS=/ids", "LISTEN=never"},
	} {
		h.wants(5, "deploy", h.app, h.image(broken...))
		h.assertServes("v1", 1)
	}
	h.assertLossless(run)
}
