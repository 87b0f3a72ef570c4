package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zdd/testdata/load"
)

// events are the JSON objects that a run wrote.
func (r result) events(t testing.TB) []map[string]any {
	t.Helper()
	var events []map[string]any
	for line := range strings.Lines(r.stdout) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		events = append(events, event)
	}
	return events
}

// detail is what the run said when a step was done.
func (r result) detail(t testing.TB, step string) string {
	t.Helper()
	for _, event := range r.events(t) {
		if event["step"] == step && event["status"] == "done" {
			text, _ := event["detail"].(string)
			return text
		}
	}
	t.Fatalf("no step %s is done:\n%s", step, r.stdout)
	return ""
}

// inApp writes a file into the app's folder.
func (h *host) inApp(name, content string, mode os.FileMode) string {
	h.t.Helper()
	path := filepath.Join(h.root, "apps", h.app, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		h.t.Fatal(err)
	}
	return path
}

// startup is an app.json with one check of the path.
func startup(path string) string {
	return `{"healthchecks": {"web": [{"type": "startup", "path": "` + path + `", "wait": 1, "timeout": 1, "attempts": 2}]}}`
}

// quickly is a CHECKS file of a few lines that gives up soon.
func quickly(line string) string { return "WAIT=1\nTIMEOUT=2\nATTEMPTS=2\n" + line + "\n" }

const healthy = `HEALTHCHECK --interval=1s --timeout=2s --retries=1 CMD ["/app", "health"]`

// TestDeploy_takesTheFirstSourceOfChecks begins with an image that has every
// source and takes one away at a time.
func TestDeploy_takesTheFirstSourceOfChecks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	inImage := map[string]string{
		"/srv/CHECKS": quickly("/healthz ok"), "/CHECKS": quickly("/healthz"),
		"/srv/app.json": startup("/healthz"), "/app.json": startup("/json"),
	}
	own := h.inApp("CHECKS", quickly("/ hello"), 0o600)
	ownJSON := h.inApp("app.json", startup("/healthz"), 0o600)
	named := h.file("NAMED", quickly("/json"))

	for _, tt := range []struct {
		want   string
		gone   func() // what is taken away before
		args   []string
		change []string
	}{
		{named, func() {}, []string{"--checks", named}, nil},
		{own, func() {}, []string{"--checks", ""}, nil},
		{"image:/srv/CHECKS", func() { remove(t, own) }, nil, nil},
		{"image:/CHECKS", func() { delete(inImage, "/srv/CHECKS") }, nil, nil},
		{ownJSON, func() { delete(inImage, "/CHECKS") }, nil, nil},
		{"image:/srv/app.json", func() { remove(t, ownJSON) }, nil, nil},
		{"image:/app.json", func() { delete(inImage, "/srv/app.json") }, nil, nil},
		{"healthcheck of app.yaml", func() { inImage["/app.json"] = `{"name": "shop"}` }, []string{"--healthcheck", "exec /app health"}, nil},
		{"HEALTHCHECK of the image", func() {}, []string{"--healthcheck", ""}, nil},
		{"default", func() {}, []string{"--healthcheck", "none"}, nil},
	} {
		tt.gone()
		image := h.imageWith(inImage, "WORKDIR /srv", healthy)
		args := append([]string{"deploy", h.app, image}, tt.args...)
		if strings.HasPrefix(tt.want, "healthcheck") { // an image FROM scratch has no shell that could pass it
			r := h.killAt(syscall.SIGTERM, "check", "started", args...)
			if got := r.detail(t, "resolve"); r.code != 130 || !strings.HasSuffix(got, "checks: "+tt.want) {
				t.Errorf("exit %d, checks of %q, want 130 and %q", r.code, got, tt.want)
			}
			continue
		}
		r := h.must(append(args, "--json")...)
		if got := r.detail(t, "resolve"); !strings.HasSuffix(got, "checks: "+tt.want) {
			t.Errorf("checks of %q, want %q", got, tt.want)
		}
		assertContains(t, r.detail(t, "check"), "("+tt.want+")")
	}
	h.assertInOrder()
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestDeploy_refusesWhatAnyKindOfCheckRefuses wants each kind to say what it
// found, and the former release to answer all the while.
func TestDeploy_refusesWhatAnyKindOfCheckRefuses(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 8})
	const v2 = "ENV VERSION=v2"
	for _, tt := range []struct {
		name   string
		files  map[string]string
		change []string
		says   []string
	}{
		{"a field of JSON", checksIn("/json\n#: json db.connected = false"), nil, []string{"db.connected = true", "v2"}},
		{"a match", checksIn("/\n#: match ^hello from v3$"), nil, []string{"hello from v2"}},
		{"a status", checksIn("/nowhere\n#: status 2xx,401"), nil, []string{"404", "status"}},
		{"a method", checksIn("/echo"), nil, []string{"405"}},
		{"a port", checksIn("#: tcp 6379"), nil, []string{"tcp 6379", "connection refused"}},
		{"a command", checksIn("#: command /app exit 3"), nil, []string{"exit code 3", "asked to exit with 3"}},
		{"a command that is not there", checksIn("#: command bin/check"), nil, []string{"bin/check"}},
		{"no gRPC", checksIn("#: grpc my.Service"), nil, []string{"grpc my.Service"}},
		{"app.json", map[string]string{"app.json": startup("/nowhere")}, nil, []string{"404", "app.json"}},
		{"HEALTHCHECK", nil, []string{`HEALTHCHECK --interval=1s --timeout=2s --retries=1 CMD ["/app", "exit", "1"]`}, []string{"HEALTHCHECK", "exit code 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := h.wants(5, "deploy", h.app, h.imageWith(tt.files, append(tt.change, v2)...))
			assertContains(t, r.stderr, append(tt.says, "serving: release 1", "hint:")...)
		})
	}
	h.assertServes("v1", 1)
	h.assertLossless(run)
	h.assertInOrder()
}

