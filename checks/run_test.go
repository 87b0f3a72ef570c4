package checks

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun_sendsWhatEachFormOfCheckAsksFor(t *testing.T) {
	tests := []struct{ line, want string }{
		{"/a?b=c%20d&e", "GET /a?b=c%20d&e app.example.com "},
		{"//example.com", "GET / example.com "},
		{"//example.com//b/%2F", "GET //b/%2F example.com "},
		{"http://example.com:81/b", "GET /b example.com:81 "},
		{"https://example.com/b", "GET /b example.com https"},
		{"https:/b", "GET /b app.example.com https"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			var got atomic.Value
			address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				got.Store(r.Method + " " + r.RequestURI + " " + r.Host + " " + r.Header.Get("X-Forwarded-Proto"))
			})
			report := Run(t.Context(), patient(t, tt.line), []Target{{Name: "web-1", Address: address, Host: "app.example.com"}}, Options{})
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Load()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// net/http never proxies a loopback address, so a request here would prove
// nothing.
func TestDirect_hasNoProxy(t *testing.T) {
	if newDirect("127.0.0.1:80", nil).overHTTP2().(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}

func TestRun_usesTheAddressAsHostWhenThereIsNoDomain(t *testing.T) {
	hosts := make(chan string, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host })
	if err := Run(t.Context(), patient(t, "/"), []Target{{Name: "web-1", Address: address}}, Options{}).Err(); err != nil {
		t.Fatal(err)
	}
	if got := <-hosts; got != address {
		t.Errorf("Host = %q, want %q", got, address)
	}
}

func TestRun_decidesByStatusAndText(t *testing.T) {
	body := "<p>Hello,\n  $(function() { é } & \"you\"</p>"
	tests := []struct {
		line   string
		status int
		want   string // what the tries came to, empty if the check passes
	}{
		{"/", 200, ""},
		{"/", 204, ""},
		{"/", 304, "304"},
		{"/", 302, "302"}, // without a Location
		{"/", 404, "404"},
		{"/", 503, "503"},
		{"/ $(function() { é }", 200, ""},
		{"/ Hello", 200, ""},
		{"/ hello", 200, "200 without the expected text"},
		{`/ "you"`, 200, ""},
		{`/ "Hello"`, 200, "200 without the expected text"},
		{"/ Hello", 500, "500"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.line, " ", tt.status), func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, body)
			})
			report := verdict(t, patient(t, tt.line), Target{Name: "web-1", Address: address})
			result := report.Results[0]
			if result.OK != (tt.want == "") || result.Status != tt.status {
				t.Fatalf("result = %+v, want OK %v and status %d", result, tt.want == "", tt.status)
			}
			if !result.OK && result.Tallies[0].What != tt.want {
				t.Errorf("tallies = %v, want %q", result.Tallies, tt.want)
			}
		})
	}
}

func TestRun_takesAnyAnswerBelow500WithoutAFile(t *testing.T) {
	for status, want := range map[int]bool{200: true, 301: true, 401: true, 404: true, 500: false, 503: false} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere.example.com/")
				w.WriteHeader(status)
			})
			report := verdict(t, Default(), Target{Name: "web-1", Address: address})
			if report.Passed() != want {
				t.Errorf("Passed = %v, want %v: %v", report.Passed(), want, report.Err())
			}
		})
	}
}

