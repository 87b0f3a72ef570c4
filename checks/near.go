package checks

import (
	"fmt"
	"html"
	"strings"
	"unicode"
)

const (
	// explained is for how many failures of a target the body is searched for
	// what comes close: that takes some milliseconds.
	explained = 2
	// comparedText is how much of the expected text is compared, in runes.
	comparedText = 60
	// nearContext is what of the line is shown at either side, in runes.
	nearContext = 10
)

// explain adds to the failures what nobody needs while there is hope.
func (p *prober) explain() {
	searched := 0
	for i := range p.results {
		r := &p.results[i]
		switch {
		case r.OK:
		case p.lines != nil && r.onlyRefused():
			r.Detail = fmt.Sprintf("nothing listens on %s: perhaps the app listens on 127.0.0.1, or on another port",
				withPort(r.Address, r.Check.Port))
		case r.text != "" && r.Answer != nil && searched < explained:
			searched++
			r.Near = nearest(r.Answer.body, r.text)
		}
	}
}

// onlyRefused reports whether no try was ever let in.
func (r Result) onlyRefused() bool {
	return r.Passes == 0 && len(r.Tallies) == 1 && r.Tallies[0].What == connectionRefused
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
	if strings.Contains(strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(text), " ")) {
		return "the text with other white space"
	}
	here, wanted := []rune(page), []rune(text)
	wanted = wanted[:min(len(wanted), comparedText)]
	start, end, changes := closest(here, wanted)
	if changes*10 > len(wanted)*4 { // less than 60 % agrees
		return ""
	}
	return onItsLine(here, start, end)
}

// closest is the part of page that takes the fewest changes to become text, be
// it to insert, drop or replace a letter (Sellers' algorithm). Upper and lower
// case are alike.
func closest(page, text []rune) (start, end, changes int) {
	type cell struct{ changes, start int }
	wanted := make([]rune, len(text))
	column := make([]cell, len(text)+1) // what the text up to here takes
	for i, r := range text {
		wanted[i] = unicode.ToLower(r)
		column[i+1] = cell{changes: i + 1}
	}
	changes = len(text)
	for at, r := range page {
		r = unicode.ToLower(r)
		diagonal := column[0]
		column[0] = cell{0, at + 1}
		diagonal.start = at
		for i, w := range wanted {
			best := diagonal
			if w != r {
				best.changes++
			}
			diagonal = column[i+1]
			if diagonal.changes+1 < best.changes {
				best = cell{diagonal.changes + 1, diagonal.start}
			}
			if column[i].changes+1 < best.changes {
				best = cell{column[i].changes + 1, column[i].start}
			}
			column[i+1] = best
		}
		if last := column[len(wanted)]; last.changes < changes {
			start, end, changes = last.start, at+1, last.changes
		}
	}
	return start, end, changes
}

// onItsLine shows the part of the page with a little of the line around it.
func onItsLine(page []rune, start, end int) string {
	from, to := start, end
	for from > 0 && start-from < nearContext && page[from-1] != '\n' {
		from--
	}
	for to < len(page) && to-end < nearContext && page[to] != '\n' {
		to++
	}
	shown := strings.Join(strings.Fields(string(page[from:to])), " ")
	if from > 0 && page[from-1] != '\n' {
		shown = "…" + shown
	}
	if to < len(page) && page[to] != '\n' {
		shown += "…"
	}
	return `"` + printable(shown, comparedText+2*nearContext) + `"`
}
