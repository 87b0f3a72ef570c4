package load

import (
	"bufio"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The harness and the sample app are made for each other; here they meet.

func TestRun_agreesWithTheSampleAppOnEveryKindOfRequest(t *testing.T) {
	ids := t.TempDir()
	app := startSample(t, "IDS="+ids)
	secure, trusting := secured(t, &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: app.address}) },
		FlushInterval: -1,
	})
	tests := []struct {
		name       string
		change     func(*Config)
		websockets bool
	}{
		{"on connections that are kept", func(c *Config) {}, true},
		{"on a new connection for each", func(c *Config) { c.Fresh = true }, true},
		{"over HTTP/2", func(c *Config) { c.Address, c.TLS, c.Websockets = secure, trusting, 0 }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := everyKind(app.address)
			test.change(&config)
			run, err := Start(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			await(t, run, func(r Report) bool { return allAnswered(r, 2) && (r.Messages > 4 || !test.websockets) })
			r := run.Stop()
			if r.Lost != 0 || r.Cut != 0 || r.Answered != r.Sent {
				t.Errorf("want all answered:\n%s", r)
			}
			if asked := r.Sent - r.Kinds[Websocket].Sent; config.Fresh != (r.Connections == asked) {
				t.Errorf("%d connections for %d requests", r.Connections, asked)
			}
			if ends, err := r.Compare(ids); err != nil || !ends.Clean() {
				t.Errorf("both ends: %s (%v)", ends, err)
			}
		})
	}
}

func TestRun_seesEveryKindOfRequestLostWhenTheAppDies(t *testing.T) {
	app := startSample(t, "ON_TERM=exit")
	run, err := Start(t.Context(), everyKind(app.address))
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(r Report) bool { return r.Messages > 4 && allAnswered(r, 1) })
	app.end(t)
	await(t, run, func(r Report) bool { return r.Cut >= 2 && allLost(r) })
	r := run.Stop()
	if got := r.Kinds[Websocket].Cut; got != 2 {
		t.Errorf("%d websockets cut, want 2:\n%s", got, r)
	}
}

func TestRun_losesNothingOfAnAppThatFinishesItsRequests(t *testing.T) {
	ids := t.TempDir()
	app := startSample(t, "IDS="+ids)
	// One slow answer each, in flight when the app is told to end.
	run, err := Start(t.Context(), Config{Address: app.address, Clients: -1, SlowAnswers: 4, AnswerTime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(Report) bool {
		times, err := Processed(ids)
		return err == nil && len(times) >= 4
	})
	run.stop()
	app.end(t)
	if r := run.Stop(); r.Lost != 0 || r.Answered != 4 {
		t.Errorf("want 4 answered:\n%s", r)
	}
}

func everyKind(address string) Config {
	return Config{
		Address: address, Clients: 4, Gets: 2, Pause: time.Millisecond, Allowed: []string{"v7"},
		SlowUploads: 2, SlowAnswers: 2, Streams: 2, Websockets: 2,
		UploadTime: 300 * time.Millisecond, AnswerTime: 300 * time.Millisecond, StreamTime: 300 * time.Millisecond,
	}
}

func allAnswered(r Report, n int) bool {
	for _, k := range []Kind{Post, Get, Upload, Slow, Stream} {
		if r.Kinds[k].Answered < n {
			return false
		}
	}
	return true
}

func allLost(r Report) bool {
	for _, k := range []Kind{Post, Get, Upload, Slow, Stream, Websocket} {
		if r.Kinds[k].Lost == 0 {
			return false
		}
	}
	return true
}

// sample is the sample app as a process on the loopback interface.
type sample struct {
	address string
	command *exec.Cmd
}

func startSample(t *testing.T, env ...string) *sample {
	t.Helper()
	program := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("go", "build", "-o", program, "zdd/testdata/app").CombinedOutput(); err != nil {
		t.Fatalf("building the sample app: %v\n%s", err, out)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), append(env, "PORT=0", "LISTEN=127.0.0.1", "VERSION=v7")...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s := &sample{command: command}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("reading where the sample app listens: %v", err)
	}
	_, address, ok := strings.Cut(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("the sample app said %q", line)
	}
	s.address = address
	return s
}

// end asks the app to end and waits until it has.
func (s *sample) end(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.command.Wait() // its exit code is its own affair
	if !s.command.ProcessState.Exited() {
		t.Fatalf("the sample app did not end by itself: %s", s.command.ProcessState)
	}
}

func TestQuantiles_areExactToTwoPercent(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	within := func(got, want time.Duration) bool { return got >= want && float64(got) <= float64(want)*step }
	l := h.latency()
	if !within(l.P50, 500*time.Millisecond) || !within(l.P99, 990*time.Millisecond) {
		t.Errorf("got %+v, want about 500 ms and 990 ms", l)
	}
	if diff := cmp.Diff(time.Second, l.Max); diff != "" {
		t.Errorf("longest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Latency{}, new(histogram).latency()); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}
