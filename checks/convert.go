package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ToAppJSON writes the file's checks as an app.json for zdd and for Dokku. What
// an app.json cannot say is in the notes, with the line of the file: a check
// that would ask something else is left out, and what cannot be expected of an
// answer is left out of its check. Each check is of type startup, and has a name.
func ToAppJSON(file File) (content []byte, notes []Problem) {
	n := &notebook{}
	web := []jsonCheck{}
	for _, c := range file.Checks {
		switch {
		case c.Line == 0:
			n.note(c, "the file contains no check, and neither does the app.json")
		case n.sayable(c):
			web = append(web, toJSON(c, file.pace(c)))
		}
	}
	return marshal(map[string]any{healthchecksKey: map[string]any{webKey: web}}), n.notes
}

// jsonCheck is a check as an app.json has it.
type jsonCheck struct {
	Type         string         `json:"type"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	Path         string         `json:"path,omitempty"`
	Command      []string       `json:"command,omitempty"`
	Uptime       int            `json:"uptime,omitempty"`
	Listening    bool           `json:"listening,omitempty"`
	Port         int            `json:"port,omitempty"`
	Content      string         `json:"content,omitempty"`
	HTTPHeaders  []jsonHeader   `json:"httpHeaders,omitempty"`
	InitialDelay int            `json:"initialDelay,omitempty"`
	Attempts     int            `json:"attempts,omitempty"`
	Timeout      int            `json:"timeout,omitempty"`
	Wait         *int           `json:"wait,omitempty"` // 0 is not the default
	Warn         bool           `json:"warn,omitempty"`
	OnFailure    *jsonOnFailure `json:"onFailure,omitempty"`
}

type jsonHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type jsonOnFailure struct {
	Command []string `json:"command,omitempty"`
	URL     string   `json:"url,omitempty"`
}

// toJSON is the check with what differs from the defaults of an app.json. The
// path is always there: without one Dokku asks for the uptime.
func toJSON(c Check, pace Pace) jsonCheck {
	j := jsonCheck{
		Type: "startup", Name: c.Name, Description: c.Description,
		Path: c.Path, Command: c.Command, Uptime: wholeUp(c.Uptime), Listening: c.Kind == KindTCP, Port: c.Port,
		Content: c.Content, HTTPHeaders: jsonHeaders(c), InitialDelay: wholeUp(pace.Delay), Warn: c.Warn,
	}
	if j.Name == "" {
		j.Name = c.madeName()
	}
	if pace.Attempts != DefaultAppAttempts {
		j.Attempts = pace.Attempts
	}
	if pace.Timeout != DefaultAppTimeout {
		j.Timeout = wholeUp(pace.Timeout)
	}
	if wait := wholeUp(pace.Wait); pace.Wait != DefaultAppWait {
		j.Wait = &wait
	}
	if c.OnFailure.Command != nil || c.OnFailure.URL != "" {
		j.OnFailure = &jsonOnFailure{c.OnFailure.Command, c.OnFailure.URL}
	}
	return j
}

// jsonHeaders are the headers with Host and what https means to an app. The
// scheme of an app.json would not do: by it Dokku speaks TLS to the container.
func jsonHeaders(c Check) []jsonHeader {
	var headers []jsonHeader
	if c.Host != "" {
		headers = append(headers, jsonHeader{"Host", c.Host})
	}
	if c.Scheme == "https" {
		headers = append(headers, jsonHeader{forwardedProto, "https"})
	}
	for _, field := range c.Header {
		headers = append(headers, jsonHeader(field))
	}
	return headers
}

// madeName is what a check without a name is called: its path, or what else it asks.
func (c Check) madeName() string {
	if c.Kind == KindHTTP {
		path, _, _ := strings.Cut(c.Path, "?")
		return printable(path, 60)
	}
	return printable(c.words(), 60)
}

// notebook keeps what a conversion has to say.
type notebook struct{ notes []Problem }

func (n *notebook) note(c Check, message string) {
	n.notes = append(n.notes, Problem{Line: c.Line, Severity: SeverityWarning, Message: message})
}

// sayable reports whether an app.json can ask what the check asks, and notes
// what it cannot expect of the answer.
func (n *notebook) sayable(c Check) bool {
	if reason := unsayable(c); reason != "" {
		n.note(c, reason+": the check is left out")
		return false
	}
	for _, lost := range []struct {
		name string
		is   bool
	}{{"match", c.Match != ""}, {"json", c.JSON != nil}} {
		if lost.is {
			n.note(c, fmt.Sprintf("app.json has no %s: the check expects less there", lost.name))
		}
	}
	return true
}

// unsayable is why an app.json cannot ask what the check asks, or empty.
func unsayable(c Check) string {
	switch {
	case c.Kind == KindGRPC:
		return "app.json cannot ask by gRPC"
	case !slices.Equal(c.Status.orSuccess(), success):
		return fmt.Sprintf("app.json has no status, and this wants %s", c.Status)
	case c.Method != "" && c.Method != "GET":
		return fmt.Sprintf("app.json has no method, and this wants %s", c.Method)
	case len(c.Command) > maxList || len(c.OnFailure.Command) > maxList:
		return fmt.Sprintf("a command has more than %d words", maxList)
	case len(c.Header)+2 > maxList:
		return fmt.Sprintf("it has more than %d headers", maxList-2)
	case !utf8.ValidString(c.Host):
		return "its host is not valid UTF-8, which JSON must be"
	}
	return ""
}

// wholeUp is the duration in seconds, rounded up.
func wholeUp(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
