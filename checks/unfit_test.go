package checks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lastTry counts the try that falls into the very moment in which the budget
// ends: it may come or not.
var lastTry = strings.NewReplacer(" 100 ×", " 101 ×", " 120 ×", " 121 ×", " 24 ×", " 25 ×")

func TestUnfit_tellsWhatToMend(t *testing.T) {
	says := func(status int, body string, header ...string) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) {
			r := answer(status, body)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			return r, nil
		})
	}
	tests := []struct {
		name    string
		file    string
		targets []Target
		want    string
	}{
		{"503 with a body", "/healthz", target("web-1", says(503, "<h1>Starting</h1>\n\nplease\nwait\na\nlittle", "Content-Type", "text/html", "Retry-After", "5")), `
CHECKS line 4: /healthz
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 101 × 503
  last answer: 503 Service Unavailable
    Content-Type: text/html
    Retry-After: 5
    | <h1>Starting</h1>
    | please
    | wait
    | …
  expected, and not found: a status from 200 to 299`},
		{"a missing text and what comes close", "/ Welcome to Acme", target("web-1", says(200, "<html>\n<h1>Welcome to Acne</h1>\n</html>")), `
CHECKS line 4: / Welcome to Acme
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 101 × 200 without the expected text
  last answer: 200 OK
    | <html>
    | <h1>Welcome to Acne</h1>
    | </html>
  expected, and not found: "Welcome to Acme"
  but there is "<h1>Welcome to Acne</h1>"`},
		{"a missing match", "/\n#: match ^ready$", target("web-1", says(200, "")), `
CHECKS line 4: /
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 101 × 200 without a match
  last answer: 200 OK
    the body is empty
  expected, and not found: a match of "^ready$"`},
		{"a missing field", "/status\n#: json db.status = up", target("web-1", says(200, `{"db": {"state": "up", "lag": 3}}`)), `
CHECKS line 4: /status
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 101 × 200 without the expected field
  last answer: 200 OK
    | {"db": {"state": "up", "lag": 3}}
  expected, and not found: the field db.status = up
  but there is no such field in db, but state, lag`},
		{"a redirect to another host", "/", target("web-1", says(302, "", "Location", "https://www.example.com/login?back=/")), `
CHECKS line 4: /
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 101 × redirect that is not followed
  redirected from host "10.0.0.1" to another host, "www.example.com":
    https://www.example.com/login?back=/
  last answer: 302 Found
    Location: https://www.example.com/login?back=/`},
		{"an app that hangs", "/", target("web-1", roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})), `
CHECKS line 4: /
  web-1 (10.0.0.1:5000) did not pass in 6.0 s: 2 × no connection within 2.0 s`},
		{"a command", "#: command bin/ready", []Target{{Name: "web-1", Inside: inside{run: func(_ context.Context, _ []string, out io.Writer) (int, error) {
			fmt.Fprint(out, "checking\nno database at \x1b[31mdb:5432\n")
			return 3, nil
		}}}}, `
CHECKS line 4: command bin/ready
  web-1 did not pass in 6.0 s: 25 × exit code 3
  its output ends with:
    | checking
    | no database at \x1b[31mdb:5432
  expected, and not found: exit code 0`},
		{"an uptime", "#: uptime 5\n#: attempts 1", []Target{{Name: "web-1", Inside: inside{since: func(context.Context) (time.Time, error) { return time.Now().Add(-time.Second), nil }}}}, `
CHECKS line 4: uptime 5
  web-1 did not pass in 8.0 s: 121 × not up for long enough
  up for 1.0 s of 5.0 s`},
		{"several replicas", "/", append(append(target("web-1", says(200, "")), target("web-2", says(503, ""))...), target("web-3", says(500, ""))...), `
CHECKS line 4: /
  web-2 (10.0.0.1:5000) did not pass in 6.0 s: 101 × 503
  last answer: 503 Service Unavailable
    the body is empty
  expected, and not found: a status from 200 to 299
also web-3, CHECKS line 4: 101 × 500`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report := Run(t.Context(), fileOf(t, "WAIT=1\nTIMEOUT=2\nATTEMPTS=2\n"+tt.file), tt.targets, Options{})
				text := lastTry.Replace(unfit(t, report).Error())
				if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), text); diff != "" {
					t.Errorf("text (-want +got):\n%s", diff)
				}
				assertScreen(t, text)
			})
		})
	}
}

func TestUnfit_saysWhereToLookWhenNobodyListens(t *testing.T) {
	address := closedAddress(t)
	report := Run(t.Context(), quick(t, "/healthz"), []Target{{Name: "web-1", Address: address}}, Options{})
	text := unfit(t, report).Error()
	assertScreen(t, text)
	text = strings.ReplaceAll(text, address, "ADDRESS")
	text = regexp.MustCompile(`in \d+ ms: \d+ ×`).ReplaceAllString(text, "in TIME: N ×")
	want := `CHECKS line 1: /healthz
  web-1 (ADDRESS) did not pass in TIME: N × connection refused
  nothing listens on ADDRESS: perhaps the app listens on 127.0.0.1, or on another port`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestUnfit_doesNotSendAnybodyToLookForAListenerInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusing := target("nginx", app(func(string, time.Duration) (int, error) { return 0, errRefused }))
		if r := Run(t.Context(), fileOf(t, "/"), refusing, Options{}).Results[0]; r.Detail != "" {
			t.Errorf("detail = %q for an address that is not the app's", r.Detail)
		}
	})
	r := Result{Tallies: []Tally{{connectionRefused, 3}, {"503", 1}}}
	if r.onlyRefused() {
		t.Error("an app that answered once is said not to listen")
	}
}

func TestClosest_findsTheFewestChanges(t *testing.T) {
	for _, tt := range []struct {
		page, text string
		found      string
		changes    int
	}{
		{"abcdef", "cd", "cd", 0},
		{"abcdef", "CxD", "cd", 1},
		{"abcxdef", "cd", "c", 1},
		{"", "abc", "", 3},
		{"xyz", "", "", 0},
		{"größer", "grosser", "größer", 3},
	} {
		start, end, changes := closest([]rune(tt.page), []rune(tt.text))
		if found := string([]rune(tt.page)[start:end]); found != tt.found || changes != tt.changes {
			t.Errorf("%q in %q: %q with %d changes, want %q with %d", tt.text, tt.page, found, changes, tt.found, tt.changes)
		}
	}
}

func TestNearest_isBounded(t *testing.T) {
	body := []byte(strings.Repeat("x", maxKept))
	started := time.Now()
	if got := nearest(body, strings.Repeat("y", MaxLine)); got != "" {
		t.Errorf("nearest = %q, want nothing", got)
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
