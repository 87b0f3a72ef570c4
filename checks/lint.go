package checks

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	almostSetting = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_]+)[ \t]*[=:][ \t]*(.*)$`)
	optionLike    = regexp.MustCompile(`^[a-z][a-z_-]*=\S+$`)
	hostLike      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)+(:[0-9]+)?(/\S*)?$`)
	number        = regexp.MustCompile(`^[0-9]+`)
)

// accidental are texts that error pages contain as well.
var accidental = map[string]bool{
	"html": true, "<html": true, "<html>": true, "</html>": true,
	"<!doctype": true, "<!doctype html": true, "<!doctype html>": true,
	"head": true, "<head>": true, "body": true, "<body": true, "<body>": true,
	"title": true, "<title>": true, "div": true, "<div": true, "<div>": true, "http": true, "error": true,
}

// milliseconds is the number of seconds from which on a setting was probably
// not meant as seconds.
const milliseconds = 1000

// lint warns about a check that is probably not what its author meant. It is
// run as it stands nevertheless.
func (p *parser) lint(c Check) {
	same := c
	same.Line, same.Raw, same.Name = 0, "", ""
	key := fmt.Sprintf("%#v", same)
	if first, found := p.seen[key]; found {
		p.warn(c.Line, fmt.Sprintf("the same check stands in line %d", first), "")
	} else {
		p.seen[key] = c.Line
	}
	if before, _, found := strings.Cut(c.URL, "#"); found {
		p.warn(c.Line, "the part after # is for browsers: it is never sent to the app", join(before, c.Content))
	}
	if c.Content != "" {
		p.lintContent(c)
	}
}

func (p *parser) lintContent(c Check) {
	switch {
	case unquoted(c.Content) != c.Content:
		p.warn(c.Line, "the quotes are part of the expected text", join(c.URL, unquoted(c.Content)))
	case optionLike.MatchString(c.Content):
		p.warn(c.Line, fmt.Sprintf("%s looks like an option, but it is the text that the answer must contain", quote(c.Content)), c.URL)
	case strings.HasPrefix(c.Content, "# ") || strings.Contains(c.Content, " # "):
		before, _, _ := strings.Cut(" "+c.Content, " # ")
		p.warn(c.Line, "a # after a check begins no comment: it is part of the expected text", join(c.URL, strings.TrimSpace(before)))
	case strings.HasPrefix(c.Content, "^") || strings.Contains(c.Content, ".*") || strings.Contains(c.Content, ".+"):
		p.warn(c.Line, "the expected text is taken literally, not as a regular expression", "")
	case len(c.Content) == 1 || accidental[strings.ToLower(c.Content)]:
		p.warn(c.Line, fmt.Sprintf("error pages contain %s too: the check can pass by accident", quote(c.Content)), "")
	}
}

func (p *parser) lintSetting(line int, name string, value int) {
	if name != "ATTEMPTS" && value >= milliseconds {
		p.warn(line, fmt.Sprintf("%s is in seconds; %d was probably meant as milliseconds", name, value),
			fmt.Sprintf("%s=%d", name, (value+999)/1000))
	}
}

// other explains a line that is neither a check nor a setting.
func (p *parser) other(line int, text string) {
	if match := almostSetting.FindStringSubmatch(text); match != nil {
		p.unknownSetting(line, match[1], match[2])
		return
	}
	// Options below it were meant for it, and not for a check further up.
	p.complete()
	if suggestion := suggestCheck(text); suggestion != "" {
		p.legible = true
		p.warn(line, fmt.Sprintf("%s is not a check: a check begins with / or // or http", quote(text)), suggestion)
		return
	}
	p.illegible(line)
	p.warn(line, fmt.Sprintf("%s is neither a check nor a setting", quote(text)), "")
}

func (p *parser) unknownSetting(line int, name, value string) {
	known := nearestSetting(name)
	if known == "" {
		p.illegible(line)
		p.warn(line, fmt.Sprintf("%s is no setting: there are WAIT, TIMEOUT and ATTEMPTS", quote(name)), "")
		return
	}
	p.legible = true
	suggestion := ""
	if whole := wholeNumber(value); whole != "" {
		suggestion = known + "=" + whole
	}
	switch {
	case name != known:
		p.warn(line, fmt.Sprintf("%s is no setting, and was not used", quote(name)), suggestion)
	case suggestion == "":
		p.fail(line, fmt.Sprintf("%s needs a whole number, not %s", known, quote(value)))
	default:
		p.warn(line, fmt.Sprintf("a setting is written NAME=NUMBER, without spaces or units: %s was not used", known), suggestion)
	}
}

func (p *parser) illegible(line int) {
	if p.garbage == 0 {
		p.garbage = line
	}
}

// suggestCheck guesses the check that was meant: `HTTP /healthz` is /healthz,
// `web / "Laravel"` is / Laravel, `example.com ok` is //example.com/ ok.
func suggestCheck(text string) string {
	fields := strings.Fields(text)
	first, rest := fields[0], strings.TrimSpace(strings.TrimPrefix(text, fields[0]))
	switch {
	case hostLike.MatchString(first):
		if !strings.Contains(first, "/") {
			first += "/"
		}
		return join("//"+first, unquoted(rest))
	case len(fields) > 1 && checkPattern.MatchString(fields[1]):
		return join(fields[1], unquoted(strings.TrimSpace(strings.TrimPrefix(rest, fields[1]))))
	case strings.Contains(first, "/") && !strings.Contains(first, ":"):
		return join("/"+first, unquoted(rest))
	}
	return ""
}

// nearestSetting is the setting that name stands for, or empty.
func nearestSetting(name string) string {
	upper := strings.TrimPrefix(strings.ToUpper(name), "DOKKU_")
	upper = strings.TrimPrefix(upper, "CHECKS_")
	for _, known := range []string{"WAIT", "TIMEOUT", "ATTEMPTS"} {
		// Two slips in a word of four letters make another word.
		if slips(upper, known) <= len(known)/4 {
			return known
		}
	}
	return ""
}

// slips counts the letters to insert, drop, change or swap with their
// neighbour to get from a to b (optimal string alignment).
func slips(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// wholeNumber is the value as whole seconds: 5s is 5, 500ms is 1, 2m is 120.
func wholeNumber(value string) string {
	value = unquoted(strings.TrimSpace(value))
	if d, err := time.ParseDuration(strings.ReplaceAll(value, " ", "")); err == nil && d > 0 {
		return strconv.Itoa(int(math.Ceil(d.Seconds())))
	}
	return number.FindString(value)
}

// unquoted is the text without the quotes around the whole of it.
func unquoted(text string) string {
	if len(text) > 2 && text[0] == text[len(text)-1] && strings.ContainsRune("\"'`", rune(text[0])) {
		return text[1 : len(text)-1]
	}
	return text
}

func join(url, content string) string {
	return strings.TrimSpace(url + " " + content)
}
