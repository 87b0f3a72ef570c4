package checks

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxList limits the words of a command, and the headers of a check.
const maxList = 1000

// forwardedProto is the header by which proxies tell an app that its client
// speaks https.
const forwardedProto = "X-Forwarded-Proto"

// text reads a string; empty stands for none.
func (c *appCheck) text(key string) string {
	m, found := c.fields[key]
	if !found {
		return ""
	}
	return c.textOf(m.value, quote(key))
}

// textOf is the value as a string that a message calls name.
func (c *appCheck) textOf(value gjson.Result, name string) string {
	switch {
	case value.Type != gjson.String:
		c.fail(value, fmt.Sprintf("%s is a text in double quotes, not %s", name, shown(value)), "")
	case len(value.Str) > MaxLine:
		c.fail(value, name+" is longer than 1 MB", "")
	case strings.IndexByte(value.Str, 0) >= 0:
		c.fail(value, name+" contains a NUL character", "")
	default:
		return value.Str
	}
	return ""
}

// truth reads true or false, which is what stands for none.
func (c *appCheck) truth(key string) bool {
	m, found := c.fields[key]
	if !found || m.value.IsBool() {
		return m.value.Bool()
	}
	suggestion := ""
	if b, err := strconv.ParseBool(m.value.String()); err == nil {
		suggestion = c.rewritten(m, key, strconv.FormatBool(b))
	}
	c.fail(m.value, fmt.Sprintf("%s is true or false, not %s", quote(key), shown(m.value)), suggestion)
	return false
}

// whole reads a number from least to MaxSetting.
func (c *appCheck) whole(key string, least, fallback int) int {
	m, found := c.fields[key]
	if !found {
		return fallback
	}
	n, err := strconv.Atoi(m.value.Raw)
	switch {
	case m.value.Type == gjson.Number && (m.value.Num > MaxSetting || m.value.Num < float64(least)):
		c.fail(m.value, fmt.Sprintf("%s is a whole number from %d to %d, not %s", quote(key), least, MaxSetting, shown(m.value)), "")
	case err != nil:
		c.fail(m.value, fmt.Sprintf("%s is a whole number, without quotes or a unit, not %s", quote(key), shown(m.value)), c.wholeSuggestion(m, key))
	case n >= milliseconds && (key == "wait" || key == "timeout" || key == "initialDelay"):
		c.warn(m.value, fmt.Sprintf("%s is in seconds; %d was probably meant as milliseconds", quote(key), n), c.rewritten(m, key, strconv.Itoa((n+999)/1000)))
	}
	return n
}

// wholeSuggestion is the line with the number that was probably meant.
func (c *appCheck) wholeSuggestion(m member, key string) string {
	meant := ""
	switch m.value.Type {
	case gjson.Number:
		meant = strconv.Itoa(int(math.Ceil(m.value.Num)))
	case gjson.String:
		meant = wholeNumber(printable(m.value.Str, 20))
	}
	if meant == "" {
		return ""
	}
	return c.rewritten(m, key, meant)
}

// port reads a port; 0 is the app's.
func (c *appCheck) port() int {
	m, found := c.fields["port"]
	if !found {
		return 0
	}
	port, err := strconv.Atoi(m.value.Raw)
	if err == nil && port >= 0 && port <= 65535 {
		return port
	}
	suggestion := ""
	if meant, err := strconv.ParseUint(m.value.String(), 10, 16); err == nil && meant > 0 {
		suggestion = c.rewritten(m, "port", strconv.FormatUint(meant, 10))
	}
	c.fail(m.value, "\"port\" is a number from 1 to 65535, not "+shown(m.value), suggestion)
	return 0
}

// command reads the words of a command.
func (c *appCheck) command(m member, key string) []string {
	if m.value.Type == gjson.String {
		c.fail(m.value, fmt.Sprintf("%s is an array of words, not one text: no shell splits it", quote(key)), c.rewritten(m, key, c.meantValue("command", m.value)))
		return nil
	}
	if !m.value.IsArray() {
		c.fail(m.value, fmt.Sprintf("%s is an array of words, not %s", quote(key), shown(m.value)), "")
		return nil
	}
	var words []string
	m.value.ForEach(func(_, value gjson.Result) bool {
		if len(words) == maxList {
			c.fail(value, fmt.Sprintf("%s has more than %d words", quote(key), maxList), "")
			return false
		}
		words = append(words, c.textOf(value, "a word of "+quote(key)))
		return !c.stopped
	})
	return words
}

