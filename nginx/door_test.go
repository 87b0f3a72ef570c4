package nginx

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeDoor answers at a door without an nginx, and counts connections and
// questions.
func fakeDoor(t *testing.T, answer http.HandlerFunc) (p *Proxy, connections, questions *atomic.Int64) {
	t.Helper()
	dir, err := os.MkdirTemp("", "zddn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if p, err = New(Config{Dir: dir, Listen: []string{"127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", p.paths.door())
	if err != nil {
		t.Fatal(err)
	}
	connections, questions = &atomic.Int64{}, &atomic.Int64{}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			questions.Add(1)
			answer(w, r)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return p, connections, questions
}

func someApps(n int) []string {
	apps := make([]string, n)
	for i := range apps {
		apps[i] = fmt.Sprintf("app%d", i)
	}
	return apps
}

func TestAnswersOf_asksForManyAppsOnAConnectionForEachProcessor(t *testing.T) {
	const many = 500
	p, connections, questions := fakeDoor(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "app7.") {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintln(w, Green)
	})
	answers := p.AnswersOf(testContext(t), someApps(many))
	processors := int64(runtime.GOMAXPROCS(0))
	if n, m := connections.Load(), questions.Load(); n > processors || m != many {
		t.Errorf("%d questions on %d connections, want %d on %d", m, n, many, processors)
	}
	if len(answers) != many {
		t.Errorf("%d answers for %d apps", len(answers), many)
	}
	for app, answer := range answers {
		var unknown *UnknownApp
		if is := errors.As(answer.Err, &unknown); is != (app == "app7") || !is && answer != (Answer{Slot: Green}) {
			t.Errorf("%s: %+v", app, answer)
		}
	}
}

func TestAnswersOf_doesNotAskADoorAgainThatIsSilent(t *testing.T) {
	p, _, questions := fakeDoor(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	answers := p.AnswersOf(testContext(t), someApps(100))
	// Those of the first app of each share, asked twice on each kind of connection.
	if n := questions.Load(); n > int64(4*runtime.GOMAXPROCS(0)) {
		t.Errorf("%d questions", n)
	}
	for app, answer := range answers {
		if !silent(answer.Err) {
			t.Errorf("%s: %+v, want the silence", app, answer)
		}
	}
}

// TestAnswersOf_saysWhatAnswersSays asks a real nginx both ways.
func TestAnswersOf_saysWhatAnswersSays(t *testing.T) {
	p := started(t)
	var apps []string
	for _, s := range []struct {
		app      string
		strategy Strategy
		live     Slot
	}{{"one", Flag, Blue}, {"two", Flag, Green}, {"three", Reload, Green}} {
		site, _, _ := blueGreen(t, s.app)
		site.Strategy, site.Live = s.strategy, s.live
		install(t, p, site)
		if err := p.Switch(s.app, s.live); err != nil {
			t.Fatal(err)
		}
		apps = append(apps, s.app)
	}
	apps = append(apps, "none")
	want, got := map[string]string{}, map[string]string{}
	for app, answer := range p.AnswersOf(testContext(t), apps) {
		got[app] = fmt.Sprint(answer.Slot, answer.Err)
		slot, err := p.Answers(testContext(t), app)
		want[app] = fmt.Sprint(slot, err)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(apps) || !strings.HasPrefix(got["three"], "green") {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
