package hook

import (
	"regexp"
	"strings"
	"unicode"
)

// What is kept of an output.
const (
	tailLines = 10
	tailBytes = 4 << 10
)

// tail keeps the end of an output: at most tailBytes, however long the lines.
type tail struct {
	kept []byte
	cut  bool // more was written than kept
}

func (t *tail) add(data []byte) {
	t.kept = append(t.kept, data...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
}

// lines are the last ones, safe for a terminal; of a line that was cut the end.
func (t *tail) lines() []string {
	text := strings.TrimRight(string(t.kept), "\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	switch over := len(lines) - tailLines; {
	case over > 0:
		lines = lines[over:]
	case t.cut:
		lines[0] = "…" + lines[0]
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// styling are a terminal's control sequences; programs colour what they write.
var styling = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)

// printable is the line as a terminal would leave it: what a carriage return
// overwrites is gone, and so is what is not graphic.
func printable(line string) string {
	line = strings.TrimRight(line, "\r")
	line = line[strings.LastIndex(line, "\r")+1:]
	line = styling.ReplaceAllString(line, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsGraphic(r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(line, "�"))
}
