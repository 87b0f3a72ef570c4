package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRun_losesNothingOnAGoodServer(t *testing.T) {
	app := newApp(t, nil)
	run, err := Start(t.Context(), Config{Address: app.address, Clients: 8, Allowed: []string{"v1"}})
	if err != nil {
		t.Fatal(err)
	}
	// A busy machine may let one client do it all before the last one begins.
	await(t, run, func(r Report) bool { return r.Answered >= enough && r.Connections >= 8 })
	r := run.Stop()
	if r.Lost != 0 || r.Unchecked != 0 || r.Answered != r.Sent || r.Sent < enough {
		t.Errorf("want all answered:\n%s", r)
	}
	if r.Connections != 8 {
		t.Errorf("%d connections, want one for each of 8 clients", r.Connections)
	}
	if r.Latency.P50 <= 0 || r.Latency.P50 > r.Latency.P99 || r.Latency.P99 > r.Latency.Max {
		t.Errorf("latencies are %+v", r.Latency)
	}
	wantEnds(t, app, r, Comparison{})
}

// Each row is a server that treats one request badly; a harness that lets it
// pass is blind.
func TestRun_seesALoss(t *testing.T) {
	tests := []struct {
		name   string
		bad    http.HandlerFunc
		reason string
	}{
		{"a status", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }, "status 502"},
		{"a close before the answer", func(w http.ResponseWriter, r *http.Request) { hangUp(w, "", false) }, reasonClosed},
		{"a reset", func(w http.ResponseWriter, r *http.Request) { hangUp(w, "", true) }, reasonReset},
		{"an answer cut short", func(w http.ResponseWriter, r *http.Request) {
			hangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false)
		}, reasonCut},
		{"no answer", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, reasonTimeout},
		{"another request's answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(idHeader, "somebody-else-1")
		}, reasonID},
		{"a wrong body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(idHeader, r.Header.Get(idHeader))
			io.WriteString(w, "moved")
		}, reasonBody},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := newApp(t, once(test.bad))
			r := loaded(t, app, Config{Clients: 2, Timeout: timeoutFor(test.reason)})
			wantOneLost(t, r, test.reason)
			wantEnds(t, app, r, Comparison{})
		})
	}
}

func TestRun_seesThatNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	run, err := Start(t.Context(), Config{Address: l.Addr().String(), Clients: 1})
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(r Report) bool { return r.Lost > 2 })
	if r := run.Stop(); r.Reasons[reasonRefused] != r.Sent {
		t.Errorf("want all refused:\n%s", r)
	}
}

func TestRun_seesAReleaseThatMayNotServe(t *testing.T) {
	app := newApp(t, nil)
	run, err := Start(t.Context(), Config{Address: app.address, Clients: 4, Allowed: []string{"v1"}})
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(r Report) bool { return r.Answered > enough && r.Lost == 0 })
	app.version.Store("v2")
	await(t, run, func(r Report) bool { return r.Unchecked > 0 })
	run.Allow("v1", "v2")
	await(t, run, func(r Report) bool { v, ok := r.Version("v2"); return ok && v.Answers > enough })
	r := run.Stop()
	if r.Unchecked != r.Lost || r.Reasons[`release "v2" is not allowed`] != r.Lost {
		t.Errorf("want every loss to be an answer of v2:\n%s", r)
	}
	// They were answered, though by the wrong one: both ends agree.
	wantEnds(t, app, r, Comparison{})
	if gap, ok := r.Gap("v1", "v2"); !ok || gap <= 0 {
		t.Errorf("gap is %s, %t; want the time in which v2 was not allowed", gap, ok)
	}
}

func TestRun_takesAnAnnouncedCloseForNoLoss(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Connection", "close")
		return false
	})
	r := loaded(t, app, Config{Clients: 4})
	if r.Lost != 0 || r.Announced != r.Sent || r.Connections != r.Sent {
		t.Errorf("want a connection for each request and no loss:\n%s", r)
	}
	wantEnds(t, app, r, Comparison{})
}

