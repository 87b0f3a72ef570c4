package console

import (
	"strings"
	"testing"

	"zdd/deploy"
	"zdd/release"
)

// live is an app of which one of two replicas is down.
func live() deploy.AppStatus {
	return deploy.AppStatus{
		App: "web", Release: 12, Slot: "green", Image: "acme/web:1.4.2", State: deploy.StateDegraded, Previous: 11,
		Replicas: []deploy.Replica{
			{Name: "zdd-web-12-1", Address: "10.210.0.11", State: "running"},
			{Name: "zdd-web-12-2", Address: "10.210.0.12", State: "exited"},
		},
		Domains: []string{"www.example.com", "example.com"}, Hint: "run: zdd recover web",
	}
}

// past is a history with every outcome.
func past() []release.Entry {
	return []release.Entry{
		{Time: at, Kind: release.KindDeploy, Release: 12, From: 11, Image: "acme/web:1.4.2", Outcome: release.Done, Seconds: 3.456, LiveSeconds: 1.234, Drained: true, By: "ada@build", Serving: 12},
		{Time: at, Kind: release.KindDeploy, Release: 13, From: 12, Image: "acme/web:1.5", ImageID: "sha256:13", Outcome: release.Failed, Step: "check", Error: "GET /healthz: 500\nmore", Seconds: 6, By: "ada@build", Serving: 12},
		{Time: at, Kind: release.KindRollback, Release: 11, From: 12, Image: "acme/web:1.3", Outcome: release.Done, Seconds: 2.5, LiveSeconds: 0.75, Open: []string{"10.0.0.1:40000"}, Serving: 11},
	}
}

func TestStatus_showsAnAppWithItsReplicas(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.Status(live())
	c.Close()
	golden(t, "status.stdout", p.out.String())
	equal(t, "stderr", "", p.err.String())
}

func TestStatuses_showsAllAppsInColumns(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.Statuses([]deploy.AppStatus{
		live(),
		{App: "a-longer-name", State: deploy.StateNone, Domains: []string{"a-longer-name.localhost"}},
		{App: "one", Release: 3, Slot: "blue", Image: "one:3", State: deploy.StateLive, Replicas: []deploy.Replica{{State: "running"}}, Domains: []string{"one.localhost"}},
	})
	c.Close()
	golden(t, "statuses.stdout", p.out.String())
}

func TestHistory_showsWhatHappenedAndWhy(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.History(append(past(), release.Entry{
		Time: at, Kind: release.KindDeploy, Release: 14, From: 11, Image: "acme/web:1.6",
		Outcome: release.Undone, Step: "recover", Error: "the command did not come to its end", By: "ada@build", Serving: 11,
	}))
	c.Close()
	golden(t, "history.stdout", p.out.String())
	equal(t, "stderr", "", p.err.String())
}

func TestTables_sayWhenThereIsNothing(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.Statuses(nil)
	c.History(nil)
	c.Close()
	equal(t, "stdout", "no app yet; begin with: zdd deploy APP IMAGE\nnothing has happened yet\n", p.out.String())
}

// TestTables_keepALineARow: neither control characters nor the lines of an
// error may break a row.
func TestTables_keepALineARow(t *testing.T) {
	for name, show := range map[string]func(*Console){
		"an image in status":   func(c *Console) { c.Statuses([]deploy.AppStatus{{App: "web", Image: hostile + "\n"}}) },
		"an image in history":  func(c *Console) { c.History([]release.Entry{{Image: hostile + "\n"}}) },
		"a cause":              func(c *Console) { c.History([]release.Entry{{Step: "check", Error: hostile + "\nmore"}}) },
		"who did it":           func(c *Console) { c.History([]release.Entry{{By: hostile + "\n"}}) },
		"a hint about the app": func(c *Console) { c.Statuses([]deploy.AppStatus{{App: "web", Hint: hostile}}) },
	} {
		t.Run(name, func(t *testing.T) {
			var p page
			c := p.open(Config{})
			show(c)
			c.Close()
			text := p.out.String()
			if !strings.Contains(text, tame) || strings.Count(text, "\n") > 3 {
				t.Errorf("%q does not hold %q in its row", text, tame)
			}
			if rest := strings.Map(printable, text); rest != text {
				t.Errorf("%q has control characters", text)
			}
		})
	}
}

func printable(r rune) rune {
	if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
		return -1
	}
	return r
}