func TestRun_followsRedirectsWithinTheHost(t *testing.T) {
	tests := []struct {
		name, line string
		https      bool
		location   map[string]string // by scheme and path
		want       string            // the detail, empty if the check passes
	}{
		{"to another path", "/", false, map[string]string{"http /": "/b?c=d", "http /b?c=d": "e", "http /e": "http://APP.example.com./end"}, ""},
		{"to another port", "/", false, map[string]string{"http /": "http://app.example.com:5000/end"}, ""},
		{"to https with a certificate", "/", true, map[string]string{"http /": "https://app.example.com/", "https /": "/end"}, ""},
		{"to https without one", "/", false, map[string]string{"http /": "https://app.example.com/"},
			"redirected to https://app.example.com/, but the app has no certificate; a check of https://app.example.com/ is told to the app as https"},
		{"within https", "https://app.example.com/", false, map[string]string{"https /": "https://app.example.com/end"}, ""},
		{"back to http", "https:/", false, map[string]string{"https /": "http://app.example.com/end"}, ""},
		{"to another host", "/", true, map[string]string{"http /": "/b", "http /b": "https://www.example.com/b"},
			`redirected from host "app.example.com" to another host, "www.example.com": https://www.example.com/b`},
		{"to something else", "/", false, map[string]string{"http /": "ftp://app.example.com/"}, "redirected to ftp://app.example.com/"},
		{"in a circle", "/", false, map[string]string{"http /": "/b", "http /b": "/"}, "redirected more than 10 times, last to http://app.example.com/b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				scheme := "http"
				if r.Header.Get("X-Forwarded-Proto") == "https" {
					scheme = "https"
				}
				if location, found := tt.location[scheme+" "+r.RequestURI]; found {
					w.Header().Set("Location", location)
					w.WriteHeader(http.StatusFound)
				} else if r.URL.Path != "/end" || r.Host != "app.example.com" {
					w.WriteHeader(http.StatusTeapot)
				}
			})
			report := verdict(t, patient(t, tt.line), Target{Name: "web-1", Address: address, Host: "app.example.com", HTTPS: tt.https})
			if report.Passed() != (tt.want == "") {
				t.Fatalf("Passed = %v: %v", report.Passed(), report.Err())
			}
			if diff := cmp.Diff(tt.want, report.Results[0].Detail); diff != "" {
				t.Errorf("detail (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_followsTenRedirectsAndNotEleven(t *testing.T) {
	for _, tt := range []struct {
		hops int
		want bool
	}{{10, true}, {11, false}} {
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if len(r.URL.Path) <= tt.hops {
				http.Redirect(w, r, r.URL.Path+"a", http.StatusSeeOther)
			}
		})
		if report := verdict(t, patient(t, "/"), Target{Name: "web-1", Address: address}); report.Passed() != tt.want {
			t.Errorf("%d redirects: Passed = %v, want %v: %v", tt.hops, report.Passed(), tt.want, report.Err())
		}
	}
}

func TestRun_noticesAnAppThatAnswersOnceAndDies(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			_ = listener.Close()
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	report := Run(t.Context(), quick(t, "/first", "/second"), []Target{{Name: "web-1", Address: listener.Addr().String()}}, Options{})
	if report.Passed() || !report.Results[0].OK || report.Results[1].OK {
		t.Errorf("report = %+v, want only the first check passed", report)
	}
	if !strings.Contains(report.Results[1].Summary(), "connection refused") {
		t.Errorf("summary = %q, want the refusals in it", report.Results[1].Summary())
	}
	noTrace(t)
}

func TestRun_knocksWithOneCheckUntilThePortOpens(t *testing.T) {
	report := Run(t.Context(), quick(t, "/a", "/b"), []Target{{Name: "web-1", Address: closedAddress(t)}}, Options{})
	if report.Passed() || report.Results[0].Tallies[0].What != "connection refused" || report.Results[1].Attempts != 0 {
		t.Errorf("results = %+v, want refusals for the first check and no try of the second", report.Results)
	}
	noTrace(t)
}

func TestRun_usesTheTransportOfTheTarget(t *testing.T) {
	var mu sync.Mutex
	var got []string
	front := roundTripper(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(r.URL, " ", r.Host, " ", r.Close))
		return answer(200, "welcome"), nil
	})
	target := Target{Name: "front door", Address: "door", Host: "app.example.com", Transport: front}
	if err := Run(t.Context(), patient(t, "/a welcome"), []Target{target}, Options{}).Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://door/a app.example.com true"}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestRun_failsWithoutTargetsOrChecks(t *testing.T) {
	for _, report := range []Report{
		Run(t.Context(), Default(), nil, Options{}),
		Run(t.Context(), File{}, []Target{{Name: "web-1"}}, Options{}),
	} {
		if report.Passed() || report.Cause == nil || !errors.Is(report.Err(), report.Cause) {
			t.Errorf("report = %+v, want a cause", report)
		}
	}
}
