package console

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"zdd/deploy"
)

func TestConsole_inAPipeWritesALineAStep(t *testing.T) {
	var p page
	c := p.open(Config{})
	wholeDeploy(c)
	c.Close()
	golden(t, "deploy.stderr", p.err.String())
	golden(t, "deploy.stdout", p.out.String())
}

func TestConsole_saysWhatHappenedWhatServesAndWhatToDo(t *testing.T) {
	var p page
	c := p.open(Config{})
	failedDeploy(c)
	c.Close()
	golden(t, "failure.stderr", p.err.String())
	equal(t, "stdout", "", p.out.String())
}

// TestConsole_fitsAFailureOnTheScreen counts the rows that a terminal needs.
func TestConsole_fitsAFailureOnTheScreen(t *testing.T) {
	failure := unfit()
	failure.Logs = nil
	for i := range 20 {
		failure.Logs = append(failure.Logs, fmt.Sprintf("line %d %s", i, strings.Repeat("x", 30*i)))
	}
	for _, lines := range []int{1, 10, 18} {
		failure.Err = errors.New(strings.Repeat(strings.Repeat("e", 75)+"\n", lines-1) + "end")
		var p page
		c := p.open(Config{Width: 80, Height: 24})
		c.Failure("deploy", failure)
		c.Close()
		rows := 0
		for line := range strings.Lines(p.err.String()) {
			rows += (utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))-1)/80 + 1
		}
		if rows > 23 || rows < 20 && lines < 18 { // the prompt needs one
			t.Errorf("%d rows for an error of %d lines:\n%s", rows, lines, p.err.String())
		}
		if !strings.Contains(p.err.String(), "    line 19 xxx") {
			t.Errorf("the last log line is missing:\n%s", p.err.String())
		}
	}
}

func TestConsole_leavesOutWhatAFailureDoesNotKnow(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.Failure("", &deploy.Error{Exit: deploy.ExitInternal, Err: errors.New("no space left")})
	c.Close()
	equal(t, "stderr", "zdd: no space left\n", p.err.String())
	equal(t, "stdout", "", p.out.String())
}

// TestConsole_tellsThatACommandAboutNoAppIsDone holds both forms.
func TestConsole_tellsThatACommandAboutNoAppIsDone(t *testing.T) {
	var person, machine page
	c := person.open(Config{})
	c.Done("setup", "nginx is set up")
	c.Close()
	equal(t, "stdout", "nginx is set up\n", person.out.String())
	c = machine.open(Config{JSON: true})
	c.Done("setup", "nginx is set up")
	c.Close()
	for _, want := range []string{`"step":"setup"`, `"status":"done"`, `"detail":"nginx is set up"`, `"exit":0`} {
		if !strings.Contains(machine.out.String(), want) {
			t.Errorf("stdout = %q, want %s in it", machine.out.String(), want)
		}
	}
}

// TestConsole_tellsTheOutcomeOfEachCommand is about stdout, which scripts may
// read without --json too.
func TestConsole_tellsTheOutcomeOfEachCommand(t *testing.T) {
	for _, tt := range []struct {
		step    deploy.Step
		status  deploy.Status
		outcome deploy.Outcome
		want    string
	}{
		{"rollback", deploy.Done, deploy.Outcome{Serving: 11, Slot: "blue", Image: "a:1", LiveSeconds: 0.5, Drained: true},
			"web: release 11 is live in blue (a:1), switched after 0.50 s, done after 2.00 s"},
		{"recover", deploy.Done, deploy.Outcome{Serving: 11, Slot: "blue"}, "web: in order, release 11 is live in blue\n"},
		{"recover", deploy.Done, deploy.Outcome{}, "web: in order, no release is live\n"},
		{"remove", deploy.Done, deploy.Outcome{}, "web: removed\n"},
		{"deploy", deploy.Failed, deploy.Outcome{Serving: 11}, ""}, // Failure tells it
	} {
		t.Run(string(tt.step)+" "+string(tt.status), func(t *testing.T) {
			var p page
			c := p.open(Config{})
			event := step(tt.step, tt.status, "", 2)
			event.Outcome = &tt.outcome
			c.Event(event)
			c.Close()
			got := p.out.String()
			if !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") || strings.Count(got, "\n") > 1 {
				t.Errorf("stdout = %q, want %q", got, tt.want)
			}
			equal(t, "stderr", "", p.err.String())
		})
	}
}

// hostile is text as an app or a registry may send it.
const hostile = "a\x1b[2J\x1b]0;title\x07b\rc\x00d\x7fe\u009b31mf\tg\x08"

// tame is what is left of hostile: nothing that a terminal would obey.
const tame = "a[2J]0;titlebcde31mf g"

