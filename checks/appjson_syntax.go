package checks

import (
	"encoding/json"
	"errors"
	"strings"
)

// unread takes any JSON and keeps nothing of it.
type unread struct{}

// UnmarshalJSON is never given anything but valid JSON.
func (unread) UnmarshalJSON([]byte) error { return nil }

// refuseSyntax says where the content stops to be JSON, and why.
func (r *appReader) refuseSyntax(content []byte) {
	var wrong *json.SyntaxError
	if !errors.As(json.Unmarshal(content, &unread{}), &wrong) {
		r.refuse(0, "this is not JSON", "")
		return
	}
	at := int(wrong.Offset) - 1 // the offset counts what was read, the wrong character too
	reason := wrong.Error()
	if strings.Contains(reason, "unexpected end") {
		r.refuse(len(strings.TrimRight(r.text, " \t\r\n")), "the file ends in the middle of the JSON: a bracket or a quote is not closed", "")
		return
	}
	if at < 0 || at >= len(r.text) {
		r.refuse(len(r.text), "this is not JSON: "+printable(reason, 100), "")
		return
	}
	for _, s := range slipsOfJSON {
		if s.made(r.text[:at], r.text[at:], reason) {
			from, to, with := s.mend(r.text, at)
			suggestion := ""
			if with != r.text[from:to] {
				suggestion = r.lines.replaced(from, to, with)
			}
			r.refuse(from, s.message, suggestion)
			return
		}
	}
	r.refuse(at, "this is not JSON: "+printable(reason, 100), "")
}

// slipsOfJSON are what people write who know other languages than JSON. Each
// is recognised by the text before and after the place where JSON ends, and by
// the reason that encoding/json gives.
var slipsOfJSON = []struct {
	message string
	made    func(before, after, reason string) bool
	// mend is the part of the text to replace, and by what: by itself where
	// that is not clear.
	mend func(text string, at int) (from, to int, with string)
}{
	{
		"a comma before a closing bracket: JSON has none after the last entry",
		func(before, after, _ string) bool {
			return strings.HasSuffix(strings.TrimSpace(before), ",") && (after[0] == '}' || after[0] == ']')
		},
		func(text string, at int) (int, int, string) {
			comma := strings.LastIndexByte(text[:at], ',')
			return comma, comma + 1, ""
		},
	},
	{
		"JSON has no comments: a check can have a \"description\"",
		func(_, after, reason string) bool {
			return !strings.Contains(reason, "in string") && (after[0] == '/' || after[0] == '#')
		},
		asItIs,
	},
	{
		"a comma is missing at the end of the entry",
		func(_, after, reason string) bool {
			return strings.ContainsRune(`"{[`, rune(after[0])) &&
				(strings.Contains(reason, "after object key:value pair") || strings.Contains(reason, "after array element"))
		},
		func(text string, at int) (int, int, string) {
			end := len(strings.TrimRight(text[:at], " \t\r\n"))
			return end, end, ","
		},
	},
	{
		"a line break or a tab in a string: its closing quote is missing, or it is written \\n or \\t",
		func(_, after, reason string) bool {
			return after[0] < ' ' && strings.Contains(reason, "in string literal")
		},
		asItIs,
	},
	{
		"in JSON keys and texts stand in double quotes",
		func(_, after, reason string) bool {
			return after[0] == '\'' || strings.HasPrefix(after, "“") || strings.HasPrefix(after, "”") || strings.Contains(reason, "object key string")
		},
		asItIs,
	},
	{
		"text after the end of the JSON",
		func(_, _, reason string) bool { return strings.Contains(reason, "after top-level value") },
		asItIs,
	},
	{
		"brackets within brackets more than 10,000 deep",
		func(_, _, reason string) bool { return strings.Contains(reason, "max depth") },
		asItIs,
	},
}

func asItIs(_ string, at int) (from, to int, with string) { return at, at, "" }
