package deploy_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// line is the way to the engine. It can be cut, as when the engine goes away,
// and mended, as when it is back: its containers have lived on meanwhile.
type line struct {
	path   string // of its socket
	engine string // of the engine's
	t      testing.TB

	mu       sync.Mutex
	listener net.Listener // nil while it is cut
	open     map[net.Conn]bool
}

func newLine(t testing.TB, path, engineHost string) *line {
	t.Helper()
	l := &line{path: path, engine: strings.TrimPrefix(engineHost, "unix://"), t: t, open: map[net.Conn]bool{}}
	l.mend()
	t.Cleanup(l.cut)
	return l
}

func (l *line) host() string { return "unix://" + l.path }

func (l *line) mend() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return
	}
	listener, err := net.Listen("unix", l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	l.listener = listener
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.join(near)
		}
	}()
}

// cut breaks every connection and takes no more.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener == nil {
		return
	}
	_ = l.listener.Close()
	l.listener = nil
	for conn := range l.open {
		_ = conn.Close()
	}
}

// join copies both ways until one side is closed.
func (l *line) join(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("unix", l.engine)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	up := l.listener != nil
	l.open[near] = up
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.open, near)
		l.mu.Unlock()
	}()
	if !up {
		return
	}
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}
