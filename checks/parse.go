package checks

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a file. Beyond them it is refused: whatever it is, nobody wrote it
// by hand.
const (
	MaxSize     = 10 << 20 // bytes
	MaxLine     = 1 << 20  // bytes of one line
	MaxChecks   = 1000
	MaxProblems = 100
	// MaxSetting is the largest value of a setting; a day, if seconds.
	MaxSetting = 24 * 60 * 60
)

var (
	checkPattern   = regexp.MustCompile(`^(https?:)?/`)
	settingPattern = regexp.MustCompile(`^(WAIT|TIMEOUT|ATTEMPTS)=([0-9]+)(?:[ \t]+#.*)?$`)
	byteOrderMark  = []byte("\xef\xbb\xbf")
)

// Parse reads a file in the format of 2014. It never fails: what it cannot use
// is in the problems, in the order of lines, and when one of them is an error
// (see Errors) the file must not be used. Name is the File's Source.
func Parse(name string, content []byte) (File, []Problem) {
	file := File{Source: name, Wait: DefaultWait, Timeout: DefaultTimeout, Attempts: DefaultAttempts}
	p := &parser{file: file, seen: map[string]int{}}
	p.read(content)
	p.finish()
	return p.file, p.problems
}

type parser struct {
	file     File
	problems []Problem
	seen     map[string]int // check as written → its first line
	legible  bool           // something in the file made sense
	garbage  int            // first line that made none

	current *Check        // what options below it are about; nil before the first
	begun   int           // checks so far, those with a mistake too
	spoilt  bool          // it has a mistake: it takes the options, and is dropped
	paces   []func(*Pace) // what they say about its pace
	paced   []pacedCheck
}

// pacedCheck is a check with a pace of its own, which is known when the whole
// file is: its settings may stand below.
type pacedCheck struct {
	index  int
	change []func(*Pace)
}

func (p *parser) read(content []byte) {
	if len(content) > MaxSize {
		p.fail(1+bytes.Count(content[:MaxSize], []byte("\n")), "the file is larger than 10 MB")
		return
	}
	if i := bytes.IndexByte(content, 0); i >= 0 {
		p.fail(1+bytes.Count(content[:i], []byte("\n")), "a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8")
		return
	}
	for number, line := range textLines(bytes.TrimPrefix(content, byteOrderMark)) {
		p.line(number, bytes.TrimSpace(line))
		if len(p.problems) >= MaxProblems {
			p.fail(number, fmt.Sprintf("more than %d problems: the rest of the file was not read", MaxProblems))
			return
		}
		if p.begun > MaxChecks {
			p.fail(number, fmt.Sprintf("more than %d checks", MaxChecks))
			return
		}
	}
}

// textLines yields each line with its number. CR LF, LF and a CR alone end a line,
// and so does the end of the file.
func textLines(content []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for number := 1; len(content) > 0; number++ {
			end := bytes.IndexAny(content, "\r\n")
			if end < 0 {
				yield(number, content)
				return
			}
			line, rest := content[:end], content[end+1:]
			if content[end] == '\r' && len(rest) > 0 && rest[0] == '\n' {
				rest = rest[1:]
			}
			if !yield(number, line) {
				return
			}
			content = rest
		}
	}
}

func (p *parser) line(number int, line []byte) {
	switch {
	case len(line) == 0:
		return
	case line[0] == '#' && !bytes.HasPrefix(line, []byte(additionMark)):
		p.legible = true
		return
	case len(line) > MaxLine:
		p.fail(number, "the line is longer than 1 MB")
		return
	case !utf8.Valid(line):
		p.fail(number, "the line is not valid UTF-8")
		return
	}
	text := string(line)
	if _, after, found := strings.Cut(text, "{{"); found && strings.Contains(after, "}}") {
		p.fail(number, "templates in {{ … }} are not supported: write the value itself")
		return
	}
	addition, added := strings.CutPrefix(text, additionMark)
	addition = strings.TrimSpace(addition)
	switch {
	case added && addition == "":
		p.legible = true
	case added:
		p.addition(number, addition)
	case checkPattern.MatchString(text):
		p.check(number, text)
	case settingPattern.MatchString(text):
		p.setting(number, text)
	default:
		p.other(number, text)
	}
}

