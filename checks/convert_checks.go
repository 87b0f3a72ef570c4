package checks

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kballard/go-shellquote"
)

// ToCHECKS writes the file's checks in the format of 2014, with lines that only
// zdd understands where they are needed. The most common pace becomes the
// file's settings. What cannot be written is in the notes, with the line of the
// file: what a line cannot hold is left out, and so is a check whose question
// it cannot hold.
func ToCHECKS(file File) (content []byte, notes []Problem) {
	w := &checksWriter{pace: commonPace(file)}
	for _, unused := range file.Unused {
		w.note(Check{Line: unused.Line}, fmt.Sprintf("a CHECKS file has no checks of type %s: the check is left out", unused.Type))
	}
	w.settings()
	for _, c := range file.Checks {
		if c.Line == 0 {
			w.note(c, "the file contains no check, and neither does the CHECKS file")
			continue
		}
		w.check(c, file.pace(c))
	}
	slices.SortStableFunc(w.notes, byLine)
	return w.text.Bytes(), w.notes
}

// checksWriter writes one CHECKS file.
type checksWriter struct {
	notebook
	text bytes.Buffer
	pace Pace // the file's; its delay is nobody's
}

// commonPace is the pace that most checks have, the first such: it has the
// fewest lines of its own, and old readers know no other.
func commonPace(file File) Pace {
	counts := map[Pace]int{}
	best := Pace{Wait: DefaultWait, Timeout: DefaultTimeout, Attempts: DefaultAttempts}
	for _, c := range file.Checks {
		if c.Line > 0 {
			counts[withoutDelay(file.pace(c))]++
		}
	}
	most := 0
	for _, c := range file.Checks {
		if pace := withoutDelay(file.pace(c)); counts[pace] > most {
			best, most = pace, counts[pace]
		}
	}
	return best
}

func withoutDelay(p Pace) Pace {
	p.Delay = 0
	return p
}

// settings writes the pace, as far as it is not the default.
func (w *checksWriter) settings() {
	if w.pace.Wait != DefaultWait {
		fmt.Fprintf(&w.text, "WAIT=%d\n", wholeUp(w.pace.Wait))
	}
	if w.pace.Timeout != DefaultTimeout {
		fmt.Fprintf(&w.text, "TIMEOUT=%d\n", wholeUp(w.pace.Timeout))
	}
	if w.pace.Attempts != DefaultAttempts {
		fmt.Fprintf(&w.text, "ATTEMPTS=%d\n", w.pace.Attempts)
	}
}

func (w *checksWriter) check(c Check, pace Pace) {
	c = w.plainContent(c)
	asked := c.askedLines()
	if reason := unfitForLine(asked[0]); reason != "" {
		w.note(c, fmt.Sprintf("what it asks %s, which no line of a CHECKS file can: the check is left out", reason))
		return
	}
	if c.Kind == KindHTTP && !c.hostInURL() && strings.HasPrefix(c.Path, "//") {
		w.note(c, "the path begins with two slashes, which stand before a host in a CHECKS file: the check is left out")
		return
	}
	if w.text.Len() > 0 {
		w.text.WriteByte('\n')
	}
	for line := range strings.Lines(c.Description) {
		w.describe(c, strings.TrimSpace(line))
	}
	w.text.WriteString(asked[0] + "\n")
	for _, option := range append(asked[1:], w.ownLines(c, pace)...) {
		w.option(c, option)
	}
}

func (w *checksWriter) describe(c Check, line string) {
	if reason := unfitForLine(line); reason != "" {
		w.note(c, fmt.Sprintf("the description %s: it is left out", reason))
		return
	}
	w.text.WriteString(strings.TrimSpace("# "+line) + "\n")
}

// option writes a line about the check above it.
func (w *checksWriter) option(c Check, line string) {
	name, value, _ := strings.Cut(strings.TrimPrefix(line, additionMark+" "), " ")
	inner := value
	if name == "header" {
		_, inner, _ = strings.Cut(value, ": ")
	}
	for _, part := range []string{line, value, inner} {
		if reason := unfitForLine(part); reason != "" {
			w.note(c, fmt.Sprintf("its %s %s, which no line of a CHECKS file can: it is left out", name, reason))
			return
		}
	}
	w.text.WriteString(line + "\n")
}

// plainContent is the check with a content that fits on its line, or else a
// pattern in its place that matches nothing but the content.
func (w *checksWriter) plainContent(c Check) Check {
	reason := cmp.Or(unfitForLine(c.Content), unfitForLine(c.askedLines()[0]))
	if c.Content == "" || reason == "" {
		return c
	}
	without := c
	without.Content = ""
	switch {
	case unfitForLine(without.askedLines()[0]) != "": // then the content is not what is wrong
	case c.Match != "":
		w.note(c, fmt.Sprintf("its content %s, which no line of a CHECKS file can: it is left out", reason))
	default:
		w.note(c, fmt.Sprintf("its content %s, which no line of a CHECKS file can: it becomes a match", reason))
		without.Match = literalPattern(c.Content)
	}
	return without
}

// literalPattern is a regular expression of graphic characters and inner blanks
// that matches the text and no other.
func literalPattern(text string) string {
	var b strings.Builder
	for i, r := range text {
		atEnd := i == 0 || i+utf8.RuneLen(r) == len(text)
		if r != ' ' && !unicode.IsGraphic(r) || unicode.IsSpace(r) && (r != ' ' || atEnd) {
			fmt.Fprintf(&b, `\x{%x}`, r)
			continue
		}
		b.WriteString(regexp.QuoteMeta(string(r)))
	}
	return b.String()
}

// unfitForLine is why the text cannot stand in a line of a CHECKS file, or empty.
func unfitForLine(text string) string {
	_, after, opened := strings.Cut(text, "{{")
	switch {
	case strings.ContainsAny(text, "\r\n"):
		return "contains a line break"
	case strings.TrimSpace(text) != text:
		return "begins or ends with white space"
	case strings.IndexByte(text, 0) >= 0:
		return "contains a NUL character"
	case !utf8.ValidString(text):
		return "contains what is not valid UTF-8"
	case opened && strings.Contains(after, "}}"):
		return "contains {{ … }}"
	case len(text) > MaxLine:
		return "is longer than 1 MB"
	}
	return ""
}

// ownLines are the lines about the check that say nothing of its question.
func (w *checksWriter) ownLines(c Check, pace Pace) []string {
	var l optionLines
	if c.Name != c.madeName() {
		l.add("name", c.Name)
	}
	l.addSeconds("delay", pace.Delay, 0)
	l.addSeconds("wait", pace.Wait, w.pace.Wait)
	l.addSeconds("timeout", pace.Timeout, w.pace.Timeout)
	if pace.Attempts != w.pace.Attempts {
		l.add("attempts", strconv.Itoa(pace.Attempts))
	}
	if c.OnFailure.Command != nil {
		l.add("on-failure-command", shellquote.Join(c.OnFailure.Command...))
	}
	l.add("on-failure-url", c.OnFailure.URL)
	return l
}

// optionLines are lines that say more about a check.
type optionLines []string

// add adds a line unless it would say nothing.
func (l *optionLines) add(name, value string) {
	if value != "" {
		*l = append(*l, additionMark+" "+name+" "+value)
	}
}

func (l *optionLines) addSeconds(name string, d, usual time.Duration) {
	if d != usual {
		l.add(name, strconv.Itoa(wholeUp(d)))
	}
}
