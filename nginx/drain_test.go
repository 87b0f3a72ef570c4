package nginx

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestDrain_namesAnOpenConnectionAndEndsWithIt(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), newProxy(t)
	a := startApp(t, "blue", nil)
	conn, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := p.Drain(ctx, []string{a.addr}, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	want := conn.LocalAddr().String() + " -> " + a.addr
	if got.Closed || got.Sealed || got.Open != 1 || len(got.Connections) != 1 || got.Connections[0] != want {
		t.Errorf("drain of an open connection: %+v, want 1 open: %s", got, want)
	}
	cut, cancel := context.WithCancel(ctx)
	cancel()
	if got, err = p.Drain(cut, []string{a.addr}, deadline); err != nil || got.Closed || got.Open != 1 {
		t.Errorf("drain cut short: %+v, %v", got, err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err = p.Drain(ctx, []string{a.addr}, deadline); err != nil || !got.Closed || got.Open != 0 {
		t.Errorf("drain after the connection's end: %+v, %v", got, err)
	}
}

// An idle pooled connection is not a request: it is there right after one, and
// gone long before the limit.
func TestDrain_doesNotWaitForNginxsIdleConnections(t *testing.T) {
	t.Parallel()
	p := started(t)
	site, blue, _ := blueGreen(t, "web")
	install(t, p, site)
	if _, body := get(t, p, "web.localhost", "/"); body != "blue" {
		t.Fatalf("answered by %q", body)
	}
	targets, err := parseAddresses(site.Blue)
	if err != nil {
		t.Fatal(err)
	}
	if open, err := openConnections(targets); err != nil || len(open) != 1 {
		t.Errorf("no pooled connection to %s: %v, %v", blue.addr, open, err)
	}
	got, err := p.Drain(testContext(t), site.Blue, deadline)
	if err != nil || !got.Closed {
		t.Errorf("idle drain: %+v, %v", got, err)
	}
	t.Logf("idle drain: %s", got.Waited)
}

// The kernel looks loopback addresses up before any rule, so this test has a
// network namespace of its own for the app, as a container has.
func TestSeal_makesLateRequestsTakeTheDoor(t *testing.T) {
	ctx, p := testContext(t), started(t)
	l := listenBehindVeth(t)
	addr := l.Addr().String()
	green := startApp(t, "green", nil)
	install(t, p, Site{App: "web", Blue: []string{addr}, Green: []string{green.addr}})
	dial := func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	got, err := p.Drain(ctx, []string{addr}, deadline)
	if err != nil || !got.Closed || !got.Sealed {
		t.Fatalf("drain: %+v, %v; want closed and sealed", got, err)
	}
	if err := dial(); err == nil {
		t.Error("a sealed address took a connection")
	}
	if err := p.Switch("web", Green); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, p, "web.localhost", "/"); body != "green" {
		t.Errorf("answered by %q, want green", body)
	}
	for range 2 {
		if err := p.Unseal([]string{addr}); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial(); err != nil {
		t.Errorf("an unsealed address: %v", err)
	}
}

func TestSeal_isNotPossibleOnLoopback(t *testing.T) {
	t.Parallel()
	sealed, err := newProxy(t).Seal([]string{"127.0.0.9:80"})
	if sealed || err != nil {
		t.Errorf("sealed %v, %v", sealed, err)
	}
}

// listenBehindVeth listens in a new network namespace, at the far end of a pair
// of virtual devices. The namespace lives as long as the listener.
func listenBehindVeth(t *testing.T) net.Listener {
	t.Helper()
	name := fmt.Sprintf("zdd%08x", rand.Uint32())
	// 198.18.0.0/15 is reserved for tests (RFC 2544).
	net30 := fmt.Sprintf("198.%d.%d.", 18+rand.IntN(2), rand.IntN(256))
	last := 4 * rand.IntN(64)
	near, far := fmt.Sprintf("%s%d", net30, last+1), fmt.Sprintf("%s%d", net30, last+2)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(veth); err != nil {
			t.Error(err)
		}
	})
	up(t, name, near)
	peer, err := netlink.LinkByName(name + "p")
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		l   net.Listener
		err error
	}
	made := make(chan result)
	move := make(chan int)
	go func() {
		// Not unlocked: the thread in the other namespace ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		ns, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			made <- result{nil, err}
			return
		}
		made <- result{}
		move <- int(ns.Fd())
		<-move
		if err := addressUp(name+"p", far); err != nil {
			made <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp", far+":5000")
		made <- result{l, err}
		_ = ns.Close()
	}()
	if r := <-made; r.err != nil {
		t.Fatalf("making a network namespace (needs root): %v", r.err)
	}
	if err := netlink.LinkSetNsFd(peer, <-move); err != nil {
		t.Fatal(err)
	}
	move <- 0
	r := <-made
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { _ = r.l.Close() })
	go func() {
		for {
			conn, err := r.l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return r.l
}

func up(t *testing.T, name, addr string) {
	t.Helper()
	if err := addressUp(name, addr); err != nil {
		t.Fatal(err)
	}
}

func addressUp(name, addr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr + "/30")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
