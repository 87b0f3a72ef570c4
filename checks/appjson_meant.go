package checks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/kballard/go-shellquote"
	"github.com/tidwall/gjson"
)

// meantValue is the JSON that was probably meant under a key.
func (c *appCheck) meantValue(key string, value gjson.Result) string {
	if value.Type != gjson.String || len(value.Raw) > 10*maxSuggested {
		return value.Raw
	}
	switch key {
	case "path":
		path := value.Str
		if u, err := url.Parse(path); err == nil && u.Host != "" {
			path = requestPath(u)
		}
		return quoted("/" + strings.TrimLeft(path, "/"))
	case "command":
		words, err := shellquote.Split(value.Str)
		if err != nil || strings.ContainsAny(value.Str, "|&;<>$*`") {
			words = []string{"sh", "-c", value.Str}
		}
		return quotedList(words)
	case "wait", "timeout", "initialDelay", "attempts":
		if meant := wholeNumber(value.Str); meant != "" {
			return meant
		}
	}
	return value.Raw
}

// meantHeaders is the line with an object of headers as an array of them.
func (c *appCheck) meantHeaders(m member) string {
	if !m.value.IsObject() {
		return ""
	}
	var list []string
	m.value.ForEach(func(key, value gjson.Result) bool {
		list = append(list, fmt.Sprintf(`{"name": %s, "value": %s}`, key.Raw, value.Raw))
		return len(list) < 3
	})
	return c.rewritten(m, "httpHeaders", "["+strings.Join(list, ", ")+"]")
}

func (c *appCheck) meantOnFailure(value gjson.Result) string {
	if value.Type == gjson.String && webhook(value.Str) == nil {
		return `{"url": ` + value.Raw + `}`
	}
	return `{"command": ` + c.meantValue("command", value) + `}`
}

// quoted is the text as JSON.
func quoted(text string) string { return strings.TrimSpace(string(marshal(text))) }

func quotedList(words []string) string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = quoted(word)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// marshal is what people write: two spaces a level, and < and > as they are.
func marshal(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	// Strings, numbers and structs of them are always JSON.
	_ = encoder.Encode(value)
	return b.Bytes()
}
