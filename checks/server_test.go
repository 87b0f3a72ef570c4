package checks

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long tests wait for what must come; generous, since only a
// failing test uses it up.
const patience = 20 * time.Second

// serve starts an app of one handler and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Cleanup(func() { noTrace(t) })
	return server.Listener.Addr().String()
}

// misbehave starts a server that does what handle does with each connection,
// after it has read the request. At the end of the test it holds that the
// client has closed every connection; noTrace is for the test to call, since
// tests that run at the same moment would see each other.
func misbehave(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					handle(c)
				}
			})
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-accepting
		left := make(chan struct{})
		go func() { open.Wait(); close(left) }()
		select {
		case <-left:
		case <-time.After(patience):
			t.Error("the client left a connection open")
		}
	})
	return listener.Addr().String()
}

// closedAddress is one at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// hold keeps the connection until the client closes it.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// noTrace holds that no goroutine and no connection of a client is left.
func noTrace(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		left := ""
		stacks := make([]byte, 4<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			for _, ours := range []string{"net/http.(*persistConn)", "net/http.(*Transport)", "checks.(*prober)", "checks.(*watch)", "checks.(*direct)", "http2"} {
				if strings.Contains(stack, ours) {
					left = stack
				}
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("a goroutine is left:\n%s", left)
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}

// quick is a file of these lines whose budget is over within a second.
func quick(t *testing.T, lines ...string) File {
	t.Helper()
	file, problems := Parse("CHECKS", []byte(strings.Join(lines, "\n")))
	if err := Errors("CHECKS", problems); err != nil {
		t.Fatal(err)
	}
	file.Wait, file.Timeout, file.Attempts = 50*time.Millisecond, 250*time.Millisecond, 2
	return file
}

// patient is a file of these lines for targets that must pass, however busy
// the machine is.
func patient(t *testing.T, lines ...string) File {
	t.Helper()
	file := quick(t, lines...)
	file.Timeout, file.Attempts = patience, 1
	return file
}

// verdict runs the file against the target until the first try has ended.
func verdict(t *testing.T, file File, target Target) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	file.Timeout, file.Attempts = patience, 1
	report := Run(ctx, file, []Target{target}, Options{Observe: func(p Progress) {
		if len(p.Waiting) > 0 && p.Waiting[0].Reason != "" {
			cancel()
		}
	}})
	if report.Results[0].Attempts == 0 {
		t.Fatalf("no try ended: %v", report.Err())
	}
	return report
}

func unfit(t *testing.T, report Report) *Unfit {
	t.Helper()
	var err *Unfit
	if !errors.As(report.Err(), &err) {
		t.Fatalf("Err = %v, want an *Unfit", report.Err())
	}
	return err
}
