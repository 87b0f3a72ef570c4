package checks

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// What of a failure is shown, so that it fits a screen.
const (
	shownColumns = 100
	shownFolds   = 2 // lines of one sentence
	shownHeaders = 3
	shownBody    = 4 // lines
	shownOutput  = 8 // lines
)

// screen collects lines, none of which is longer than shownColumns.
type screen struct{ lines []string }

func (s *screen) String() string { return strings.Join(s.lines, "\n") }

// add adds a line, and cuts what is too long.
func (s *screen) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if utf8.RuneCountInString(line) > shownColumns {
		line = string([]rune(line)[:shownColumns-1]) + "…"
	}
	s.lines = append(s.lines, line)
}

// fold adds a sentence, and breaks it between two words where it is too long.
// The text is made safe: it may come from elsewhere.
func (s *screen) fold(text, indent string) {
	runes := []rune(strings.TrimRight(printable(strings.ReplaceAll(text, "\n", " "), 4*shownColumns), " "))
	for range shownFolds - 1 {
		if len(runes) <= shownColumns {
			break
		}
		end := shownColumns
		for end > shownColumns/2 && runes[end] != ' ' {
			end--
		}
		if runes[end] != ' ' { // one long word
			end = shownColumns
		}
		s.add("%s", strings.TrimRight(string(runes[:end]), " "))
		runes = append([]rune(indent), []rune(strings.TrimLeft(string(runes[end:]), " "))...)
	}
	s.add("%s", string(runes))
}

// answer adds what the last answer was.
func (s *screen) answer(a *Answer) {
	s.add("  last answer: %s", strings.TrimSpace(fmt.Sprint(a.Status, " ", http.StatusText(a.Status))))
	shown := 0
	for _, header := range headersWorthSeeing {
		if value := a.Header.Get(header); value != "" && shown < shownHeaders {
			s.add("    %s: %s", header, printable(value, shownColumns))
			shown++
		}
	}
	if a.body != nil {
		s.begin(a.body)
	}
}

// begin adds the first lines of a body that hold something.
func (s *screen) begin(body []byte) {
	lines := filled(body, shownBody+1)
	if len(lines) == 0 {
		s.add("    the body is empty")
		return
	}
	if len(lines) > shownBody {
		lines = append(lines[:shownBody-1], "…")
	}
	for _, line := range lines {
		s.add("    | %s", line)
	}
}

// end adds the last lines of an output.
func (s *screen) end(output []byte) {
	lines := filled(output, maxOutput)
	for _, line := range lines[max(0, len(lines)-shownOutput):] {
		s.add("    | %s", line)
	}
}

// filled are the first lines of the text that are not blank, safe to show.
func filled(text []byte, limit int) []string {
	var lines []string
	for _, line := range textLines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, printable(string(line), shownColumns))
		}
		if len(lines) == limit {
			break
		}
	}
	return slices.Clip(lines)
}
