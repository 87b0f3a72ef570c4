package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"zdd/deploy"
)

// Config says where a Console writes and for whom.
type Config struct {
	Out io.Writer // results; the JSON objects
	Err io.Writer // progress and problems
	// JSON writes one object a line to Out in place of everything that would be
	// written there for a person.
	JSON bool
	// Live rewrites the line of the step at work. Set it when Err is a terminal.
	Live bool
	// Color is for a terminal whose user has not set NO_COLOR.
	Color bool
	// Width is the terminal's, in columns; DefaultWidth where it is 0.
	Width int
	// Height is the terminal's, in lines: a failure shows so much of a log that
	// all of it fits. 0 is no limit, as in a pipe.
	Height int
}

// DefaultWidth is what a terminal that does not tell its width is taken to have.
const DefaultWidth = 80

// Console shows events, results and failures. What a command shows while it is
// at work may come from several goroutines; tables come after it.
type Console struct {
	config Config

	mu    sync.Mutex
	step  deploy.Step // at work, "" between steps
	since time.Time
	note  string // what the step waits for
	told  bool   // the command's last event was shown
	half  []byte // what a build or a release command has printed of its line
	stop  chan struct{}
	ended sync.WaitGroup
}

// New returns a Console; Close must be called when the command is over.
func New(config Config) *Console {
	if config.Width == 0 {
		config.Width = DefaultWidth
	}
	c := &Console{config: config, stop: make(chan struct{})}
	if config.Live && !config.JSON {
		c.ended.Add(1)
		go c.animate()
	}
	return c
}

// Close clears the line of the step at work, and ends that of the output.
func (c *Console) Close() {
	close(c.stop)
	c.ended.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLine()
}

// Event shows one event.
func (c *Console) Event(event deploy.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLine()
	if event.Outcome != nil {
		c.told = true
	}
	if c.config.JSON {
		c.object(event)
		return
	}
	c.clear()
	switch {
	case event.Outcome != nil:
		c.step = ""
		c.result(event)
	case event.Status == deploy.Started:
		c.step, c.since, c.note = event.Step, time.Now(), ""
		c.draw()
	case event.Status == deploy.Warning:
		c.line(c.paint(yellow, "!"), event)
		c.draw()
	case event.Status == deploy.Failed:
		c.step = ""
		c.line(c.paint(red, "✗"), event)
	default:
		c.step = ""
		if event.Detail != "" {
			c.line(c.paint(green, "✓"), event)
		}
	}
}

// Progress shows what the step at work waits for, on a terminal alone.
func (c *Console) Progress(_ deploy.Step, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note = text
	c.draw()
}

// Output is where the output of builds and release commands goes. It is shown
// in whole lines, which is all that can stand above the line of the step at
// work.
func (c *Console) Output() io.Writer { return output{c} }

type output struct{ *Console }

func (o output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.half = append(o.half, text...)
	for {
		line, rest, whole := bytes.Cut(o.half, []byte("\n"))
		if !whole && len(line) < maxOutputLine {
			return len(text), nil
		}
		o.half = line
		o.endLine()
		o.half = bytes.Clone(rest)
	}
}

// maxOutputLine is how many bytes of output without an end are a line: a
// program that never ends one must not fill the memory.
const maxOutputLine = 64 << 10

// endLine shows what is there of a line of output.
func (c *Console) endLine() {
	if len(c.half) == 0 {
		return
	}
	c.clear()
	fmt.Fprintln(c.config.Err, plain(string(c.half)))
	c.half = nil
}

// Done shows that a command which is about no app has done its work.
func (c *Console) Done(command, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config.JSON {
		c.object(map[string]any{"time": time.Now().UTC(), "step": command, "status": deploy.Done, "detail": text, "exit": deploy.ExitDone})
		return
	}
	fmt.Fprintln(c.config.Out, text)
}

// Version shows which zdd this is.
func (c *Console) Version(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config.JSON {
		c.object(map[string]string{"version": version})
		return
	}
	fmt.Fprintln(c.config.Out, "zdd", version)
}

// Warn shows something that stops nothing.
func (c *Console) Warn(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	fmt.Fprintln(c.config.Err, c.paint(yellow, "zdd: warning: ")+plain(text))
	c.draw()
}

// result shows the last event of a command that succeeded; what failed is
// Failure's.
func (c *Console) result(event deploy.Event) {
	if event.Status != deploy.Done {
		return
	}
	switch event.Step {
	case "deploy", "rollback":
		fmt.Fprintf(c.config.Out, "%s: release %d is live in %s (%s), switched after %s, done after %s\n",
			event.App, event.Serving, event.Slot, plain(event.Image), seconds(event.LiveSeconds), seconds(event.Seconds))
	case "remove":
		fmt.Fprintf(c.config.Out, "%s: removed\n", event.App)
	case "recover":
		fmt.Fprintf(c.config.Out, "%s: in order, %s\n", event.App, serving(event.Outcome))
	}
}

func serving(outcome *deploy.Outcome) string {
	if outcome.Serving == 0 {
		return "no release is live"
	}
	return fmt.Sprintf("release %d is live in %s", outcome.Serving, outcome.Slot)
}

func (c *Console) object(value any) {
	text, err := json.Marshal(value)
	if err != nil { // no value of ours can do this
		text = fmt.Appendf(nil, `{"error":%q}`, err)
	}
	fmt.Fprintf(c.config.Out, "%s\n", text)
}

// stepWidth is the length of the longest step's name.
const stepWidth = len(deploy.StepReleaseCommand)

func (c *Console) line(mark string, event deploy.Event) {
	took := ""
	if event.Seconds > 0 {
		took = c.paint(dim, " ("+seconds(event.Seconds)+")")
	}
	fmt.Fprintf(c.config.Err, "%s %-*s %s%s\n", mark, stepWidth, event.Step, indent(event.Detail), took)
}

// seconds is a duration as people like to read it.
func seconds(s float64) string {
	return fmt.Sprintf("%.2f s", s)
}

// indent puts the further lines of a text below its first one.
func indent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n    ")
}

// plain is text without what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, text)
}
