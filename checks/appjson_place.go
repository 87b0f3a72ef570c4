package checks

import "strings"

// lineBlock is how much of a text is searched to tell the line of an offset.
const lineBlock = 4 << 10

// maxSuggested is the longest line that is suggested as a whole, in bytes: in a
// file without line ends the whole would hide what is to change.
const maxSuggested = 120

// lineTable tells the line of each offset in a text of many MB.
type lineTable struct {
	text string
	ends []int // line ends before each block
}

func newLineTable(text string) lineTable {
	t := lineTable{text: text}
	for from, ends := 0, 0; from <= len(text); from += lineBlock {
		t.ends = append(t.ends, ends)
		ends += t.count(from, min(from+lineBlock, len(text)))
	}
	return t
}

// at is the number of the line that the offset is in, from 1.
func (t lineTable) at(offset int) int {
	offset = min(offset, len(t.text))
	block := offset / lineBlock
	return 1 + t.ends[block] + t.count(block*lineBlock, offset)
}

// count counts line ends as textLines does: CR LF is one.
func (t lineTable) count(from, to int) int {
	part := t.text[from:to]
	pairs := strings.Count(t.text[from:min(to+1, len(t.text))], "\r\n")
	return strings.Count(part, "\n") + strings.Count(part, "\r") - pairs
}

// rewritten is the line of an entry as it should probably read: with this key
// and this value, which is JSON. Of a value in several lines it is the first,
// and it is nothing where the value is long or not known.
func (r *appReader) rewritten(m member, key, value string) string {
	value, _, several := cutLine(value)
	switch {
	case value == "" || len(value) > 10*maxSuggested:
		return ""
	case several:
		return strings.TrimSpace(`"` + key + `": ` + value)
	}
	return r.lines.replaced(m.key.Index, m.value.Index+len(m.value.Raw), `"`+key+`": `+value)
}

// cutLine cuts the text at its first line end.
func cutLine(text string) (line, rest string, found bool) {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

// replaced is the line around a part of the text with another in its place, or
// that alone where the line is long.
func (t lineTable) replaced(from, to int, with string) string {
	start, end := max(0, from-maxSuggested), min(len(t.text), to+maxSuggested)
	before, after := t.text[start:from], t.text[to:end]
	i := strings.LastIndexAny(before, "\r\n")
	if i < 0 && start > 0 {
		return with
	}
	before = before[i+1:]
	after, _, found := cutLine(after)
	if !found && end < len(t.text) {
		return with
	}
	if len(before)+len(with)+len(after) > maxSuggested {
		return with
	}
	return strings.TrimSpace(before + with + after)
}
