package deploy_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zdd/container"
	"zdd/container/dockertest"
	"zdd/nginx"
	"zdd/release"
)

// The tests of this package put deploy on a real nginx, a real store and the
// real client of a fake engine, whose containers are HTTP servers on loopback.

// patience bounds what must end at some time; nothing here is a measurement.
const patience = 2 * time.Minute

// settling is how long the fake engine may take to begin with what it was asked.
const settling = 500 * time.Millisecond

// TestMain lets more tests run at once than there are cores: they wait for
// drains and for nginx more than they compute. As a child it is one command of
// zdd, to be killed.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// web is the app that most tests deploy.
const web = "web"

// parts are what a command of zdd works with.
type parts struct {
	engine *container.Engine
	store  *release.Store
	proxy  *nginx.Proxy
}

// world is a root of its own: an engine, an nginx, a store.
type world struct {
	parts
	t      *testing.T
	root   string
	addr   string // where nginx listens
	fake   *dockertest.Engine
	line   *line // between zdd and the engine
	images int
}

// newWorld makes a world, and sees to it that nothing of it is left.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "zddd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // nginx's workers pass through it
		t.Fatal(err)
	}
	w := &world{t: t, root: filepath.Join(dir, "root"), fake: dockertest.New(t, serve)}
	subnet := netip.MustParsePrefix(dockertest.Subnet(t))
	w.addr = freePort(t, subnet)
	w.line = newLine(t, filepath.Join(dir, "docker.sock"), w.fake.Host())
	if w.parts, err = connect(t.Context(), w.root, w.addr, w.line.host()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.engine.Close() })
	t.Cleanup(func() { w.stopNginx() })
	lock, err := w.store.Lock(t.Context(), release.Self("test"), nil)
	if err := errors.Join(err, w.store.SetSubnet(subnet, netip.Prefix{}), lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	return w
}

func connect(ctx context.Context, root, addr, engine string) (p parts, err error) {
	if p.store, err = release.Open(root); err != nil {
		return p, err
	}
	if p.proxy, err = nginx.New(nginx.Config{Dir: p.store.NginxDir(), Listen: []string{addr}}); err != nil {
		return p, err
	}
	p.engine, err = container.Connect(ctx, container.Config{Root: root, Host: engine, Settling: settling})
	return p, err
}

func (w *world) stopNginx() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.proxy.Stop(ctx); err != nil {
		w.t.Errorf("stopping nginx: %v", err)
	}
}

// freePort is on the subnet's gateway, where no container is.
func freePort(t *testing.T, subnet netip.Prefix) string {
	t.Helper()
	listener, err := net.Listen("tcp", netip.AddrPortFrom(subnet.Addr().Next(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// serve is the program of every container: an app that answers with the number
// of its release, or as its environment wants. Given arguments, it is the
// release command.
func serve(p dockertest.Process) int {
	if len(p.Args) > 0 {
		fmt.Fprintln(p.Stdout, "ran", strings.Join(p.Args, " "))
		code, _ := strconv.Atoi(p.Getenv("MIGRATION"))
		return code
	}
	fmt.Fprintln(p.Stderr, "starting")
	if code, err := strconv.Atoi(p.Getenv("EXIT")); err == nil {
		return code
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(p.Address, release.DefaultPort).String())
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if status, err := strconv.Atoi(p.Getenv("STATUS")); err == nil {
			rw.WriteHeader(status)
		}
		_, _ = io.WriteString(rw, p.Labels["zdd.release"]+p.Getenv("SAYS"))
	})}
	go func() { _ = server.Serve(listener) }()
	<-p.Term.Done()
	_ = server.Close()
	return 0
}

// image puts a new image on the engine and gives its name.
func (w *world) image() string {
	w.images++
	ref := fmt.Sprintf("acme/web:%d", w.images)
	w.fake.AddImage(ref, dockertest.Image{})
	return ref
}