func (p *parser) check(number int, text string) {
	p.legible = true
	word, content := firstWord(text)
	check, err := parseURL(word)
	check.Line, check.Raw, check.URL, check.Content = number, text, word, content
	p.begin(check)
	if err != nil {
		p.spoil(number, err)
	}
}

// begin makes check the one that the options below it are about.
func (p *parser) begin(check Check) {
	p.complete()
	p.begun++
	p.current, p.paces, p.spoilt = &check, nil, false
}

// spoil says what is wrong with the check at hand.
func (p *parser) spoil(line int, err error) {
	p.fail(line, err.Error())
	p.spoilt = true
}

// complete ends the check at hand: what follows is not about it.
func (p *parser) complete() {
	if p.current == nil || p.spoilt {
		p.current = nil
		return
	}
	check := *p.current
	p.current = nil
	if check.Method == http.MethodHead && (check.Content != "" || check.Match != "" || check.JSON != nil) {
		p.fail(check.Line, "an answer to HEAD has no body in which anything could be found")
	}
	if p.paces != nil {
		p.paced = append(p.paced, pacedCheck{len(p.file.Checks), p.paces})
	}
	p.file.Checks = append(p.file.Checks, check)
	p.lint(check)
}

// adjust changes the pace of the check at hand.
func (p *parser) adjust(change func(*Pace)) { p.paces = append(p.paces, change) }

func (p *parser) setting(number int, text string) {
	p.legible = true
	match := settingPattern.FindStringSubmatch(text)
	name := match[1]
	value, err := strconv.Atoi(match[2])
	if err != nil || value > MaxSetting {
		p.fail(number, fmt.Sprintf("%s is larger than %d", name, MaxSetting))
		return
	}
	if value == 0 && name != "WAIT" {
		p.fail(number, fmt.Sprintf("%s is 0: it must be at least 1", name))
		return
	}
	for _, former := range p.file.Settings {
		if former.Name == name {
			p.warn(number, fmt.Sprintf("%s stands in line %d already; the last one counts", name, former.Line), "")
			break
		}
	}
	p.file.Settings = append(p.file.Settings, Setting{Line: number, Name: name, Value: value})
	switch seconds := time.Duration(value) * time.Second; name {
	case "WAIT":
		p.file.Wait = seconds
	case "TIMEOUT":
		p.file.Timeout = seconds
	case "ATTEMPTS":
		p.file.Attempts = value
	}
	p.lintSetting(number, name, value)
}

// finish completes the last check, and gives a file without any the default
// one, and says so.
func (p *parser) finish() {
	p.complete()
	for _, paced := range p.paced {
		pace := p.file.pace(p.file.Checks[paced.index])
		for _, change := range paced.change {
			change(&pace)
		}
		p.file.Checks[paced.index].Pace = &pace
	}
	defer func() { slices.SortStableFunc(p.problems, byLine) }()
	if p.file.decides() {
		return
	}
	if len(p.file.Checks) > 0 {
		p.file.Checks = append(p.file.Checks, Default().first())
		p.warn(0, onlyWarns, "")
		return
	}
	p.file.Checks = []Check{defaultCheck()}
	if p.garbage > 0 && !p.legible {
		p.fail(p.garbage, "this is not a CHECKS file: no line of it is a check, a setting or a comment")
	}
	if Errors(p.file.Source, p.problems) == nil {
		p.warn(0, "the file contains no check: the default is used, / answers with a status below 500", "")
	}
}

// byLine orders problems; those of the whole file come last.
func byLine(a, b Problem) int {
	return cmp.Compare(uint(a.Line)-1, uint(b.Line)-1)
}

func (p *parser) fail(line int, message string) { p.failWith(line, message, "") }

func (p *parser) failWith(line int, message, suggestion string) {
	p.problems = append(p.problems, Problem{Line: line, Severity: SeverityError, Message: message, Suggestion: suggestion})
}

func (p *parser) warn(line int, message, suggestion string) {
	p.problems = append(p.problems, Problem{Line: line, Severity: SeverityWarning, Message: message, Suggestion: suggestion})
}
