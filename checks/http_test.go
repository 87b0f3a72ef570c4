package checks

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// came runs the lines against an app of one handler, and returns what the first
// check came to: "passed", or its first tally.
func came(t *testing.T, handler http.HandlerFunc, lines ...string) (string, Result) {
	t.Helper()
	report := verdict(t, patient(t, lines...), Target{Name: "web-1", Address: serve(t, handler), Host: "app.example.com"})
	result := report.Results[0]
	if result.OK {
		return "passed", result
	}
	return result.Tallies[0].What, result
}

func TestRun_takesTheStatusesThatTheCheckNames(t *testing.T) {
	tests := []struct {
		option string
		status int
		want   string
	}{
		{"#: status 204", 204, "passed"},
		{"#: status 204", 200, "200"},
		{"#: status 4xx", 404, "passed"},
		{"#: status 301", 301, "passed"}, // it is not followed
		{"#: status 200,401", 401, "passed"},
		{"#: status 200,401", 403, "403"},
		{"#: status 500-599", 599, "passed"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.option, " ", tt.status), func(t *testing.T) {
			got, result := came(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/b")
				w.WriteHeader(tt.status)
			}, "/", tt.option)
			if got != tt.want {
				t.Errorf("came to %q, want %q", got, tt.want)
			}
			if want := result.Check.Status.String(); !result.OK && result.Missing != want {
				t.Errorf("missing = %q, want %q", result.Missing, want)
			}
		})
	}
}

func TestStatuses_areSaidInWords(t *testing.T) {
	for text, want := range map[string]string{
		"204":         "status 204",
		"2xx":         "a status from 200 to 299",
		"200-204,401": "status 200-204 or 401",
		"200 301":     "status 200 or 301",
	} {
		statuses, err := parseStatuses(text)
		if err != nil || statuses.String() != want {
			t.Errorf("%s = %q, %v, want %q", text, statuses, err, want)
		}
	}
}

func TestRun_sendsTheMethodAndTheHeaderOfTheCheck(t *testing.T) {
	var got []string
	came, _ := came(t, func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method, r.Host, r.UserAgent(), r.Header.Get("Accept-Encoding"), r.Header.Get("Connection"),
			fmt.Sprint(r.ContentLength), strings.Join(r.Header.Values("X-Token"), "|"))
	}, "/", "#: method post", "#: header User-Agent: probe/1", "#: header X-Token: a", "#: header X-Token: b", "#: header Host: example.com:81")
	want := []string{"POST", "example.com:81", "probe/1", "gzip, deflate", "close", "0", "a|b"}
	if diff := cmp.Diff(want, got); diff != "" || came != "passed" {
		t.Errorf("%s; request (-want +got):\n%s", came, diff)
	}
}

func TestRun_saysWhoAsksUnlessTheCheckDoes(t *testing.T) {
	agents := make(chan string, 1)
	if came, _ := came(t, func(_ http.ResponseWriter, r *http.Request) { agents <- r.UserAgent() }, "/"); came != "passed" {
		t.Fatal(came)
	}
	if got := <-agents; got != "zdd-checks" {
		t.Errorf("User-Agent = %q, want zdd-checks", got)
	}
}

func TestRun_keepsTheMethodOnlyOnRedirectsThatSaySo(t *testing.T) {
	tests := []struct {
		method string
		status int
		want   string // the methods of both requests
	}{
		{"POST", 301, "POST GET"},
		{"POST", 302, "POST GET"},
		{"POST", 303, "POST GET"},
		{"POST", 307, "POST POST"},
		{"POST", 308, "POST POST"},
		{"HEAD", 303, "HEAD HEAD"},
		{"PUT", 303, "PUT GET"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.method, " ", tt.status), func(t *testing.T) {
			var got []string
			came, _ := came(t, func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Method)
				if r.Header.Get("X-Token") != "a" {
					w.WriteHeader(http.StatusUnauthorized)
				} else if r.URL.Path == "/" {
					w.Header().Set("Location", "/b")
					w.WriteHeader(tt.status)
				}
			}, "/", "#: method "+tt.method, "#: header X-Token: a")
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" || came != "passed" {
				t.Errorf("%s; methods (-want +got):\n%s", came, diff)
			}
		})
	}
}

func TestRun_asksThePortThatTheCheckNames(t *testing.T) {
	admin := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "admin ", r.Host) })
	_, port, err := net.SplitHostPort(admin)
	if err != nil {
		t.Fatal(err)
	}
	front := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "front") })
	file := patient(t, "/ admin app.example.com", "#: port "+port, "/ front", "#: tcp "+port)
	report := Run(t.Context(), file, []Target{{Name: "web-1", Address: front, Host: "app.example.com"}}, Options{})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}

