package load

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// enough is more requests than a test needs, and patience longer than it takes.
const (
	enough   = 50
	patience = 2 * time.Minute
)

// testApp is a server that does what the sample app's /echo does, or what its
// fault does instead.
type testApp struct {
	address string
	dir     string
	version atomic.Value
	// fault answers a request in the app's place where it returns true.
	fault func(http.ResponseWriter, *http.Request) bool

	mu    sync.Mutex
	lines *os.File
}

func newApp(t *testing.T, fault func(http.ResponseWriter, *http.Request) bool) *testApp {
	t.Helper()
	a := &testApp{dir: t.TempDir(), fault: fault}
	a.version.Store("v1")
	f, err := os.Create(filepath.Join(a.dir, "app.ids"))
	if err != nil {
		t.Fatal(err)
	}
	a.lines = f
	server := httptest.NewServer(a)
	a.address = server.Listener.Addr().String()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); f.Close() })
	return a
}

func (a *testApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.fault != nil && a.fault(w, r) {
		return
	}
	version, id := a.version.Load().(string), r.Header.Get(idHeader)
	w.Header().Set(versionHeader, version)
	w.Header().Set(idHeader, id)
	answer := echo(id, version, r.Body)
	a.record(id)
	io.WriteString(w, answer)
}

func (a *testApp) record(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.lines, "%s v1 /echo\n", id)
}

func echo(id, version string, body io.Reader) string {
	text, _ := io.ReadAll(body)
	return fmt.Sprintf("%s %s %x %d\n", id, version, sha256.Sum256(text), len(text))
}

// once treats the fifth request badly, when every client has begun.
func once(bad http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	seen := atomic.Int64{}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if seen.Add(1) != 5 {
			return false
		}
		// Until the body is read the server neither notices that the client
		// went away nor closes without a reset.
		io.Copy(io.Discard, r.Body)
		bad(w, r)
		return true
	}
}

// hangUp sends text and closes the connection, by a reset if asked to.
func hangUp(w http.ResponseWriter, text string, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	io.Copy(conn, strings.NewReader(text))
	if reset {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.Close()
}

// loaded runs c against app for a while, and returns the report of the end.
func loaded(t *testing.T, app *testApp, c Config) Report {
	t.Helper()
	c.Address = app.address
	run, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(r Report) bool { return r.Answered+r.Lost >= enough })
	return run.Stop()
}

// timeoutFor is short where the test waits for a timeout, and else no limit.
func timeoutFor(reason string) time.Duration {
	if reason == reasonTimeout {
		return 2 * time.Second
	}
	return 0
}

// wantOneLost wants one request to be lost because of reason, and all others to
// be answered. A busy machine may let more than one time out.
func wantOneLost(t *testing.T, r Report, reason string) {
	t.Helper()
	lost := r.Reasons[reason]
	if lost == 0 || lost > 1 && reason != reasonTimeout || r.Lost != lost || len(r.Losses) != lost || r.Answered != r.Sent-lost {
		t.Errorf("want one lost because of %q and the others answered:\n%s", reason, r)
	}
}

func await(t *testing.T, run *Run, reached func(Report) bool) {
	t.Helper()
	t.Cleanup(func() { run.Stop() })
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !reached(run.Report()); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not reached within %s:\n%s", patience, run.Report())
		}
	}
}

func wantEnds(t *testing.T, app *testApp, r Report, want Comparison) {
	t.Helper()
	got, err := r.Compare(app.dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("comparison of both ends (-want +got):\n%s", diff)
	}
}
