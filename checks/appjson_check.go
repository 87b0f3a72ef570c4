package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// checkKeys are the keys of a check; the questions among them exclude one another.
var (
	checkKeys = []string{
		"type", "name", "description", "path", "scheme", "port", "content", "httpHeaders", "command", "uptime", "listening",
		"initialDelay", "attempts", "timeout", "wait", "warn", "onFailure",
	}
	questionKeys = []string{"path", "command", "uptime", "listening"}
)

// appCheck reads one check.
type appCheck struct {
	*appReader
	object  gjson.Result
	fields  map[string]member
	strange []member // under keys that a check does not have
	check   Check
}

// check reads a check that gates a deploy, and remembers one that does not.
func (r *appReader) check(object gjson.Result) {
	if r.begun++; r.begun > MaxChecks {
		r.fail(object, fmt.Sprintf("more than %d checks", MaxChecks), "")
		r.stopped = true
		return
	}
	if !object.IsObject() {
		r.failNoCheck(object)
		return
	}
	if !r.gates(object) {
		return
	}
	c := &appCheck{appReader: r, object: object}
	c.check.Line = r.lines.at(object.Index)
	before := r.errors
	c.fields = r.members(object, checkKeys, func(m member) {
		if len(c.strange) <= MaxProblems {
			c.strange = append(c.strange, m)
		}
	})
	c.read()
	if r.errors > before || r.stopped {
		return
	}
	c.check.Raw = printable(c.check.words(), 100)
	r.lint(c.check, c.fields["content"])
	r.file.Checks = append(r.file.Checks, c.check)
}

func (r *appReader) failNoCheck(value gjson.Result) {
	suggestion := ""
	if value.Type == gjson.String && strings.HasPrefix(value.Str, "/") {
		suggestion = r.lines.replaced(value.Index, value.Index+len(value.Raw), `{"path": `+value.Raw+`}`)
	}
	r.fail(value, "a check is an object, which stands in { and }, not "+shown(value), suggestion)
}

// gates reports whether a check decides about a deploy.
func (r *appReader) gates(object gjson.Result) bool {
	m := lastMember(object, "type")
	switch name := m.value.String(); {
	case !m.value.Exists() || name == "startup":
		return true
	case name == "readiness" || name == "liveness":
		if !r.watching.value.Exists() {
			r.watching = m
		}
		r.file.Unused = append(r.file.Unused, Unused{Line: r.lines.at(object.Index), Type: name})
	case slices.Contains([]string{"http", "https", "tcp", "command", "uptime", "listening", "path", "exec"}, strings.ToLower(name)):
		r.fail(m.value, fmt.Sprintf(`"type" says when a check is asked, not how: there is no type %s; a "path", "command", "uptime" or "listening" says how`, quote(name)),
			r.rewritten(m, "type", `"startup"`))
	default:
		suggestion := ""
		if near := knownKey(name, []string{"startup", "readiness", "liveness"}); near != "" {
			suggestion = r.rewritten(m, "type", quoted(near))
		}
		r.fail(m.value, `"type" is "startup", "readiness" or "liveness", not `+shown(m.value), suggestion)
	}
	return false
}

// read reads everything but the type.
func (c *appCheck) read() {
	questions := c.questions()
	for _, m := range c.strange {
		c.unknown(m, len(questions) == 0)
	}
	for _, other := range questions[min(1, len(questions)):] {
		first := questions[0]
		c.fail(other.key, fmt.Sprintf("%s and %s (line %d) exclude one another: make two checks of them",
			quote(other.key.Str), quote(first.key.Str), c.lines.at(first.key.Index)), "")
		return
	}
	c.check.Kind = KindHTTP
	if len(questions) > 0 {
		c.check.Kind = questionKind(questions[0].key.Str)
	}
	c.question()
	c.check.Name = c.text("name")
	c.check.Description = c.text("description")
	c.check.Warn = c.truth("warn")
	c.check.OnFailure = c.onFailure()
	c.check.Pace = &Pace{
		Delay:    c.seconds("initialDelay", 0, 0),
		Wait:     c.seconds("wait", 0, DefaultAppWait),
		Timeout:  c.seconds("timeout", 1, DefaultAppTimeout),
		Attempts: c.whole("attempts", 1, DefaultAppAttempts),
	}
}

