package console

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"zdd/deploy"
)

// TestMain has times shown in UTC, on whatever machine.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// at is when everything in these tests happens.
var at = time.Date(2026, 11, 23, 15, 4, 5, 678e6, time.UTC)

// A page is what a Console has written. It has no lock of its own, so that the
// race detector sees where the Console's is missing.
type page struct{ out, err bytes.Buffer }

// open returns a Console that writes on the page.
func (p *page) open(config Config) *Console {
	config.Out, config.Err = &p.out, &p.err
	return New(config)
}

// onScreen is what a terminal shows while c, whose page this is, may be drawing.
func (p *page) onScreen(t *testing.T, c *Console) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return screen(t, p.err.String())
}

// golden compares text with a file of testdata. With ZDD_UPDATE=1 in the
// environment it writes the file; read it before you trust it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("ZDD_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func equal(t *testing.T, what, want, got string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A screen is what a terminal shows after text: it obeys line feed, carriage
// return and "clear to the end of the line", and nothing else.
func screen(t *testing.T, text string) string {
	t.Helper()
	lines, column := []string{""}, 0
	for text != "" {
		last := &lines[len(lines)-1]
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			*last = string([]rune(*last)[:min(column, len([]rune(*last)))])
			text = text[len("\x1b[K"):]
			continue
		case text[0] == '\r':
			column = 0
		case text[0] == '\n':
			lines, column = append(lines, ""), 0
		case text[0] < ' ':
			t.Fatalf("the terminal gets %q", text[:min(len(text), 10)])
		default:
			r := []rune(text)[0]
			line := []rune(*last)
			line = append(line[:min(column, len(line))], append([]rune{r}, line[min(column+1, len(line)):]...)...)
			*last, column = string(line), column+1
			text = text[len(string(r)):]
			continue
		}
		text = text[1:]
	}
	return strings.Join(lines, "\n")
}

// step is an event of app web.
func step(name deploy.Step, status deploy.Status, detail string, seconds float64) deploy.Event {
	return deploy.Event{Time: at, App: "web", Release: 12, Step: name, Status: status, Detail: detail, Seconds: seconds}
}

// deployed is the last event of a deploy that went well.
func deployed() deploy.Event {
	event := step("deploy", deploy.Done, "", 3.456)
	event.Outcome = &deploy.Outcome{Serving: 12, Slot: "green", Image: "acme/web:1.4.2", LiveSeconds: 1.234, Drained: true}
	return event
}

// wholeDeploy shows every kind of event of a deploy that goes well.
func wholeDeploy(c *Console) {
	for _, event := range []deploy.Event{
		step(deploy.StepLock, deploy.Started, "", 0),
		step(deploy.StepLock, deploy.Warning, "waiting for zdd deploy web a:1 (pid 7, ada@build) since 15:04:00", 0),
		step(deploy.StepLock, deploy.Done, "", 0.25),
		step(deploy.StepResolve, deploy.Started, "", 0),
		step(deploy.StepResolve, deploy.Done, "release 12 is sha256:0123456789ab, port 5000", 0.0123),
		step(deploy.StepReleaseCommand, deploy.Started, "", 0),
		step(deploy.StepReleaseCommand, deploy.Done, "migrate up", 1),
		step(deploy.StepCheck, deploy.Started, "", 0),
		step(deploy.StepCheck, deploy.Done, "2 checks (CHECKS) passed", 0.5),
		step(deploy.StepDrain, deploy.Started, "", 0),
		step(deploy.StepDrain, deploy.Warning, "1 connection to release 11 still open after 30s: [10.0.0.1:1]", 0),
		deployed(),
	} {
		c.Event(event)
	}
}

// unfit is a failure with all that can be said of one.
func unfit() *deploy.Error {
	return &deploy.Error{
		Exit: deploy.ExitUnfit, Step: deploy.StepCheck,
		Err:     errors.New("release 13 is not fit:\nGET /healthz: 500\nGET /: 500"),
		Serving: "release 12 (acme/web:1.4.2), as before",
		Hint:    "mend the release and deploy it again",
		Logs:    []string{"v13: reading settings", "\x1b[31mv13: no database\x1b[0m\r"},
	}
}

// failedDeploy shows a deploy that fails, as main does.
func failedDeploy(c *Console) {
	c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
	c.Event(step(deploy.StepCheck, deploy.Failed, "GET /healthz: 500", 5.01))
	c.Event(step(deploy.StepUndo, deploy.Started, "", 0))
	c.Event(step(deploy.StepUndo, deploy.Done, "", 0.1))
	failure := unfit()
	last := step("deploy", deploy.Failed, "", 6)
	last.Outcome = &deploy.Outcome{
		Serving: 12, Slot: "green", Image: "acme/web:1.4.2",
		Error: failure.Error(), Hint: failure.Hint, Exit: failure.Exit,
	}
	c.Event(last)
	c.Failure("deploy", failure)
}
