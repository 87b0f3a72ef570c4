package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// deadline is generous: a busy machine must not break a test.
const deadline = 2 * time.Minute

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// publicDir returns a folder that nginx's workers may look into, short enough
// for a socket.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zddn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listenLoopback listens on a random address of 127/8: no other test, copy of
// this test or client is likely to be there.
func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	var last error
	for range 20 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(256), 1+rand.IntN(250)))
		if err == nil {
			return l
		}
		last = err
	}
	t.Fatal(last)
	return nil
}

// freePort returns an address on which nothing listens.
func freePort(t testing.TB) string {
	t.Helper()
	l := listenLoopback(t)
	defer l.Close()
	return l.Addr().String()
}

// newProxy returns a managed proxy in a folder of its own, not yet started; what
// it starts is stopped, and nothing of it may be left, when the test ends.
func newProxy(t testing.TB) *Proxy {
	t.Helper()
	return proxyIn(t, Config{Dir: filepath.Join(publicDir(t), "nginx"), Listen: []string{freePort(t)}, ListenTLS: []string{freePort(t)}})
}

func proxyIn(t testing.TB, c Config) *Proxy {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stopping nginx: %v", err)
		}
		if ps, err := p.scan(); err != nil || ps.master != nil || len(ps.orphans) > 0 {
			t.Errorf("nginx processes are left: %+v, %v", ps, err)
		}
		if _, err := os.Stat(p.paths.door()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the door's socket is left: %v", err)
		}
	})
	return p
}

// started returns a proxy whose nginx runs.
func started(t testing.TB) *Proxy {
	t.Helper()
	p := newProxy(t)
	if _, err := p.Ensure(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

// startedWithWeb is started with the site of an app "web" whose blue slot is live.
func startedWithWeb(t *testing.T) (context.Context, *Proxy, Site) {
	t.Helper()
	p := started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	return testContext(t), p, site
}

// killMaster kills nginx's master with -9; its workers go on.
func killMaster(t *testing.T, p *Proxy) {
	t.Helper()
	if err := syscall.Kill(scanned(t, p).master.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the master's end", func() bool { ps, err := p.scan(); return err == nil && ps.master == nil })
}

func programOf(t *testing.T, p *Proxy) *program {
	t.Helper()
	prog, err := p.findProgram(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func install(t testing.TB, p *Proxy, s Site) {
	t.Helper()
	if _, err := p.Install(testContext(t), s); err != nil {
		t.Fatal(err)
	}
	if err := p.Accept(s.App); err != nil {
		t.Fatal(err)
	}
}

// app is one release of an app on an address of its own.
type app struct {
	name    string
	addr    string
	server  *http.Server
	served  atomic.Int64
	handler http.HandlerFunc
}

// startApp starts an app that answers with its name, on 127.x.y.z.
func startApp(t testing.TB, name string, handler http.HandlerFunc) *app {
	t.Helper()
	l := listenLoopback(t)
	a := &app{name: name, addr: l.Addr().String(), handler: handler}
	a.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.served.Add(1)
		if a.handler != nil {
			a.handler(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, a.name)
	})}
	go func() { _ = a.server.Serve(l) }()
	t.Cleanup(func() { _ = a.server.Close() })
	return a
}

// blueGreen starts the two releases of an app and returns the site for them.
func blueGreen(t testing.TB, name string) (s Site, blue, green *app) {
	t.Helper()
	blue, green = startApp(t, "blue", nil), startApp(t, "green", nil)
	return Site{App: name, Blue: []string{blue.addr}, Green: []string{green.addr}}, blue, green
}

// get asks nginx's front door for the path, as host.
func get(t *testing.T, p *Proxy, host, path string) (int, string) {
	t.Helper()
	return do(t, p, host, http.MethodGet, path, "", nil)
}

func do(t *testing.T, p *Proxy, host, method, path, body string, headers map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), method, "http://"+p.config.Listen[0]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx := testContext(t)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for: %s", deadline, what)
		case <-ticker.C:
		}
	}
}

// setClosing puts nginx into the polite phase until the test ends.
func setClosing(t *testing.T, p *Proxy) {
	t.Helper()
	if err := os.WriteFile(p.paths.closing(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// askReload asks nginx to load a new generation, as a zdd does that is killed then.
func (p *Proxy) askReload(ctx context.Context, prog *program) (n int, tested time.Duration, err error) {
	ps, err := p.scan()
	if err != nil {
		return 0, 0, err
	}
	if n, err = p.nextGeneration(ps); err != nil {
		return 0, 0, err
	}
	if tested, err = p.writeAndTest(ctx, prog, nil, nil, n); err != nil {
		return 0, 0, err
	}
	return n, tested, p.signalReload(ctx, prog)
}

// plainReload makes nginx load a new generation without the polite phase.
func (p *Proxy) plainReload(ctx context.Context, prog *program) error {
	n, tested, err := p.askReload(ctx, prog)
	if err != nil {
		return err
	}
	return p.await(ctx, n, reloadBudget+testShare*tested)
}
