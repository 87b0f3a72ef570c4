package checks

import (
	"strconv"
	"strings"

	"github.com/kballard/go-shellquote"
)

// words are what the check asks, in the words of a CHECKS file, without what
// says more about it.
func (c Check) words() string {
	switch c.Kind {
	case KindTCP:
		if c.Port > 0 {
			return "tcp " + strconv.Itoa(c.Port)
		}
		return "tcp"
	case KindGRPC:
		return join("grpc", c.Service)
	case KindCommand:
		return "command " + shellquote.Join(c.Command...)
	case KindUptime:
		return "uptime " + strconv.Itoa(wholeUp(c.Uptime))
	default:
		if c.Content == "" {
			return c.url()
		}
		return c.url() + " " + c.Content
	}
}

// url is the first word of a line that asks for the check's path with its host,
// if one can stand there.
func (c Check) url() string {
	if c.hostInURL() {
		if c.Scheme == "https" {
			return "https://" + c.Host + c.Path
		}
		return "//" + c.Host + c.Path
	}
	if c.Scheme == "https" {
		return "https:" + c.Path
	}
	return c.Path
}

// hostInURL reports whether the host means the same in a URL as in its header.
func (c Check) hostInURL() bool {
	if c.Host == "" {
		return false
	}
	read, err := parseURL("//" + c.Host + "/")
	return err == nil && read.Host == c.Host && read.Path == "/"
}

// askedLines are all that the check asks, in lines of a CHECKS file. The first
// is hidden from other readers where it means something else without the rest.
func (c Check) askedLines() []string {
	var l optionLines
	l.add("status", c.Status.Written())
	if c.Method != "GET" {
		l.add("method", c.Method)
	}
	if c.Port > 0 && c.Kind != KindTCP {
		l.add("port", strconv.Itoa(c.Port))
	}
	if c.Host != "" && !c.hostInURL() {
		l.add("header", "Host: "+c.Host)
	}
	for _, field := range c.Header {
		l.add("header", strings.TrimSuffix(field.Name+": "+field.Value, " "))
	}
	if c.Warn {
		l = append(l, additionMark+" warn")
	}
	hidden := c.Kind != KindHTTP || len(l) > 0
	l.add("match", c.Match)
	for _, field := range c.JSON {
		if field.Want == "" {
			l.add("json", field.Path)
			continue
		}
		l.add("json", field.Path+" = "+field.Want)
	}
	first := c.words()
	if hidden {
		first = additionMark + " " + first
	}
	return append([]string{first}, l...)
}