func TestRun_asksAnotherPortThoughTheOwnOneIsClosed(t *testing.T) {
	admin := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(admin)
	report := Run(t.Context(), quick(t, "/", "/", "#: port "+port), []Target{{Name: "web-1", Address: closedAddress(t)}}, Options{})
	if report.Results[0].OK || !report.Results[1].OK {
		t.Errorf("results = %+v, want only the second passed", report.Results)
	}
}

func TestRun_findsWhatTheBodyMustHave(t *testing.T) {
	const body = "Welcome\nto {\"Acme\"}\nnow"
	const status = `{"ok": true, "n": 1.0, "big": 12345678901234567890, "version": "1.2", "none": null, "quoted": "a \"b\" é", "db": {"status": "up", "lag": 3}, "list": [1, {"x": "y"}], "empty": {}}`
	tests := []struct {
		name, body string
		lines      []string
		want, near string
	}{
		{"a match", body, []string{"/", `#: match to \{"Ac.e"\}`}, "passed", ""},
		{"no match", body, []string{"/", "#: match ^Acme"}, "200 without a match", ""},
		{"a match of a line", body, []string{"/", "#: match ^to"}, "passed", ""},
		{"a match of the whole", body, []string{"/", `#: match \A(?s:Welcome.*now)\z`}, "passed", ""},
		{"a match of nothing", "", []string{"/", "#: match ^$"}, "passed", ""},
		{"true", status, []string{"/", "#: json ok = true"}, "passed", ""},
		{"a number", status, []string{"/", "#: json n = 1"}, "passed", ""},
		{"a number as written", status, []string{"/", "#: json n = 1.0"}, "passed", ""},
		{"a big number", status, []string{"/", "#: json big = 12345678901234567890"}, "passed", ""},
		{"null", status, []string{"/", "#: json none = null"}, "passed", ""},
		{"a string", status, []string{"/", `#: json version = "1.2"`}, "passed", ""},
		{"a string without quotes", status, []string{"/", "#: json version = 1.2"}, "passed", ""},
		{"a string with quotes in it", status, []string{"/", `#: json quoted = "a \"b\" \u00e9"`}, "passed", ""},
		{"a number that must be a string", status, []string{"/", `#: json n = "1.0"`}, "200 without the expected field", "n = 1.0"},
		{"a bool that must be a string", status, []string{"/", `#: json ok = "true"`}, "200 without the expected field", "ok = true"},
		{"another value", status, []string{"/", `#: json db.status = "down"`}, "200 without the expected field", `db.status = "up"`},
		{"a field at all", status, []string{"/", "#: json db"}, "passed", ""},
		{"a list", status, []string{"/", "#: json list.1.x = y"}, "passed", ""},
		{"no field", status, []string{"/", "#: json status = up"}, "200 without the expected field", "no such field, but ok, n, big, version, none, quoted …"},
		{"no inner field", status, []string{"/", "#: json db.state = up"}, "200 without the expected field", "no such field in db, but status, lag"},
		{"no element", status, []string{"/", "#: json list.7"}, "200 without the expected field", `no such field in list, which is [1, {"x": "y"}]`},
		{"nothing inside", status, []string{"/", "#: json empty.a"}, "200 without the expected field", "no field at all in empty"},
		{"a field of a value", status, []string{"/", "#: json ok.a"}, "200 without the expected field", "no such field in ok, which is true"},
		{"no JSON", body, []string{"/", "#: json ok"}, "200 without the expected field", "a body that is not JSON"},
		{"no body", "", []string{"/", "#: json ok"}, "200 without the expected field", "a body that is not JSON"},
		{"everything", status, []string{`/ "db"`, "#: match lag.: \\d", "#: json db.lag = 3", "#: json ok = true"}, "passed", ""},
		{"everything but one field", status, []string{`/ "db"`, "#: match lag", "#: json db.lag = 4", "#: json ok = true"}, "200 without the expected field", "db.lag = 3"},
		{"a match without the text", status, []string{"/ Acme", "#: match lag"}, "200 without the expected text", ""},
		{"the text without a match", status, []string{"/ lag", "#: match ^lag"}, "200 without a match", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, result := came(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) }, tt.lines...)
			if got != tt.want || result.Near != tt.near {
				t.Errorf("came to %q near %q, want %q near %q", got, result.Near, tt.want, tt.near)
			}
		})
	}
}
