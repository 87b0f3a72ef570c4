package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An object is one line of --json.
type object map[string]any

// A shape names an object's fields and their JSON types; one with a question
// mark may be missing.
type shape map[string]string

var (
	eventShape = shape{
		"time": "time", "app": "string", "step": "string", "status": "string", "seconds": "number",
		"release": "number?", "detail": "string?",
	}
	outcomeShape = with(eventShape, shape{
		"serving": "number", "slot": "string", "image": "string", "live_seconds": "number", "drained": "bool", "exit": "number",
	})
	failureShape = with(outcomeShape, shape{"error": "string", "hint": "string"})
	statusShape  = shape{
		"app": "string", "release": "number", "slot": "string", "image": "string", "state": "string",
		"replicas": "list", "domains": "list", "previous": "number", "hint": "string?",
	}
	replicaShape = shape{"name": "string", "address": "string", "state": "string"}
	entryShape   = shape{
		"time": "time", "kind": "string", "outcome": "string", "seconds": "number", "drained": "bool", "by": "string",
		"release": "number", "image": "string", "image_id": "string", "serving": "number",
		"from": "number?", "live_seconds": "number?", "open": "list?", "step": "string?", "error": "string?",
	}
)

func with(one, other shape) shape {
	both := maps.Clone(one)
	maps.Copy(both, other)
	return both
}

// objects reads a run's stdout, on which there must be nothing but objects,
// one a line.
func (r result) objects(t *testing.T) []object {
	t.Helper()
	var all []object
	for line := range strings.Lines(r.stdout) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("stdout has a line that is no JSON object: %q (%v)", line, err)
		}
		all = append(all, o)
	}
	if len(all) == 0 {
		t.Fatalf("stdout is empty, stderr: %s", r.stderr)
	}
	return all
}

// assertShape wants o to have the shape's fields with their types, and no other.
func assertShape(t *testing.T, o object, want shape) {
	t.Helper()
	for _, field := range slices.Sorted(maps.Keys(o)) {
		got, wanted := kindOf(o[field]), strings.TrimSuffix(want[field], "?")
		if wanted == "time" {
			at, err := time.Parse(time.RFC3339Nano, o[field].(string))
			if err != nil || at.Location() != time.UTC || time.Since(at).Abs() > time.Hour {
				t.Errorf("%s is %q, want the time in UTC (%v)", field, o[field], err)
			}
		} else if got != wanted {
			t.Errorf("%s is %v, a %s; want %q", field, o[field], got, want[field])
		}
	}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if _, ok := o[field]; !ok && !strings.HasSuffix(want[field], "?") {
			t.Errorf("%s is missing in %v", field, o)
		}
	}
}

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "bool"
	case []any:
		return "list"
	}
	return "nothing known"
}

