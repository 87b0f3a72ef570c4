package load

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestRun_tellsALossThatNobodyCanPreventFromOthers has a server that closes
// after each answer and does not say so. The client notices by asking again:
// who asked long ago counts as exposed, who asked just now has lost.
func TestRun_tellsALossThatNobodyCanPreventFromOthers(t *testing.T) {
	const pause = 100 * time.Millisecond
	tests := []struct {
		name    string
		change  func(*Config)
		exposed bool
	}{
		{"asked again after longer than the server warns", func(c *Config) { c.Exposed = pause / 2 }, true},
		{"asked again sooner", func(c *Config) { c.Exposed = time.Hour }, false},
		{"not asked for", func(c *Config) {}, false},
		{"an upload", func(c *Config) { c.Clients, c.SlowUploads, c.UploadTime, c.Exposed = -1, 2, pause, pause/2 }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := newApp(t, answerAndHangUp)
			config := Config{Address: app.address, Clients: 2, Pause: pause}
			test.change(&config)
			run, err := Start(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			await(t, run, func(r Report) bool { return r.Lost+r.Exposed > 2 })
			if r := run.Stop(); (r.Exposed > 0) != test.exposed || (r.Lost > 0) == test.exposed {
				t.Errorf("want exposed: %t\n%s", test.exposed, r)
			}
		})
	}
}

// A broken answer and a refused connection are never excused.
func TestRun_exposesOnlyWhatTheServerNeverHeard(t *testing.T) {
	for _, bad := range []struct {
		name string
		do   func(http.ResponseWriter, *http.Request)
	}{
		{"a status", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }},
		{"an answer cut short", func(w http.ResponseWriter, r *http.Request) {
			hangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false)
		}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			app := newApp(t, once(bad.do))
			r := loaded(t, app, Config{Clients: 2, Exposed: time.Nanosecond})
			if r.Lost != 1 || r.Exposed != 0 {
				t.Errorf("want one lost:\n%s", r)
			}
		})
	}
}

func TestRun_reportsItsPhasesOneByOne(t *testing.T) {
	var broken atomic.Bool
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) bool {
		if broken.Load() {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return true
		}
		return false
	})
	run, err := Start(t.Context(), Config{Address: app.address, Clients: 1, Gets: -1})
	if err != nil {
		t.Fatal(err)
	}
	answered := func(phase string) func(Report) bool {
		return func(r Report) bool { p, ok := r.Phase(phase); return ok && p.Kinds[Post].Answered >= 10 }
	}
	run.Phase("quiet")
	await(t, run, answered("quiet"))
	run.Phase("storm")
	broken.Store(true)
	await(t, run, func(r Report) bool { return r.Lost > 2 })
	broken.Store(false)
	run.Phase("after")
	await(t, run, answered("after"))
	r := run.Stop()
	quiet, _ := r.Phase("quiet")
	storm, _ := r.Phase("storm")
	if quiet.Kinds[Post].Lost != 0 || storm.Kinds[Post].Lost < 3 {
		t.Errorf("want all losses in the storm, but for one that ended later:\n%s", r)
	}
	if l := quiet.Kinds[Post].Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
		t.Errorf("latencies are %+v", l)
	}
}
