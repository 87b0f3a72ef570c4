package console

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"zdd/deploy"
)

// Failure shows why a command failed: what happened, what serves now, and what
// to do next. In JSON it adds the command's last event, if there was none yet.
func (c *Console) Failure(command string, failure *deploy.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLine()
	if c.config.JSON && !c.told {
		c.object(refusal{
			Time: time.Now().UTC(), Step: deploy.Step(command), Status: deploy.Failed,
			Error: failure.Error(), Hint: failure.Hint, Exit: failure.Exit,
		})
	}
	c.clear()
	w := c.config.Err
	text := c.narrow(indent(failure.Error()))
	fmt.Fprintf(w, "%s %s\n", c.paint(red, "zdd:"), text)
	if logs := c.fitting(failure.Logs, "zdd: "+text); len(logs) > 0 {
		fmt.Fprintln(w, "last lines of its log:")
		for _, line := range logs {
			fmt.Fprintln(w, "    "+c.oneLine(plain(line)))
		}
	}
	if failure.Serving != "" {
		fmt.Fprintf(w, "%s %s\n", c.paint(bold, "serving:"), plain(failure.Serving))
	}
	if failure.Hint != "" {
		fmt.Fprintf(w, "%s %s\n", c.paint(bold, "hint:"), indent(failure.Hint))
	}
}

// fitting are the last of the log lines, so many that they fit on the terminal
// with the text above them and four other lines: the log's title, what serves,
// the hint, and the prompt. The last one is shown in any case.
func (c *Console) fitting(logs []string, above string) []string {
	if c.config.Height == 0 || len(logs) == 0 {
		return logs
	}
	rows := 0
	for line := range strings.Lines(above) {
		rows += 1 + max(0, utf8.RuneCountInString(line)-2)/c.config.Width // it wraps
	}
	room := max(1, c.config.Height-rows-4)
	return logs[max(0, len(logs)-room):]
}

// wholeLines are the first lines of a failure, which name it: they may wrap.
const wholeLines = 3

// narrow cuts the further lines of a failure to the terminal's width.
func (c *Console) narrow(text string) string {
	if c.config.Height == 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines[min(len(lines), wholeLines):] {
		lines[wholeLines+i] = cut(lines[wholeLines+i], c.config.Width)
	}
	return strings.Join(lines, "\n")
}

// oneLine keeps a log line from becoming several on a terminal.
func (c *Console) oneLine(text string) string {
	if c.config.Height == 0 {
		return text
	}
	return cut(text, c.config.Width-5)
}

// refusal is the last event of a command that was refused before it looked at
// an app: it cannot say what serves.
type refusal struct {
	Time   time.Time     `json:"time"`
	Step   deploy.Step   `json:"step"`
	Status deploy.Status `json:"status"`
	Error  string        `json:"error"`
	Hint   string        `json:"hint"`
	Exit   deploy.Exit   `json:"exit"`
}
