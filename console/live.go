package console

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// refresh is how often the line of the step at work is drawn anew.
const refresh = 100 * time.Millisecond

// SGR codes, see console_codes(4).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c *Console) paint(code, text string) string {
	if !c.config.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// animate keeps the elapsed time of the step at work moving.
func (c *Console) animate() {
	defer c.ended.Done()
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			c.mu.Lock()
			c.clear()
			c.mu.Unlock()
			return
		case <-tick.C:
			c.mu.Lock()
			c.draw()
			c.mu.Unlock()
		}
	}
}

// draw rewrites the line of the step at work.
func (c *Console) draw() {
	if !c.config.Live || c.config.JSON || c.step == "" {
		return
	}
	text := fmt.Sprintf("  %-*s %s", stepWidth, c.step, seconds(time.Since(c.since).Seconds()))
	if c.note != "" {
		text += "  " + plain(c.note)
	}
	c.clear()
	fmt.Fprint(c.config.Err, cut(text, c.config.Width-1))
}

// clear empties the line that draw wrote.
func (c *Console) clear() {
	if c.config.Live && !c.config.JSON {
		fmt.Fprint(c.config.Err, "\r\x1b[K")
	}
}

// cut shortens text to width columns, so that it never wraps: a wrapped line
// cannot be rewritten.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}
