package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zdd/deploy"
	"zdd/release"
)

// An object is one line of --json.
type object map[string]any

// objects reads text, which must be nothing but objects, one a line.
func objects(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for line := range strings.Lines(text) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("line %q is no JSON object (%v)", line, err)
		}
		all = append(all, o)
	}
	return all
}

// fields of every event, and of the last one.
func event(more object) object {
	o := object{"time": "2026-11-23T15:04:05.678Z", "app": "web", "release": 12.0, "seconds": 0.0}
	for field, value := range more {
		o[field] = value
	}
	return o
}

func TestJSON_ofADeployIsAnObjectALine(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true, Live: true, Color: true}) // neither of which shows
	c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
	c.Progress(deploy.StepCheck, "attempt 1")
	c.Event(step(deploy.StepCheck, deploy.Warning, "two\nlines", 0))
	c.Event(step(deploy.StepCheck, deploy.Done, "\x1b[1m<b> & co", 0.125))
	c.Event(deployed())
	c.Close()
	want := []object{
		event(object{"step": "check", "status": "started"}),
		event(object{"step": "check", "status": "warning", "detail": "two\nlines"}),
		event(object{"step": "check", "status": "done", "detail": "\x1b[1m<b> & co", "seconds": 0.125}),
		event(object{
			"step": "deploy", "status": "done", "seconds": 3.456, "serving": 12.0, "slot": "green",
			"image": "acme/web:1.4.2", "live_seconds": 1.234, "drained": true, "exit": 0.0,
		}),
	}
	if diff := cmp.Diff(want, objects(t, p.out.String())); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	equal(t, "stderr", "", p.err.String())
}

func TestJSON_ofAFailureIsOneLastEvent(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true})
	failedDeploy(c)
	c.Close()
	all := objects(t, p.out.String())
	want := event(object{
		"step": "deploy", "status": "failed", "seconds": 6.0, "serving": 12.0, "slot": "green", "image": "acme/web:1.4.2",
		"live_seconds": 0.0, "drained": false, "exit": 5.0,
		"error": "release 13 is not fit:\nGET /healthz: 500\nGET /: 500", "hint": "mend the release and deploy it again",
	})
	if diff := cmp.Diff(want, all[len(all)-1]); diff != "" {
		t.Errorf("last event (-want +got):\n%s", diff)
	}
	if len(all) != 5 {
		t.Errorf("%d objects, want one for each event and none for the failure: %v", len(all), all)
	}
	// People, who read a pipeline's log, are told as well.
	for _, want := range []string{"zdd: release 13 is not fit", "no database", "serving: release 12", "hint: mend"} {
		if !strings.Contains(p.err.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, p.err.String())
		}
	}
}

func TestJSON_ofARefusalIsTheOnlyEvent(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true})
	before := time.Now().Add(-time.Minute)
	c.Failure("deploy", &deploy.Error{Exit: deploy.ExitUsage, Err: errors.New("deploy wants: zdd deploy APP IMAGE"), Hint: "see: zdd deploy --help"})
	c.Close()
	all := objects(t, p.out.String())
	if len(all) != 1 {
		t.Fatalf("%d objects, want 1: %v", len(all), all)
	}
	when, err := time.Parse(time.RFC3339Nano, fmt.Sprint(all[0]["time"]))
	if err != nil || when.Before(before) || !strings.HasSuffix(fmt.Sprint(all[0]["time"]), "Z") {
		t.Errorf("time = %v (%v), want now in UTC", all[0]["time"], err)
	}
	delete(all[0], "time")
	want := object{
		"step": "deploy", "status": "failed", "exit": 2.0,
		"error": "deploy wants: zdd deploy APP IMAGE", "hint": "see: zdd deploy --help",
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJSON_ofStatusHasEveryField(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true})
	c.Status(live())
	c.Statuses([]deploy.AppStatus{{App: "new", State: deploy.StateNone, Replicas: []deploy.Replica{}, Domains: []string{"new.localhost"}}})
	c.Statuses(nil)
	c.Close()
	want := []object{
		{
			"app": "web", "release": 12.0, "slot": "green", "image": "acme/web:1.4.2", "state": "degraded", "previous": 11.0,
			"domains": []any{"www.example.com", "example.com"}, "hint": "run: zdd recover web",
			"replicas": []any{
				map[string]any{"name": "zdd-web-12-1", "address": "10.210.0.11", "state": "running"},
				map[string]any{"name": "zdd-web-12-2", "address": "10.210.0.12", "state": "exited"},
			},
		},
		{
			"app": "new", "release": 0.0, "slot": "", "image": "", "state": "none", "previous": 0.0,
			"domains": []any{"new.localhost"}, "replicas": []any{},
		},
	}
	if diff := cmp.Diff(want, objects(t, p.out.String())); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
}

func TestJSON_ofHistoryIsAnEntryALineNewestLast(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true})
	c.History(past())
	c.History(nil)
	c.Close()
	all := objects(t, p.out.String())
	if len(all) != len(past()) {
		t.Fatalf("%d objects, want %d", len(all), len(past()))
	}
	want := object{
		"time": "2026-11-23T15:04:05.678Z", "kind": "deploy", "release": 13.0, "from": 12.0, "image": "acme/web:1.5", "image_id": "sha256:13",
		"outcome": "failed", "step": "check", "error": "GET /healthz: 500\nmore", "seconds": 6.0, "drained": false,
		"by": "ada@build", "serving": 12.0,
	}
	if diff := cmp.Diff(want, all[1]); diff != "" {
		t.Errorf("a failure (-want +got):\n%s", diff)
	}
	want = object{
		"time": "2026-11-23T15:04:05.678Z", "kind": "rollback", "release": 11.0, "from": 12.0, "image": "acme/web:1.3",
		"outcome": string(release.Done), "seconds": 2.5, "live_seconds": 0.75, "drained": false,
		"open": []any{"10.0.0.1:40000"}, "serving": 11.0,
	}
	if diff := cmp.Diff(want, all[2]); diff != "" {
		t.Errorf("the newest (-want +got):\n%s", diff)
	}
}

func TestJSON_isNotTornByConcurrentUse(t *testing.T) {
	var p page
	c := p.open(Config{JSON: true})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				c.Event(step(deploy.StepCheck, deploy.Done, strings.Repeat("x", 5000), 0))
			}
		})
	}
	all.Wait()
	c.Close()
	if n := len(objects(t, p.out.String())); n != 400 {
		t.Errorf("%d objects, want 400", n)
	}
}
