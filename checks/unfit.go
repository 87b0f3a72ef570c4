package checks

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// What of a failure is shown, so that it fits a screen.
const (
	shownResults = 4
	shownLines   = 5
	shownColumns = 100
)

// Unfit is the error of a report that did not pass. It wraps Report.Cause.
type Unfit struct{ Report Report }

// Error tells the first failure whole and names the next ones, in at most a
// screenful of lines that are safe for a terminal.
func (e *Unfit) Error() string {
	var b strings.Builder
	if e.Report.Cause != nil {
		fmt.Fprintf(&b, "checks ended: %s", e.Report.Cause)
	}
	failed := e.told()
	for i, r := range failed {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		switch {
		case i == 0:
			e.tell(&b, r)
		case i < shownResults:
			b.WriteString(e.headline(r))
		default:
			fmt.Fprintf(&b, "and %d more", len(failed)-i)
			return b.String()
		}
	}
	return b.String()
}

// Headline is the first failure in one line.
func (e *Unfit) Headline() string {
	if e.Report.Cause != nil {
		return fmt.Sprintf("checks ended: %s", e.Report.Cause)
	}
	return e.headline(e.told()[0])
}

// Unwrap returns what ended the run, or nil.
func (e *Unfit) Unwrap() error { return e.Report.Cause }

// told are the failures in the order of interest: those that were tried first.
func (e *Unfit) told() []Result {
	var tried, untried []Result
	for _, r := range e.Report.Failed() {
		if r.Attempts > 0 {
			tried = append(tried, r)
		} else {
			untried = append(untried, r)
		}
	}
	return append(tried, untried...)
}

func (e *Unfit) headline(r Result) string {
	return fmt.Sprintf("%s did not pass %s (%s) in %s: %s", r.Target, quote(r.Check.Raw), r.Check.Where(e.Report.Source), seconds(r.Elapsed), r.Summary())
}

// Summary is the tries in words: `3 × connection refused, 2 × 503`.
func (r Result) Summary() string {
	if len(r.Tallies) == 0 {
		if r.OK {
			return "passed at once"
		}
		return "not tried"
	}
	parts := make([]string, len(r.Tallies), len(r.Tallies)+1)
	for i, t := range r.Tallies {
		parts[i] = fmt.Sprintf("%d × %s", t.Count, t.What)
	}
	if r.Passes > 0 && !r.OK {
		parts = append(parts, fmt.Sprintf("and %d × passed in between", r.Passes))
	}
	return strings.Join(parts, ", ")
}

// tell writes all that is known about one failure.
func (e *Unfit) tell(b *strings.Builder, r Result) {
	fmt.Fprintf(b, "%s: %s", r.Check.Where(e.Report.Source), printable(r.Check.Raw, shownColumns))
	name := r.Target
	if r.Address != "" && r.Address != name {
		name += " (" + r.Address + ")"
	}
	fmt.Fprintf(b, "\n  %s did not pass in %s: %s", name, seconds(r.Elapsed), r.Summary())
	if r.Detail != "" {
		fmt.Fprintf(b, "\n  %s", r.Detail)
	}
	if len(r.Output) > 0 {
		fmt.Fprint(b, "\n  its output ends with:")
		ending(b, r.Output)
	}
	if r.Answer != nil {
		fmt.Fprintf(b, "\n  last answer: %d %s", r.Answer.Status, http.StatusText(r.Answer.Status))
		for _, header := range headersWorthSeeing {
			if value := r.Answer.Header.Get(header); value != "" {
				fmt.Fprintf(b, "\n    %s: %s", header, printable(value, shownColumns))
			}
		}
		excerpt(b, r.Answer.body)
	}
	if r.Missing != "" {
		fmt.Fprintf(b, "\n  expected, and not found: %s", r.Missing)
	}
	if r.Near != "" {
		fmt.Fprintf(b, "\n  but there is %s", r.Near)
	}
}

// excerpt writes the first lines of the body that hold something.
func excerpt(b *strings.Builder, body []byte) {
	shown := 0
	for _, line := range textLines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if shown == shownLines {
			b.WriteString("\n    | …")
			return
		}
		fmt.Fprintf(b, "\n    | %s", printable(string(line), shownColumns))
		shown++
	}
	if shown == 0 {
		b.WriteString("\n    the body is empty")
	}
}

// ending writes the last lines of an output.
func ending(b *strings.Builder, output []byte) {
	var last []string
	for _, line := range textLines(output) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			last = append(last, string(line))
		}
	}
	for _, line := range last[max(0, len(last)-shownLines):] {
		fmt.Fprintf(b, "\n    | %s", printable(line, shownColumns))
	}
}

// nearest names what in the body comes close to the text, or returns nothing.
func nearest(body []byte, text string) string {
	page := string(body)
	if bare := unquoted(text); bare != text && strings.Contains(page, bare) {
		return "the text without its quotes"
	}
	if strings.Contains(page, html.EscapeString(text)) || strings.Contains(html.UnescapeString(page), text) {
		return "the text with characters escaped as in HTML"
	}
	squeezed, wanted := strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(text), " ")
	if strings.Contains(squeezed, wanted) {
		return "the text with other white space"
	}
	for i := range len(squeezed) - len(wanted) + 1 {
		if here := squeezed[i : i+len(wanted)]; strings.EqualFold(here, wanted) {
			return quote(here)
		}
	}
	return ""
}