// checksIn is an image's CHECKS file for a release that does not pass it.
func checksIn(line string) map[string]string {
	return map[string]string{"CHECKS": "WAIT=0\nTIMEOUT=2\nATTEMPTS=1\n" + line + "\n"}
}

// TestDeploy_acceptsWhatEveryKindOfCheckAccepts asks everything at once, of
// two replicas.
func TestDeploy_acceptsWhatEveryKindOfCheckAccepts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	file := quickly(strings.Join([]string{
		"/ hello", "/json", "#: json db.pool = 5", `#: json status = "up"`, "#: header Accept: application/json",
		"#: /echo", "#: method POST", "#: match v1 [0-9a-f]{64} 0$", "#: /env", "#: status 403",
		"#: tcp", "#: command /app health", "#: uptime 1", "/nowhere", "#: warn",
	}, "\n"))
	r := h.must("deploy", h.app, h.imageWith(map[string]string{"CHECKS": file}, "ENV VERSION=v1"), "--replicas", "2", "--passes", "2", "--json")
	assertContains(t, r.detail(t, "check"), "14 checks (image:/CHECKS) passed, 2 times in a row")
	assertContains(t, r.stdout, `"status":"warning"`, "/nowhere", "only warns")
	h.assertServes("v1", 1)
}

// TestDeploy_seesAReleaseThatDiesAfterItsChecks needs --healthy-for; the
// control shows that nothing else would have seen it.
func TestDeploy_seesAReleaseThatDiesAfterItsChecks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 8})
	mortal := h.image("VERSION=v2", "LIFE=3s")
	r := h.wants(5, "deploy", h.app, mortal, "--healthy-for", "1m")
	assertContains(t, r.stderr, "exited", "out of memory, or something like that", "serving: release 1")
	h.assertServes("v1", 1)
	h.assertLossless(run)

	r = h.must("deploy", h.app, h.image("VERSION=v3"), "--healthy-for", "2s", "--json")
	assertContains(t, r.detail(t, "check"), "held for 2s")
	h.must("deploy", h.app, mortal, "--healthy-for", "0s") // the control
}

// TestCheck_asksTheLiveReleaseAndChangesNothing asks a release that is well,
// one that hangs, and one whose container is gone.
func TestCheck_asksTheLiveReleaseAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if last := h.wants(2, "check", h.app, "--json").last(t); last["exit"] != 2.0 || last["hint"] == "" {
		t.Errorf("of an unknown app the last object is %v", last)
	}
	h.must("deploy", h.app, h.image("VERSION=v1"), "--checks", h.file("CHECKS", quickly("/healthz ok\n#: command /app health")))
	h.inApp("hooks/check-deploy", "#!/bin/sh\ntouch "+filepath.Join(h.ids, "hooked")+"\n", 0o755)
	before := h.snapshot()

	r := h.must("check", h.app, "--json")
	type line struct {
		path, via string
		ok        bool
	}
	var got []line
	for _, event := range r.events(t) {
		got = append(got, line{event["path"].(string), event["via"].(string), event["ok"].(bool)})
	}
	want := []line{{"/healthz", "address", true}, {"", "address", true}, {"/healthz", "nginx", true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(line{})); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	assertContains(t, h.must("check", h.app).stdout, "release 1", "/healthz ok", "command /app health", "nginx")

	name := "zdd-" + h.app + "-1-1"
	h.docker("pause", name)
	r = h.wants(5, "check", h.app)
	assertContains(t, r.stdout, "✗", "/healthz ok")
	assertContains(t, r.stderr, "nothing was changed: release 1 still gets the requests")
	h.docker("unpause", name)
	h.assertServes("v1", 1)
	if after := h.snapshot(); after != before {
		t.Errorf("changed:\nbefore: %s\nafter: %s", before, after)
	}

	h.docker("stop", name)
	r = h.wants(5, "check", h.app, "--json")
	assertContains(t, r.stderr, "zdd recover "+h.app)
	if last := r.last(t); last["exit"] != 5.0 || last["error"] == "" {
		t.Errorf("the last object is %v", last)
	}
	if _, err := os.Stat(filepath.Join(h.ids, "hooked")); err == nil {
		t.Error("the hook was run")
	}
	if state := h.docker("inspect", "--format", "{{.State.Status}}", name); !slices.Equal(state, []string{"exited"}) {
		t.Errorf("the container is %q, want it left alone", state)
	}
}