// questions are the entries that say what is asked, in the order of the file.
// One that has its default is as good as none.
func (c *appCheck) questions() []member {
	var found []member
	for _, key := range questionKeys {
		if m, there := c.fields[key]; there && !isDefault(m.value) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b member) int { return a.key.Index - b.key.Index })
	return found
}

// isDefault reports whether a value is what a missing one stands for.
func isDefault(value gjson.Result) bool {
	if value.IsArray() {
		return strings.TrimSpace(value.Raw[1:len(value.Raw)-1]) == ""
	}
	return value.Raw == `""` || value.Raw == "0" || value.Raw == "false"
}

func questionKind(key string) Kind {
	switch strings.ToLower(key) {
	case "command":
		return KindCommand
	case "uptime":
		return KindUptime
	case "listening":
		return KindTCP
	}
	return KindHTTP
}

// question reads what is asked, and refuses what belongs to another question.
func (c *appCheck) question() {
	if c.check.Kind != KindHTTP {
		c.misplaced("content", SeverityError, "path")
		c.misplaced("httpHeaders", SeverityWarning, "path")
		c.misplaced("scheme", SeverityWarning, "path")
	}
	switch c.check.Kind {
	case KindHTTP:
		c.request()
	case KindTCP:
		c.truth("listening")
	case KindCommand:
		c.misplaced("port", SeverityWarning, "path or listening")
		c.check.Command = c.command(c.fields["command"], "command")
		return
	case KindUptime:
		c.misplaced("port", SeverityWarning, "path or listening")
		c.check.Uptime = c.seconds("uptime", 1, 0)
		return
	}
	c.check.Port = c.port()
}

// misplaced tells of a key that says nothing about the check's question.
func (c *appCheck) misplaced(key string, severity Severity, belongs string) {
	if m, found := c.fields[key]; found {
		c.tell(c.lines.at(m.key.Index), severity, fmt.Sprintf("%s is for a check of a %s: it says nothing about this one", quote(key), belongs), "")
	}
}

// unknown tells of a key that a check does not have. It is an error where
// nothing else says what is asked: the check would ask for / in its place.
func (c *appCheck) unknown(m member, asksNothing bool) {
	name := quote(m.key.Str)
	if option, found := onlyInChecks[plainKey(m.key.Str)]; found {
		c.warn(m.key, fmt.Sprintf("app.json has no %s: a CHECKS file has, in a line %s %s …", name, additionMark, option), "")
		return
	}
	known := knownKey(m.key.Str, checkKeys)
	if known == "" {
		c.warn(m.key, name+" means nothing in a check, and was not used", "")
		return
	}
	message := fmt.Sprintf("%s means nothing in a check: it is written %s", name, quote(known))
	suggestion := c.rewritten(m, known, c.meantValue(known, m.value))
	if asksNothing && slices.Contains(questionKeys, known) {
		c.fail(m.key, message, suggestion)
		return
	}
	c.warn(m.key, message, suggestion)
}

// lint warns about a check that is probably not what its author meant.
func (r *appReader) lint(check Check, content member) {
	asked := strings.Join(check.askedLines(), "\n")
	if first, found := r.seen[asked]; found {
		r.warnLine(check.Line, fmt.Sprintf("the same check stands in line %d", first))
	} else {
		r.seen[asked] = check.Line
	}
	text := check.Content
	switch {
	case text == "":
	case strings.HasPrefix(text, "^") || strings.Contains(text, ".*") || strings.Contains(text, ".+"):
		r.warn(content.key, "the expected text is taken literally, not as a regular expression", "")
	case len(text) == 1 || accidental[strings.ToLower(text)]:
		r.warn(content.key, fmt.Sprintf("error pages contain %s too: the check can pass by accident", quote(text)), "")
	}
}

func (r *appReader) warnLine(line int, message string) { r.tell(line, SeverityWarning, message, "") }

// seconds reads a whole number of them.
func (c *appCheck) seconds(key string, least int, fallback time.Duration) time.Duration {
	return time.Duration(c.whole(key, least, int(fallback/time.Second))) * time.Second
}