// assertEvents wants the steps of a command, in order, each an event, and last
// its outcome with these fields. It returns the outcome.
func assertEvents(t *testing.T, r result, app string, steps string, outcome object) object {
	t.Helper()
	all := r.objects(t)
	var got []string
	for _, event := range all[:len(all)-1] {
		assertShape(t, event, eventShape)
		if event["app"] != app {
			t.Errorf("an event of %q is about app %v", app, event["app"])
		}
		if event["status"] == "failed" && event["detail"] == nil {
			t.Errorf("step %v does not say why it failed", event["step"])
		}
		got = append(got, event["step"].(string)+":"+event["status"].(string))
	}
	if diff := cmp.Diff(strings.Fields(steps), got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	last := all[len(all)-1]
	if last["status"] == "failed" {
		assertShape(t, last, failureShape)
	} else {
		assertShape(t, last, outcomeShape)
	}
	assertFields(t, last, outcome)
	if live, all := last["live_seconds"].(float64), last["seconds"].(float64); live < 0 || live > all {
		t.Errorf("live_seconds = %v of %v in all", live, all)
	}
	if int(last["exit"].(float64)) != r.code {
		t.Errorf("exit = %v, and the process ended with %d", last["exit"], r.code)
	}
	return last
}

// assertFields wants o to have at least these fields.
func assertFields(t *testing.T, o, want object) {
	t.Helper()
	got := object{}
	for field := range want {
		got[field] = o[field]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\nin %v", diff, o)
	}
}

// The steps of the pipeline as events.
const (
	untilCheck = "lock:started lock:done resolve:started resolve:done start:started start:done check:started "
	fromCheck  = "check:done site:started site:done switch:started switch:done verify:started verify:done commit:started commit:done "
	drained    = "drain:started drain:done "
	retired    = "retire:started retire:done"
)

// TestContract_ofDeployAndRollback takes one app through what can happen to it.
func TestContract_ofDeployAndRollback(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	v1, v2, v3 := h.image("VERSION=v1"), h.image("VERSION=v2"), h.image("VERSION=v3", "STATUS=500")

	first := h.must("deploy", h.app, v1, "--json", "--checks", h.file("CHECKS", quickChecks))
	last := assertEvents(t, first, h.app, untilCheck+fromCheck+retired, object{
		"step": "deploy", "status": "done", "serving": 1.0, "release": 1.0, "slot": "blue", "image": v1, "drained": true, "exit": 0.0,
	})
	if last["live_seconds"] == 0.0 {
		t.Error("live_seconds = 0, want the time to the switch")
	}

	second := h.must("deploy", "--json", h.app, v2)
	assertEvents(t, second, h.app, untilCheck+fromCheck+drained+retired, object{
		"step": "deploy", "status": "done", "serving": 2.0, "release": 2.0, "slot": "green", "image": v2, "drained": true, "exit": 0.0,
	})

	failed := h.wants(5, "--json", "deploy", h.app, v3)
	last = assertEvents(t, failed, h.app, untilCheck+"check:failed undo:started undo:done", object{
		"step": "deploy", "status": "failed", "serving": 2.0, "release": 3.0, "slot": "green", "image": v2,
		"live_seconds": 0.0, "drained": false, "exit": 5.0,
	})
	assertContains(t, last["error"].(string), "/healthz", "500")

	back := h.must("rollback", h.app, "--json")
	assertEvents(t, back, h.app, untilCheck+fromCheck+drained+retired, object{
		"step": "rollback", "status": "done", "serving": 1.0, "release": 1.0, "slot": "blue", "image": v1, "drained": true, "exit": 0.0,
	})

	refused := h.wants(2, "rollback", h.app, "99", "--json")
	last = assertEvents(t, refused, h.app, "lock:started lock:done resolve:started resolve:failed", object{
		"step": "rollback", "status": "failed", "serving": 1.0, "slot": "blue", "image": v1, "drained": false, "exit": 2.0,
	})
	assertContains(t, last["error"].(string), "99")

	h.assertStatusContract(v1)
	h.assertHistoryContract(v1, v2, v3)

	idle := h.must("recover", h.app, "--json")
	assertEvents(t, idle, h.app, "lock:started lock:done", object{
		"step": "recover", "status": "done", "serving": 1.0, "slot": "blue", "image": v1, "live_seconds": 0.0, "exit": 0.0,
	})
}

// assertStatusContract wants status to be that of release 1 after release 2.
func (h *host) assertStatusContract(image string) {
	t := h.t.(*testing.T)
	t.Helper()
	one := h.must("status", h.app, "--json")
	all := one.objects(t)
	if len(all) != 1 {
		t.Fatalf("status of one app has %d objects", len(all))
	}
	status := all[0]
	assertShape(t, status, statusShape)
	assertFields(t, status, object{
		"app": h.app, "release": 1.0, "slot": "blue", "image": image, "state": "live",
		"domains": []any{h.app + ".localhost"}, "previous": 2.0, "hint": nil,
	})
	replicas := status["replicas"].([]any)
	if len(replicas) != 1 {
		t.Fatalf("replicas = %v, want one", replicas)
	}
	replica := object(replicas[0].(map[string]any))
	assertShape(t, replica, replicaShape)
	name := "zdd-" + h.app + "-1-1"
	address := h.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
	assertFields(t, replica, object{"name": name, "address": address[0], "state": "running"})
	if list := h.must("status", "--json"); list.stdout != one.stdout {
		t.Errorf("status of all apps differs from that of the only one:\n%s%s", list.stdout, one.stdout)
	}
}

// assertHistoryContract wants an entry for each change, newest last; what was
// refused before it began is none.
func (h *host) assertHistoryContract(v1, v2, v3 string) {
	t := h.t.(*testing.T)
	t.Helper()
	all := h.must("history", h.app, "--json").objects(t)
	want := []object{
		{"kind": "deploy", "release": 1.0, "from": nil, "image": v1, "outcome": "done", "serving": 1.0, "drained": true, "step": nil, "error": nil},
		{"kind": "deploy", "release": 2.0, "from": 1.0, "image": v2, "outcome": "done", "serving": 2.0, "drained": true, "step": nil, "error": nil},
		{"kind": "deploy", "release": 3.0, "from": 2.0, "image": v3, "outcome": "failed", "serving": 2.0, "drained": false, "step": "check", "live_seconds": nil},
		{"kind": "rollback", "release": 1.0, "from": 2.0, "image": v1, "outcome": "done", "serving": 1.0, "drained": true, "step": nil, "error": nil},
	}
	if len(all) < len(want) {
		t.Fatalf("%d entries, want at least %d: %v", len(all), len(want), all)
	}
	for i, entry := range want {
		assertShape(t, all[i], entryShape)
		assertFields(t, all[i], entry)
	}
	assertContains(t, all[2]["error"].(string), "/healthz", "500")
	for _, entry := range all[len(want):] {
		t.Errorf("more than the changes: %v", entry)
	}
}