// TestCheck_asksAnythingByURL uses a server that has nothing to do with zdd.
func TestCheck_asksAnythingByURL(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"host":"` + r.Host + `"}`))
	}))
	t.Cleanup(server.Close)
	file := h.file("CHECKS", "WAIT=0\nTIMEOUT=1\nATTEMPTS=1\n//shop.example.com/\n#: json host = \"shop.example.com\"\n")
	assertContains(t, h.must("check", "--url", server.URL, "--checks", file).stdout, "✓", "//shop.example.com/")
	h.must("check", "--url", server.URL)

	bad := h.file("BAD", "WAIT=0\nTIMEOUT=1\nATTEMPTS=1\n/ Welcome\n")
	r := h.wants(5, "check", "--url", server.URL, "--checks", bad)
	assertContains(t, r.stderr, "line 4", `"Welcome"`)
	object := h.wants(5, "check", "--url", server.URL, "--checks", bad, "--json").last(t)
	if object["ok"] != false || object["status"] != 200.0 || object["path"] != "/" || object["error"] == "" {
		t.Errorf("object = %v", object)
	}
	for _, args := range [][]string{
		{"check"}, {"check", "--url", "localhost"}, {"check", "--url", server.URL + "/path"}, {"check", h.app, "--url", server.URL},
		{"check", "--url", server.URL, "--checks", "/nonexistent"}, {"check", h.app, "--checks", file},
		{"check", "--url", server.URL, "--checks", h.file("CMD", "#: command true\n")},
	} {
		assertContains(t, h.wants(2, args...).stderr, "zdd:", "hint:")
	}
}

// TestDeploy_doesWhatAFailedCheckWantsDone posts to this test, and not when the
// image wants it to.
func TestDeploy_doesWhatAFailedCheckWantsDone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	posts := make(chan map[string]any, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		posts <- body
	}))
	t.Cleanup(server.Close)
	file := quickly("/nowhere\n#: on-failure-command /app exit 0\n#: on-failure-url " + server.URL)

	image := h.imageWith(map[string]string{"CHECKS": file}, "ENV VERSION=v1")
	r := h.wants(5, "deploy", h.app, image)
	assertContains(t, r.stderr, "asked to exit with 0", "its URL stands in the image")
	if len(posts) > 0 {
		t.Errorf("posted %v for an image", <-posts)
	}
	h.wants(5, "deploy", h.app, image, "--checks", h.file("CHECKS", file))
	select {
	case post := <-posts:
		if post["app"] != h.app || post["check"] != "/nowhere" || !strings.Contains(post["error"].(string), "404") {
			t.Errorf("posted %v", post)
		}
	case <-time.After(patience):
		t.Error("nothing was posted")
	}
}

// TestDeploy_waitsForAnAnswerWhateverTheChecksAre has checks that are content
// before the app can be reached. Traffic must not be.
func TestDeploy_waitsForAnAnswerWhateverTheChecksAre(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 8})
	slow := []string{"ENV VERSION=v2", "ENV BOOT=3s", "ENV IDS=/ids"}
	for n, tt := range []struct {
		name   string
		file   string
		change []string
		args   []string
	}{
		{"a HEALTHCHECK", "", []string{`HEALTHCHECK --interval=1s --timeout=2s --retries=1 CMD ["/app", "exit", "0"]`}, nil},
		{"a command", "#: command /app exit 0", nil, nil},
		{"a warning", "/healthz\n#: warn", nil, nil},
		{"a hook", "/healthz", nil, []string{"--check-hook", "instead"}},
	} {
		if tt.args != nil {
			h.hook("check-deploy", "exit 0")
		}
		var files map[string]string
		if tt.file != "" {
			files = checksIn(tt.file)
		}
		r := h.must(append([]string{"deploy", h.app, h.imageWith(files, append(slow, tt.change...)...), "--json"}, tt.args...)...)
		if took := r.last(t)["live_seconds"].(float64); took < 3 {
			t.Errorf("%s: traffic moved after %.1f s to an app that boots for 3", tt.name, took)
		}
		h.assertServes("v2", n+2)
	}
	h.assertLossless(run)
}