// request reads what is asked over HTTP.
func (c *appCheck) request() {
	c.check.Scheme, c.check.Path = "http", "/"
	if m, found := c.fields["scheme"]; found {
		switch scheme := strings.ToLower(c.textOf(m.value, `"scheme"`)); scheme {
		case "http", "https":
			c.check.Scheme = scheme
		case "":
		default:
			c.fail(m.value, `"scheme" is "http" or "https", not `+shown(m.value), "")
		}
	}
	if m, found := c.fields["path"]; found {
		c.path(m, c.text("path"))
	}
	c.check.Content = c.text("content")
	if m, found := c.fields["httpHeaders"]; found {
		c.headers(m)
	}
	c.check.URL = c.check.url()
}

// path reads a path with its query. Two slashes are no host, as in a CHECKS file.
func (c *appCheck) path(m member, path string) {
	if path == "" {
		return
	}
	u, err := url.Parse("http://host" + path)
	switch {
	case !strings.HasPrefix(path, "/"):
		c.fail(m.value, `"path" must begin with a slash, not be `+shown(m.value)+`: another Host is one of the "httpHeaders"`, c.rewritten(m, "path", c.meantValue("path", m.value)))
		return
	case strings.ContainsAny(path, " \t"):
		word, content := firstWord(path)
		c.fail(m.value, `"path" contains a blank: the text that the answer must contain is "content"`,
			c.rewritten(m, "path", quoted(word)+`, "content": `+quoted(content)))
		return
	case err != nil:
		c.fail(m.value, fmt.Sprintf("%s cannot be requested: %v", quote(path), reason(err)), "")
		return
	case strings.HasPrefix(path, "//"):
		c.warn(m.value, `"path" names no host, even with two slashes: another Host is one of the "httpHeaders"`, "")
	case strings.Contains(path, "#"):
		before, _, _ := strings.Cut(path, "#")
		c.warn(m.value, "the part after # is for browsers: it is never sent to the app", c.rewritten(m, "path", quoted(before)))
	}
	c.check.Path = requestPath(u)
}

// headers reads the httpHeaders.
func (c *appCheck) headers(m member) {
	if !m.value.IsArray() {
		c.fail(m.value, `"httpHeaders" is an array of objects with name and value, not `+shown(m.value), c.meantHeaders(m))
		return
	}
	count := 0
	m.value.ForEach(func(_, value gjson.Result) bool {
		if count++; count > maxList {
			c.fail(value, fmt.Sprintf("more than %d headers", maxList), "")
			return false
		}
		c.header(value)
		return !c.stopped
	})
}

func (c *appCheck) header(object gjson.Result) {
	if !object.IsObject() {
		c.fail(object, `a header is written {"name": "X-Name", "value": "…"}, not `+shown(object), "")
		return
	}
	fields := c.members(object, []string{"name", "value"}, func(m member) {
		c.warn(m.key, quote(m.key.Str)+" means nothing in a header, and was not used", "")
	})
	name, found := fields["name"]
	if !found {
		c.fail(object, `a header has a "name"`, "")
		return
	}
	value := ""
	if m, found := fields["value"]; found {
		value = strings.Trim(c.textOf(m.value, "the value of a header"), " \t")
	}
	field := c.textOf(name.value, "the name of a header")
	// It is how others tell an app what Scheme does here.
	if http.CanonicalHeaderKey(field) == forwardedProto && value == "https" {
		c.check.Scheme = value
		return
	}
	if err := c.check.addHeader(field, value); err != nil {
		c.fail(name.value, err.Error(), "")
	}
}

// onFailure reads what to do when the check has failed.
func (c *appCheck) onFailure() (do OnFailure) {
	m, found := c.fields["onFailure"]
	if !found {
		return do
	}
	if !m.value.IsObject() {
		c.fail(m.value, `"onFailure" is an object with a "command" or a "url", not `+shown(m.value), c.rewritten(m, "onFailure", c.meantOnFailure(m.value)))
		return do
	}
	fields := c.members(m.value, []string{"command", "url"}, func(m member) {
		c.warn(m.key, quote(m.key.Str)+` means nothing in "onFailure", and was not used`, "")
	})
	if command, found := fields["command"]; found {
		do.Command = c.command(command, "command")
	}
	if address, found := fields["url"]; found {
		do.URL = c.textOf(address.value, `"url"`)
		if err := webhook(do.URL); do.URL != "" && err != nil {
			c.fail(address.value, err.Error(), "")
		}
	}
	return do
}
