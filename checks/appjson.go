package checks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// What a check of an app.json gets that does not set wait, timeout or attempts.
const (
	DefaultAppWait     = 5 * time.Second
	DefaultAppTimeout  = 5 * time.Second
	DefaultAppAttempts = 3
)

// healthchecksKey is the part of an app.json that is about checks, and webKey
// the process type in it that zdd runs.
const (
	healthchecksKey = "healthchecks"
	webKey          = "web"
)

// ParseAppJSON reads the healthchecks of an app.json: those of the process type
// web that are of type startup. As Parse it never fails, and the file must not
// be used when one of the problems is an error. Each check has a Pace, which is
// complete; a file without any gets the check of Default.
func ParseAppJSON(name string, content []byte) (File, []Problem) {
	r := &appReader{seen: map[string]int{}}
	r.file = File{Source: name, Wait: DefaultAppWait, Timeout: DefaultAppTimeout, Attempts: DefaultAppAttempts}
	if r.open(content) {
		r.document()
	}
	r.finish()
	return r.file, r.problems
}

// HasHealthchecks reports whether an app.json is about checks at all: most are
// about other things. One with a mistake in its JSON is taken to be about checks
// if it mentions them: ParseAppJSON says where the mistake is.
func HasHealthchecks(content []byte) bool {
	content = bytes.TrimPrefix(content, byteOrderMark)
	if len(content) > MaxSize || !json.Valid(content) {
		return bytes.Contains(content, []byte(healthchecksKey))
	}
	return lastMember(gjson.ParseBytes(content), healthchecksKey).value.Exists()
}

// appReader reads one app.json.
type appReader struct {
	text     string
	lines    lineTable
	file     File
	problems []Problem
	errors   int            // how many of them are errors
	stopped  bool           // too many of something: the rest is not read
	seen     map[string]int // what a check asks → the first line that does
	begun    int            // checks so far, those with a mistake too
	others   int            // keys at the top that are not about checks
	watching member         // type of the first check that decides nothing here
}

// open makes sure that the content is JSON.
func (r *appReader) open(content []byte) bool {
	content = bytes.TrimPrefix(content, byteOrderMark)
	r.lines = newLineTable(string(content[:min(len(content), MaxSize)]))
	r.text = r.lines.text
	switch i := strings.IndexByte(r.text, 0); {
	case len(content) > MaxSize:
		r.refuse(MaxSize, "the file is larger than 10 MB", "")
	case i >= 0:
		r.refuse(i, "a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8", "")
	case !utf8.ValidString(r.text):
		r.refuse(invalidUTF8(r.text), "the line is not valid UTF-8", "")
	case !json.Valid(content):
		r.refuseSyntax(content)
	default:
		return true
	}
	return false
}

func (r *appReader) document() {
	root := gjson.Parse(r.text)
	if !root.IsObject() {
		r.fail(root, "an app.json is an object, which stands in { and }", "")
		return
	}
	m, found := r.members(root, []string{healthchecksKey}, r.otherPart)[healthchecksKey]
	switch {
	case !found:
	case m.value.IsArray():
		r.fail(m.value, `"healthchecks" is an object with an array for each process type, not an array`, r.rewritten(m, healthchecksKey, `{"web": `+m.value.Raw))
	case !m.value.IsObject():
		r.fail(m.value, `"healthchecks" is an object with an array for each process type, not `+shown(m.value), "")
	default:
		r.processes(m.value)
	}
}

// otherPart looks for checks that stand under another name. What else is in an
// app.json is for others.
func (r *appReader) otherPart(m member) {
	if r.others++; r.others > MaxChecks { // nobody wrote that by hand, and comparing takes time
		return
	}
	name := plainKey(m.key.Str)
	switch {
	case name == "checks":
		r.warn(m.key, `"checks" means nothing in an app.json: its checks are "healthchecks"`, r.rewritten(m, healthchecksKey, m.value.Raw))
	case slips(name, healthchecksKey) <= len(healthchecksKey)/4:
		r.warn(m.key, fmt.Sprintf("%s means nothing in an app.json, and was not used", quote(m.key.Str)), r.rewritten(m, healthchecksKey, m.value.Raw))
	}
}

func (r *appReader) processes(object gjson.Result) {
	m, found := r.members(object, []string{webKey}, r.otherProcess)[webKey]
	switch {
	case !found:
	case m.value.IsObject():
		r.fail(m.value, `"web" is an array of checks, not a check: put it into [ and ]`, r.rewritten(m, webKey, "["+m.value.Raw+"]"))
	case !m.value.IsArray():
		r.fail(m.value, `"web" is an array of checks, not `+shown(m.value), "")
	default:
		m.value.ForEach(func(_, value gjson.Result) bool {
			r.check(value)
			return !r.stopped
		})
	}
}

// otherProcess says what is not run.
func (r *appReader) otherProcess(m member) {
	name := quote(m.key.Str)
	if slices.Contains(checkKeys, m.key.Str) {
		r.fail(m.key, name+` stands where a process type belongs: {"web": [{`+name+`: …}]}`, "")
		return
	}
	r.warn(m.key, fmt.Sprintf("the checks of %s are not run: zdd runs one process type, web", name), "")
}

// finish gives a file without checks the default one, and says so.
func (r *appReader) finish() {
	defer func() { slices.SortStableFunc(r.problems, byLine) }()
	if r.file.decides() {
		return
	}
	if len(r.file.Checks) > 0 {
		r.file.Checks = append(r.file.Checks, Default().first())
		r.tell(0, SeverityWarning, onlyWarns, "")
		return
	}
	unused := r.file.Unused
	r.file = defaultFile(r.file.Source)
	r.file.Unused = unused
	if r.errors > 0 {
		return
	}
	if r.watching.value.Exists() {
		r.warn(r.watching.value, `only checks of type "startup" gate a deploy, and there is none: the others are for schedulers that watch a running app`,
			r.rewritten(r.watching, "type", `"startup"`))
	}
	r.tell(0, SeverityWarning, "the file contains no check: the default is used, / answers with a status below 500", "")
}

// invalidUTF8 is where the text stops to be UTF-8.
func invalidUTF8(text string) int {
	for i, c := range text {
		if c != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i
		}
	}
	return len(text)
}

// refuse says what makes the whole file useless.
func (r *appReader) refuse(offset int, message, suggestion string) {
	r.tell(r.lines.at(offset), SeverityError, message, suggestion)
}

func (r *appReader) fail(at gjson.Result, message, suggestion string) {
	r.tell(r.lines.at(at.Index), SeverityError, message, suggestion)
}

func (r *appReader) warn(at gjson.Result, message, suggestion string) {
	r.tell(r.lines.at(at.Index), SeverityWarning, message, suggestion)
}

// tell keeps a problem, and ends the reading when there are too many.
func (r *appReader) tell(line int, severity Severity, message, suggestion string) {
	if r.stopped {
		return
	}
	if severity == SeverityError {
		r.errors++
	}
	r.problems = append(r.problems, Problem{Line: line, Severity: severity, Message: message, Suggestion: suggestion})
	if len(r.problems) == MaxProblems {
		r.tell(line, SeverityError, fmt.Sprintf("more than %d problems: the rest of the file was not read", MaxProblems), "")
		r.stopped = true
	}
}

// shown is a value as a message shows it.
func shown(v gjson.Result) string { return printable(v.Raw, 60) }
