package nginx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSwitch_losesNoRequestOfKeepAliveClients(t *testing.T) {
	ctx, p := testContext(t), started(t)
	blue, green := startCounted(t, "blue"), startCounted(t, "green")
	install(t, p, Site{App: "web", Blue: []string{blue.addr}, Green: []string{green.addr}})
	l := startLoad(p, "web.localhost", 24)
	slot := Blue
	for range 30 {
		slot = slot.Other()
		if err := p.Switch("web", slot); err != nil {
			t.Fatal(err)
		}
		if err := p.Prove(ctx, "web", slot); err != nil {
			t.Fatal(err)
		}
		pause(ctx, 30*time.Millisecond)
	}
	t.Logf("%d requests, %d lost", l.finish(), len(l.lost))
	l.checkLossless(t, blue, green)
	if len(blue.ids) == 0 || len(green.ids) == 0 {
		t.Errorf("blue ran %d requests, green %d: no switch happened", len(blue.ids), len(green.ids))
	}
}

// TestSwitch_isNotDisturbedByACommandOfAnotherApp: a switch does not hold the
// root's lock, and another app's command tidies meanwhile.
func TestSwitch_isNotDisturbedByACommandOfAnotherApp(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	tidying, stop := context.WithCancel(ctx)
	tidied := make(chan error, 1)
	go func() {
		for tidying.Err() == nil {
			if err := errors.Join(p.Settle(ctx), p.Sweep()); err != nil {
				tidied <- err
				return
			}
		}
		tidied <- nil
	}()
	for range 300 {
		for _, slot := range []Slot{Green, Blue} {
			if err := p.Switch("web", slot); err != nil {
				t.Errorf("switching to %s: %v", slot, err)
			}
		}
	}
	stop()
	if err := <-tidied; err != nil {
		t.Error(err)
	}
}

// The control: the same clients do lose requests when nginx is reloaded without
// ceremony, and lose none by zdd's reload.
func TestReload_isPoliteWhereAPlainOneLosesRequests(t *testing.T) {
	ctx, p := testContext(t), started(t)
	blue, green := startCounted(t, "blue"), startCounted(t, "green")
	site := Site{App: "web", Blue: []string{blue.addr}, Green: []string{green.addr}}
	install(t, p, site)

	l := startLoad(p, "web.localhost", 32)
	for i := range 3 {
		site.Gzip = i%2 == 0
		if _, err := p.Install(ctx, site); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("polite: %d requests, %d lost", l.finish(), len(l.lost))
	l.checkLossless(t, blue, green)

	l = startLoad(p, "web.localhost", 32)
	ps, err := p.scan()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := syscall.Kill(ps.master.pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		pause(ctx, 200*time.Millisecond)
	}
	t.Logf("plain: %d requests, %d lost", l.finish(), len(l.lost))
	if len(l.lost) == 0 {
		t.Error("ten plain reloads lost nothing: the test is blind")
	}
}

func TestSwitch_sendsALateUploadThroughTheDoor(t *testing.T) {
	t.Parallel()
	for _, closing := range []bool{false, true} {
		t.Run(fmt.Sprintf("closing=%v", closing), func(t *testing.T) {
			p := started(t)
			site, blue, _ := blueGreen(t, "web")
			install(t, p, site)
			if closing {
				setClosing(t, p)
			}
			conn, err := net.Dial("tcp", p.config.Listen[0])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "POST /up HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: 10\r\n\r\n12345"); err != nil {
				t.Fatal(err)
			}
			// The worker has picked blue when it has read the head; a request after it on
			// another connection of each worker proves no more, so give it time.
			pause(testContext(t), 200*time.Millisecond)
			if err := p.Switch("web", Green); err != nil {
				t.Fatal(err)
			}
			if err := blue.server.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "67890"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("200 green", fmt.Sprintf("%d %s", resp.StatusCode, body)); diff != "" {
				t.Errorf("late upload (-want +got):\n%s\n%s", diff, mustRead(t, p.paths.errorLog()))
			}
			if got := blue.served.Load(); got != 0 {
				t.Errorf("blue served %d requests, want 0", got)
			}
		})
	}
}

func TestAnswers_isATypedErrorForAnUnknownApp(t *testing.T) {
	t.Parallel()
	p := started(t)
	_, err := p.Answers(testContext(t), "nobody")
	var unknown *UnknownApp
	if !errors.As(err, &unknown) || unknown.App != "nobody" {
		t.Errorf("got %v, want *UnknownApp", err)
	}
}

func TestAnswers_isUnreachableWhenNginxDoesNotRun(t *testing.T) {
	t.Parallel()
	_, err := newProxy(t).Answers(testContext(t), "web")
	var gone *Unreachable
	if !errors.As(err, &gone) {
		t.Errorf("got %v, want *Unreachable", err)
	}
}

func TestProve_saysWhatItAwaitedAndSawLast(t *testing.T) {
	t.Parallel()
	p := started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	err := p.Prove(ctx, "web", Green)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want a timeout", err)
	}
	for _, want := range []string{"slot green", `"web"`, "last seen: blue"} {
		if !contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestLive_readsTheFlagOrTheReloadSite(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	if slot, installed, err := p.Live("web"); slot != Blue || installed || err != nil {
		t.Errorf("without a site: %s, %v, %v", slot, installed, err)
	}
	site, _, _ := blueGreen(t, "web")
	site.Strategy, site.Live = Reload, Green
	install(t, p, site)
	if slot, installed, err := p.Live("web"); slot != Green || !installed || err != nil {
		t.Errorf("reload site: %s, %v, %v", slot, installed, err)
	}
	if err := p.Prove(ctx, "web", Green); err != nil {
		t.Error(err)
	}
	if _, body := get(t, p, "web.localhost", "/"); body != "green" {
		t.Errorf("answered by %q, want green", body)
	}
	if err := p.Switch("web", Blue); err == nil {
		t.Error("a flag switch of a reload site was accepted")
	}
	site.Strategy, site.Live = Flag, ""
	install(t, p, site)
	if slot, _, err := p.Live("web"); slot != Green || err != nil {
		t.Errorf("back at the flag strategy: %s, %v; the live slot must not change", slot, err)
	}
	if err := p.Prove(ctx, "web", Green); err != nil {
		t.Error(err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
