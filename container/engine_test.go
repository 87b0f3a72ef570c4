package container_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zdd "zdd/container"
)

func TestConnect_saysThatNoEngineAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ host, hint string }{
		{"unix://" + filepath.Join(dir, "none"), "there is no socket"},
		{"unix://" + plain, "start the Docker engine"},
		{"tcp://127.0.0.1:1", "check DOCKER_HOST"},
		{"nonsense", "check DOCKER_HOST"},
	} {
		_, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: row.host})
		var unreachable *zdd.Unreachable
		if !errors.As(err, &unreachable) || !strings.Contains(unreachable.Hint(), row.hint) {
			t.Errorf("Connect(%q): %v, want Unreachable with hint %q", row.host, err, row.hint)
		}
	}
}

func TestConnect_givesUpOnAnEngineThatSaysNothing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = zdd.Connect(ctx, zdd.Config{Root: "/srv/zdd", Host: "tcp://" + listener.Addr().String()})
	var unreachable *zdd.Unreachable
	if !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Connect: %v, want Unreachable for the deadline", err)
	}
}

func TestConnect_wantsAnAbsoluteRoot(t *testing.T) {
	t.Parallel()
	if _, err := zdd.Connect(t.Context(), zdd.Config{Root: "zdd"}); err == nil {
		t.Error("Connect with a relative root: no error")
	}
}

func TestFreeDisk_knowsTheEnginesDataFolder(t *testing.T) {
	t.Parallel()
	free, known := realWorld(t).engine.FreeDisk(t.Context())
	if !known || free == 0 {
		t.Errorf("FreeDisk: %d, %v", free, known)
	}
}

func TestGuard_tellsThatTheEngineWentAway(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	instances := w.start(t, w.spec(2))
	line := newLine(t, w.engine.Host())
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: w.config.Root, Host: line.host})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	guarded, cancel := engine.Guard(t.Context(), instances)
	defer cancel()
	if guarded.Err() != nil {
		t.Fatal(context.Cause(guarded))
	}
	line.cut()
	select {
	case <-guarded.Done():
	case <-time.After(patience):
		t.Fatal("the guard never ended")
	}
	var unreachable *zdd.Unreachable
	if !errors.As(context.Cause(guarded), &unreachable) {
		t.Errorf("cause: %v, want Unreachable", context.Cause(guarded))
	}
	for what, err := range map[string]error{
		"Start":   second(engine.Start(t.Context(), w.spec(1))),
		"Stop":    engine.Stop(t.Context(), instances, 0),
		"Remove":  engine.Remove(t.Context(), instances),
		"List":    second(engine.List(t.Context(), zdd.Filter{})),
		"Resolve": second(engine.Resolve(t.Context(), w.tag, zdd.PullMissing, nil)),
		"Pull":    second(engine.Resolve(t.Context(), w.tag, zdd.PullAlways, nil)),
	} {
		if !errors.As(err, &unreachable) {
			t.Errorf("%s: %v, want Unreachable", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// line is a way to the engine that a test can cut.
type line struct {
	host     string
	listener net.Listener
	mu       sync.Mutex
	ends     []net.Conn
}

func newLine(t *testing.T, host string) *line {
	t.Helper()
	socket, local := strings.CutPrefix(host, "unix://")
	if !local {
		t.Fatalf("the engine's address %q is not a socket", host)
	}
	dir, err := os.MkdirTemp("", "zdd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{host: "unix://" + path, listener: listener}
	t.Cleanup(l.cut)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				_ = near.Close()
				return
			}
			l.mu.Lock()
			l.ends = append(l.ends, near, far)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(far, near) }()
			go func() { _, _ = io.Copy(near, far) }()
		}
	}()
	return l
}

func (l *line) cut() {
	_ = l.listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.ends {
		_ = end.Close()
	}
	l.ends = nil
}