// A close that nothing announced is right when the connection was idle for
// longer than it is kept alive, and loses a request when it was not. The pause
// is long against the way of a FIN over the loopback interface.
func TestRun_takesACloseOfALongIdleConnectionForNoLoss(t *testing.T) {
	const pause = 300 * time.Millisecond
	tests := []struct {
		name      string
		keepAlive time.Duration
		losses    bool
	}{
		{"idle for longer than it is kept alive", pause / 3, false},
		{"idle for less", time.Minute, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := newApp(t, answerAndHangUp)
			run, err := Start(t.Context(), Config{Address: app.address, Clients: 2, Pause: pause, KeepAlive: test.keepAlive})
			if err != nil {
				t.Fatal(err)
			}
			await(t, run, func(r Report) bool { return r.Answered+r.Lost > 6 })
			if r := run.Stop(); (r.Lost > 0) != test.losses || r.Announced != 0 {
				t.Errorf("want losses: %t\n%s", test.losses, r)
			}
		})
	}
}

// answerAndHangUp sends the whole answer and closes, which nothing announced.
func answerAndHangUp(w http.ResponseWriter, r *http.Request) bool {
	id := r.Header.Get(idHeader)
	answer := echo(id, "v1", r.Body)
	hangUp(w, fmt.Sprintf("HTTP/1.1 200 OK\r\n%s: %s\r\n%s: v1\r\nContent-Length: %d\r\n\r\n%s",
		idHeader, id, versionHeader, len(answer), answer), false)
	return true
}

func TestCompare_seesWhatTheEndsDoNotAgreeOn(t *testing.T) {
	var unprocessed, twice, unanswered atomic.Value
	seen := atomic.Int64{}
	app := newApp(t, nil)
	app.fault = func(w http.ResponseWriter, r *http.Request) bool {
		id := r.Header.Get(idHeader)
		switch seen.Add(1) {
		case 3: // somebody answers in the app's place
			unprocessed.Store(id)
			w.Header().Set(idHeader, id)
			w.Header().Set(versionHeader, "v1")
			io.WriteString(w, echo(id, "v1", r.Body))
			return true
		case 5: // a proxy asks again
			twice.Store(id)
			app.record(id)
		case 7: // the app did it, and the answer never came
			io.Copy(io.Discard, r.Body)
			unanswered.Store(id)
			app.record(id)
			hangUp(w, "", false)
			return true
		}
		return false
	}
	r := loaded(t, app, Config{Clients: 2})
	wantEnds(t, app, r, Comparison{
		Unprocessed: []string{unprocessed.Load().(string)},
		Twice:       []string{twice.Load().(string)},
		Unanswered:  []string{unanswered.Load().(string)},
	})
}

func TestProcessed_skipsALineThatWasNotFinished(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"v1-a.ids": "x-1 v1 /echo\nx-2 v1 /echo\nx-3 v1 /ec",
		"v2-b.ids": "x-2 v2 /echo\n",
		"notes":    "x-4 v1 /echo\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Processed(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"x-1": 1, "x-2": 2}, got); diff != "" {
		t.Errorf("processed (-want +got):\n%s", diff)
	}
}

func TestStart_refusesWhatMustNotBeLoaded(t *testing.T) {
	for _, c := range []Config{
		{Address: "10.1.2.3:80"},
		{Address: "[::1]:80"},
		{Address: "localhost:80"},
		{Address: "127.0.0.1"},
		{Address: "127.0.0.1:80", Host: "a\r\nX-Evil: 1"},
		{Address: "127.0.0.1:80", TLS: &tls.Config{}, Websockets: 1},
		{Address: "127.0.0.1:80", TLS: &tls.Config{}, Fresh: true},
	} {
		if _, err := Start(t.Context(), c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestRun_endsAtItsLimitByItself(t *testing.T) {
	app := newApp(t, nil)
	run, err := Start(context.Background(), Config{Address: app.address, Clients: 2, Limit: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run.Wait() // without Stop
	if r := run.Stop(); r.Lost != 0 || r.Sent == 0 || r.Answered != r.Sent {
		t.Errorf("want all answered:\n%s", r)
	}
}
