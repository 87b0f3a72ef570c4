package nginx

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnsure_startsAgainAfterTheMasterWasKilled(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	if err := p.Switch("web", Green); err != nil {
		t.Fatal(err)
	}
	for _, all := range []bool{false, true} {
		ps, err := p.scan()
		if err != nil || ps.master == nil {
			t.Fatalf("%+v, %v", ps, err)
		}
		victims := []int{ps.master.pid}
		if all {
			for _, w := range ps.workers {
				victims = append(victims, w.pid)
			}
		}
		for _, pid := range victims {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the master's end", func() bool { ps, err := p.scan(); return err == nil && ps.master == nil })
		again, err := New(p.Config())
		if err != nil {
			t.Fatal(err)
		}
		begun, err := again.Ensure(ctx)
		if err != nil || !begun {
			t.Fatalf("started %v, %v", begun, err)
		}
		if _, body := get(t, p, "web.localhost", "/"); body != "green" {
			t.Errorf("answered by %q, want green", body)
		}
	}
	if begun, err := p.Ensure(ctx); err != nil || begun {
		t.Errorf("a running nginx: started %v, %v", begun, err)
	}
}

func TestEnsure_changesTheListenAddressAndKeepsTheOldOneWhenItIsTaken(t *testing.T) {
	t.Parallel()
	ctx, p, _ := startedWithWeb(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := p.Config()
	c.Listen = []string{taken.Addr().String()}
	blocked, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var late *NotTaken
	if _, err := blocked.Ensure(ctx); !errors.As(err, &late) {
		t.Fatalf("got %v, want *NotTaken", err)
	}
	checkServes(t, p, "web", "blue", installedBytes(t, p, "web"))
	if saved, err := LoadConfig(c.Dir); err != nil || cmp.Diff(p.config.Listen, saved.Listen) != "" {
		t.Errorf("remembered %v, %v; want %v", saved.Listen, err, p.config.Listen)
	}
	c.Listen = []string{freePort(t)}
	moved, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Ensure(ctx); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, moved, "web.localhost", "/"); body != "blue" {
		t.Errorf("answered by %q, want blue", body)
	}
}

func TestEnsure_namesTheFolderThatWorkersMayNotLookInto(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, as workers of another user exist only then")
	}
	dir := publicDir(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	p := proxyIn(t, Config{Dir: filepath.Join(closed, "nginx"), Listen: []string{freePort(t)}})
	_, err := p.Ensure(testContext(t))
	var invalid *Invalid
	if !errors.As(err, &invalid) || invalid.Value != closed || !contains(invalid.Reason, "www-data") {
		t.Errorf("got %v, want *Invalid that names %q and the user", err, closed)
	}
}
