package nginx

import (
	"bufio"
	"net"
	"testing"
	"time"
)

// TestPolite_waitsForConnectionsThatWereOpenAndForNoOthers holds what a reload's
// losing nothing hangs on: an idle connection is closed by an answer that says so.
func TestPolite_waitsForConnectionsThatWereOpenAndForNoOthers(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	prog := programOf(t, p)
	if prog.atLeast(1, 27, 4) {
		t.Skip("this nginx closes idle connections politely by itself")
	}
	dial := func() (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", p.config.Listen[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn, bufio.NewReader(conn)
	}
	idle, fromIdle := dial()
	if _, closing, err := post(idle, fromIdle, "web.localhost", "first"); err != nil || closing {
		t.Fatalf("closing %v, %v", closing, err)
	}
	setClosing(t, p)
	open, err := p.clientConnections()
	if err != nil || len(open) != 1 {
		t.Fatalf("open: %v, %v; want one", open, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.awaitGone(ctx, open, time.Hour) }()
	late, _ := dial()
	select {
	case err := <-ended:
		t.Fatalf("the phase ended while a client was idle: %v", err)
	default:
	}
	if _, closing, err := post(idle, fromIdle, "web.localhost", "second"); err != nil || !closing {
		t.Errorf("closing %v, %v; want an answer that closes", closing, err)
	}
	_ = idle.Close()
	if err := <-ended; err != nil {
		t.Fatalf("the phase did not end when the idle client had gone: %v", err)
	}
	_ = late.Close()
}

// TestSettle_endsThePolitePhaseOfAKilledZddAfterItsReload: nginx's new workers run
// for 100 ms before the older ones end, and those close what is idle then.
func TestSettle_endsThePolitePhaseOfAKilledZddAfterItsReload(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	prog := programOf(t, p)
	for range 5 {
		setClosing(t, p)
		n, _, err := p.askReload(ctx, prog)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new workers", func() bool { return scanned(t, p).generation() == n })
		if err := p.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		if older := scanned(t, p).older(n, true); len(older) > 0 {
			t.Errorf("the phase is over, and workers %s accept still", pids(older))
		}
		if left, err := readIfThere(p.paths.closing()); err != nil || left != nil {
			t.Errorf("the phase goes on after Settle: %v", err)
		}
	}
}

// TestReload_keepsAConnectionThatHasNotAskedYet: why the polite phase need not wait
// for connections that were opened during it.
func TestReload_keepsAConnectionThatHasNotAskedYet(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	prog := programOf(t, p)
	// nginx closes a connection that does not ask for 15 s (client_header_timeout).
	for range 5 {
		opened := time.Now()
		conn, err := net.Dial("tcp", p.config.Listen[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := p.plainReload(ctx, prog); err != nil {
			t.Fatal(err)
		}
		body, _, err := post(conn, bufio.NewReader(conn), "web.localhost", "late")
		_ = conn.Close()
		if err == nil && body == "blue" {
			return
		}
		if took := time.Since(opened); took < 10*time.Second {
			t.Fatalf("%q, %v after %s", body, err, took)
		}
	}
	t.Skip("this machine is too slow today: each reload took longer than a connection may be silent")
}
