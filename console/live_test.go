package console

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"zdd/deploy"
)

// cleared is what precedes everything that is drawn on a terminal.
const cleared = "\r\x1b[K"

func TestConsole_onATerminalRewritesTheLineOfTheStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p page
		c := p.open(Config{Live: true, Width: 60})

		c.Event(step(deploy.StepStart, deploy.Started, "", 0))
		equal(t, "at the start", "  start           0.00 s", p.onScreen(t, c))
		time.Sleep(250 * time.Millisecond) // of the bubble: nobody waits
		synctest.Wait()
		equal(t, "after a while", "  start           0.20 s", p.onScreen(t, c))
		c.Progress(deploy.StepStart, "1 of\x1b[2J 2 up")
		equal(t, "with progress", "  start           0.25 s  1 of[2J 2 up", p.onScreen(t, c))
		c.Event(step(deploy.StepStart, deploy.Done, "2 containers", 0.25))
		equal(t, "when it is done", "✓ start           2 containers (0.25 s)\n", p.onScreen(t, c))
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "between steps", "✓ start           2 containers (0.25 s)\n", p.onScreen(t, c))
		c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
		equal(t, "the next step", "✓ start           2 containers (0.25 s)\n  check           0.00 s", p.onScreen(t, c))
		c.Close()
		if text := p.err.String(); !strings.HasPrefix(text, cleared) {
			t.Errorf("begins with %.10q, want %q", text, cleared)
		}
		equal(t, "stdout", "", p.out.String())
	})
}

func TestConsole_onATerminalShowsInTheEndWhatAPipeGets(t *testing.T) {
	for name, show := range map[string]func(*Console){"done": wholeDeploy, "failed": failedDeploy} {
		t.Run(name, func(t *testing.T) {
			var live, pipe page
			for p, config := range map[*page]Config{&live: {Live: true}, &pipe: {}} {
				c := p.open(config)
				show(c)
				c.Close()
			}
			equal(t, "stderr", pipe.err.String(), screen(t, live.err.String()))
			equal(t, "stdout", pipe.out.String(), live.out.String())
		})
	}
}

func TestConsole_clearsTheStepsLineForAllElse(t *testing.T) {
	for _, tt := range []struct {
		name string
		show func(*Console)
		want string
	}{
		{"a warning", func(c *Console) { c.Warn("careful") }, "zdd: warning: careful\n  check           0.00 s"},
		{"a warning of the step", func(c *Console) { c.Event(step(deploy.StepCheck, deploy.Warning, "slow", 0)) }, "! check           slow\n  check           0.00 s"},
		{"output", func(c *Console) { fmt.Fprintln(c.Output(), "Step 1/2") }, "Step 1/2\n"},
		{"the end", func(*Console) {}, "  check           0.00 s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p page
				c := p.open(Config{Live: true})
				c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
				tt.show(c)
				equal(t, "screen", tt.want, p.onScreen(t, c))
				c.Close()
				equal(t, "after Close", strings.TrimSuffix(tt.want, "  check           0.00 s"), screen(t, p.err.String()))
			})
		})
	}
}

// TestConsole_keepsHalfALineOfOutput: what a build or a release command writes
// comes in pieces that need not end with a line.
func TestConsole_keepsHalfALineOfOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p page
		c := p.open(Config{Live: true})
		c.Event(step(deploy.StepReleaseCommand, deploy.Started, "", 0))
		fmt.Fprint(c.Output(), "migrating ")
		time.Sleep(time.Second)
		synctest.Wait()
		fmt.Fprint(c.Output(), "12 tables\n")
		c.Close()
		equal(t, "screen", "migrating 12 tables\n", screen(t, p.err.String()))
	})
}

// TestConsole_neverLetsTheLiveLineWrap wants it to be shorter than the
// terminal is wide, whatever it says: a wrapped line cannot be rewritten.
func TestConsole_neverLetsTheLiveLineWrap(t *testing.T) {
	for _, width := range []int{0, 200, 80, 30, 20, 5, 2} {
		var got string
		synctest.Test(t, func(t *testing.T) {
			var p page
			c := p.open(Config{Live: true, Width: width})
			c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
			c.Progress(deploy.StepCheck, strings.Repeat("lang größer ", 40)+"\nnext line")
			got = p.onScreen(t, c)
			c.Close()
		})
		columns := width
		if width == 0 {
			columns = DefaultWidth
		}
		if n := utf8.RuneCountInString(got); n >= columns {
			t.Errorf("width %d: the line has %d columns: %q", columns, n, got)
		}
		if columns >= 20 && (!strings.HasPrefix(got, "  check  ") || !strings.HasSuffix(got, "…")) {
			t.Errorf("width %d: the line is %q, want its beginning and …", columns, got)
		}
	}
}

func TestCut_leavesWhatFits(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 0, ""}, {"abc", 3, "abc"}, {"äöü", 3, "äöü"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"ab", 1, "…"},
	} {
		equal(t, fmt.Sprintf("cut(%q, %d)", tt.text, tt.width), tt.want, cut(tt.text, tt.width))
	}
}
