package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

func TestReadConfig_knowsEachSettingAndRefusesNonsense(t *testing.T) {
	plain := config{port: 5000, version: "v0", exitCode: -1, status: 200}
	with := func(change func(*config)) config {
		c := plain
		change(&c)
		return c
	}
	tests := []struct {
		env  string
		want config
		err  string
	}{
		{env: "", want: plain},
		{env: "PORT=80 VERSION=v7 IDS=/ids", want: with(func(c *config) { c.port, c.version, c.ids = 80, "v7", "/ids" })},
		{env: "BOOT=1.5s STATUS=500", want: with(func(c *config) { c.boot, c.status = 1500*time.Millisecond, 500 })},
		{env: "LIFE=2s", want: with(func(c *config) { c.life = 2 * time.Second })},
		{env: "LIFE=long", err: "reading LIFE"},
		{env: "ON_START=exit:3", want: with(func(c *config) { c.exitCode = 3 })},
		{env: "ON_TERM=exit LISTEN=never", want: with(func(c *config) { c.dieAtOnce, c.listen = true, "never" })},
		{env: "HOSTILE=redirect:http://a.test/", want: with(func(c *config) { c.hostile = "redirect:http://a.test/" })},
		{env: "HOSTILE=maybe", err: `HOSTILE is "maybe"`},
		{env: "PORT=web", err: `PORT is "web"`},
		{env: "STATUS=20", err: `STATUS is "20"`},
		{env: "BOOT=soon", err: "reading BOOT"},
		{env: "ON_START=crash", err: `ON_START is "crash"`},
		{env: "ON_TERM=maybe", err: `ON_TERM is "maybe"`},
		{env: "VERSION=../v1", err: `VERSION is "../v1"`},
	}
	for _, test := range tests {
		t.Run(test.env, func(t *testing.T) {
			got, err := readConfig(environment(test.env))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(config{})); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_exitsWithItsLastWordsWhenToldTo(t *testing.T) {
	var log bytes.Buffer
	if got := run(environment("ON_START=exit:3 VERSION=v3"), &log); got != 3 {
		t.Errorf("exit code %d, want 3", got)
	}
	if !strings.Contains(log.String(), "v3: no database, exiting with 3") {
		t.Errorf("log is %q", log.String())
	}
}

func TestCommand_knowsItsWordsAlone(t *testing.T) {
	server := httptest.NewServer(newHandler("v1", 200, &ledger{}))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	for _, test := range []struct {
		args, env string
		code      int
		known     bool
		says      string
	}{
		{"exit 3", "", 3, true, "asked to exit with 3"},
		{"exit now", "", exitUsage, true, ""},
		{"health", "PORT=" + port, 0, true, "healthy"},
		{"health", "PORT=1", 1, true, "unhealthy: "},
		{"migrate", "", 0, false, ""},
	} {
		var out bytes.Buffer
		code, known := command(strings.Fields(test.args), environment(test.env), &out)
		if code != test.code || known != test.known || !strings.HasPrefix(out.String(), test.says) {
			t.Errorf("%s: %d %v %q, want %d %v %q", test.args, code, known, out.String(), test.code, test.known, test.says)
		}
	}
}

func TestHandler_answersEachEndpoint(t *testing.T) {
	const digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	tests := []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/", "", 200, "hello from v1\n"},
		{"GET", "/healthz", "", 200, "ok\n"},
		{"GET", "/json", "", 200, `{"status":"up","version":"v1","db":{"connected":true,"pool":5}}` + "\n"},
		{"POST", "/echo", "hello", 200, "id-1 v1 " + digest + " 5\n"},
		{"POST", "/upload", "hello", 200, "id-1 v1 " + digest + " 5\n"},
		{"POST", "/slow?for=1ms", "hello", 200, "id-1 v1 " + digest + " 5\n"},
		{"GET", "/slow?for=x", "", 400, "for is \"x\", want a duration up to 5m0s\n"},
		{"GET", "/stream?for=0s", "", 200, "1 v1\nend v1\n"},
		{"GET", "/env?name=HOME", "", 403, "the environment is nobody's business\n"},
		{"GET", "/nowhere", "", 404, "404 page not found\n"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			w := ask(newHandler("v1", 200, &ledger{}), test.method, test.path, test.body)
			if diff := cmp.Diff(fmt.Sprint(test.status, " ", test.answer), fmt.Sprint(w.Code, " ", w.Body)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"v1", "id-1"}, []string{w.Header().Get("X-Version"), w.Header().Get("X-Load-Id")}); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHandler_ofABrokenReleaseAnswersWithItsStatusAndProcessesNothing(t *testing.T) {
	dir := t.TempDir()
	ids, err := openLedger(dir, "v3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ids.file.Close() })
	w := ask(newHandler("v3", 500, ids), "POST", "/echo", "hello")
	if w.Code != 500 || w.Header().Get("X-Version") != "v3" {
		t.Errorf("answer %d of %q, want 500 of v3", w.Code, w.Header().Get("X-Version"))
	}
	if got := recorded(t, dir); got != "" {
		t.Errorf("recorded %q, want nothing", got)
	}
}

func TestHandler_recordsARequestEachTimeItIsAsked(t *testing.T) {
	dir := t.TempDir()
	ids, err := openLedger(dir, "v1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ids.file.Close() })
	h := newHandler("v1", 200, ids)
	ask(h, "POST", "/echo", "hello")
	ask(h, "POST", "/echo", "hello")
	if diff := cmp.Diff("id-1 v1 /echo\nid-1 v1 /echo\n", recorded(t, dir)); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestHandler_echoesWebsocketMessages(t *testing.T) {
	server := httptest.NewServer(newHandler("v1", 200, &ledger{}))
	t.Cleanup(server.Close)
	ws, _, err := websocket.Dial(t.Context(), server.URL+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("ping 1")); err != nil {
		t.Fatal(err)
	}
	_, got, err := ws.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("v1 ping 1", string(got)); diff != "" {
		t.Errorf("echo (-want +got):\n%s", diff)
	}
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Load-Id", "id-1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// environment turns "A=1 B=2" into a lookup.
func environment(text string) func(string) string {
	vars := map[string]string{}
	for _, pair := range strings.Fields(text) {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}

func recorded(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ids"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files of ids are %v (%v), want one", names, err)
	}
	f, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