func TestConsole_stripsControlCharacters(t *testing.T) {
	image := step("deploy", deploy.Done, "", 1)
	image.Outcome = &deploy.Outcome{Serving: 1, Slot: "blue", Image: hostile, Drained: true}
	for _, tt := range []struct {
		name string
		show func(*Console)
	}{
		{"the detail of a step", func(c *Console) { c.Event(step(deploy.StepCheck, deploy.Failed, hostile, 1)) }},
		{"a warning of a step", func(c *Console) { c.Event(step(deploy.StepCheck, deploy.Warning, hostile, 1)) }},
		{"a warning", func(c *Console) { c.Warn(hostile) }},
		{"an image", func(c *Console) { c.Event(image) }},
		{"an error", func(c *Console) { c.Failure("deploy", &deploy.Error{Err: errors.New(hostile)}) }},
		{"a log", func(c *Console) { c.Failure("deploy", &deploy.Error{Err: errors.New("x"), Logs: []string{hostile}}) }},
		{"a hint", func(c *Console) { c.Failure("deploy", &deploy.Error{Err: errors.New("x"), Hint: hostile}) }},
		{"what serves", func(c *Console) { c.Failure("deploy", &deploy.Error{Err: errors.New("x"), Serving: hostile}) }},
		{"the output of a release command", func(c *Console) { fmt.Fprintln(c.Output(), hostile) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p page
			c := p.open(Config{})
			tt.show(c)
			c.Close()
			if text := p.out.String() + p.err.String(); !strings.Contains(text, tame) {
				t.Errorf("%q does not hold %q", text, tame)
			}
		})
	}
}

func TestConsole_keepsTheLinesOfAnError(t *testing.T) {
	var p page
	c := p.open(Config{})
	c.Failure("deploy", &deploy.Error{Err: errors.New("one\ntwo\nthree\n"), Hint: "four\nfive"})
	c.Close()
	equal(t, "stderr", "zdd: one\n    two\n    three\nhint: four\n    five\n", p.err.String())
}

// TestConsole_paintsForATerminalAlone covers NO_COLOR too: main sets Color for
// a terminal whose user has not set it.
func TestConsole_paintsForATerminalAlone(t *testing.T) {
	for _, live := range []bool{false, true} {
		var p page
		c := p.open(Config{Live: live})
		failedDeploy(c)
		c.Warn("careful")
		c.Close()
		if text := p.err.String() + p.out.String(); strings.Contains(strings.ReplaceAll(text, "\x1b[K", ""), "\x1b") {
			t.Errorf("with Live %v and without Color it writes %q", live, text)
		}
	}
	var p page
	c := p.open(Config{Color: true})
	wholeDeploy(c)
	failedDeploy(c)
	c.Warn("careful")
	c.Close()
	golden(t, "color.stderr", p.err.String())
	if text := p.out.String(); strings.Contains(text, "\x1b") {
		t.Errorf("stdout may be a file, and gets %q", text)
	}
}

func TestOutput_goesToStderrAsItIs(t *testing.T) {
	for _, json := range []bool{false, true} {
		var p page
		c := p.open(Config{JSON: json})
		n, err := fmt.Fprint(c.Output(), "Step 1/2\nStep ")
		if n != len("Step 1/2\nStep ") || err != nil {
			t.Errorf("wrote %d bytes (%v)", n, err)
		}
		fmt.Fprint(c.Output(), "2/2\n")
		c.Close()
		equal(t, "stderr", "Step 1/2\nStep 2/2\n", p.err.String())
		equal(t, "stdout", "", p.out.String())
	}
}

// TestConsole_isSafeForConcurrentUse is for the race detector, and wants no
// line to be torn.
func TestConsole_isSafeForConcurrentUse(t *testing.T) {
	for _, config := range []Config{{}, {JSON: true}, {Live: true, Color: true}} {
		var p page
		c := p.open(config)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					c.Event(step(deploy.StepCheck, deploy.Started, "", 0))
					c.Progress(deploy.StepCheck, "attempt")
					c.Event(step(deploy.StepCheck, deploy.Done, "passed", 0))
					c.Warn("careful")
					fmt.Fprintln(c.Output(), "built")
				}
			})
		}
		all.Wait()
		c.Close()
		text := strings.ReplaceAll(p.err.String(), "\x1b[33m", "")
		if got := strings.Count(strings.ReplaceAll(text, "\x1b[0m", ""), "zdd: warning: careful\n"); got != 200 {
			t.Errorf("%+v: %d warnings, want 200", config, got)
		}
		if got := strings.Count(p.err.String(), "built\n"); got != 200 {
			t.Errorf("%+v: %d lines of output, want 200", config, got)
		}
	}
}
