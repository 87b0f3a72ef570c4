package checks

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// additionMark begins a line that only zdd understands. To every other reader
// of CHECKS files it is a comment: it runs the other checks and no worse ones.
const additionMark = "#:"

// additions are the words after the mark that begin a check of their own; a URL
// does too.
var additions = map[string]func(*parser, *Check, string) error{
	"tcp":     (*parser).tcp,
	"grpc":    (*parser).grpc,
	"command": (*parser).command,
	"uptime":  (*parser).uptime,
}

// options are the words that say more about the check above them.
var options = map[string]func(*parser, *Check, string) error{
	"status":             (*parser).status,
	"method":             (*parser).method,
	"header":             (*parser).header,
	"match":              (*parser).match,
	"json":               (*parser).json,
	"port":               (*parser).port,
	"name":               (*parser).name,
	"delay":              (*parser).delay,
	"wait":               (*parser).wait,
	"timeout":            (*parser).timeout,
	"attempts":           (*parser).attempts,
	"warn":               (*parser).onlyWarn,
	"on-failure-command": (*parser).onFailureCommand,
	"on-failure-url":     (*parser).onFailureURL,
}

// addition reads what stands after the mark.
func (p *parser) addition(number int, text string) {
	p.legible = true
	if checkPattern.MatchString(text) {
		p.check(number, text)
		return
	}
	word, rest := firstWord(text)
	if read, found := additions[word]; found {
		p.begin(Check{Line: number, Raw: text})
		if err := read(p, p.current, rest); err != nil {
			p.spoil(number, err)
		}
		return
	}
	read, found := options[word]
	switch {
	case !found:
		p.failWith(number, fmt.Sprintf("%s means nothing after %s", quote(word), additionMark), meantAddition(word, rest))
	case p.current == nil:
		p.fail(number, fmt.Sprintf("%s says more about the check above it, but there is none", quote(word)))
	default:
		if err := read(p, p.current, rest); err != nil {
			p.fail(number, err.Error())
		}
	}
}

// meantAddition is the line with the word that was probably meant.
func meantAddition(word, rest string) string {
	for _, known := range slices.Concat(sortedKeys(additions), sortedKeys(options)) {
		if slips(strings.ToLower(word), known) <= max(1, len(known)/4) {
			return join(additionMark+" "+known, rest)
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (p *parser) tcp(c *Check, rest string) error {
	c.Kind = KindTCP
	if rest == "" {
		return nil
	}
	return p.port(c, rest)
}

func (p *parser) grpc(c *Check, rest string) error {
	c.Kind, c.Service = KindGRPC, rest
	if strings.ContainsAny(rest, " \t") {
		return fmt.Errorf("grpc takes the name of one service, not %s", quote(rest))
	}
	return nil
}

func (p *parser) command(c *Check, rest string) (err error) {
	c.Kind = KindCommand
	c.Command, err = commandLine("command", rest)
	return err
}

func (p *parser) uptime(c *Check, rest string) (err error) {
	c.Kind = KindUptime
	c.Uptime, err = wholeSeconds("uptime", rest, 1)
	return err
}

func (p *parser) status(c *Check, rest string) (err error) {
	if err := onlyHTTP("status", c); err != nil {
		return err
	}
	c.Status, err = parseStatuses(rest)
	return err
}

func (p *parser) method(c *Check, rest string) error {
	if err := onlyHTTP("method", c); err != nil {
		return err
	}
	method := strings.ToUpper(rest)
	if !httpguts.ValidHeaderFieldName(method) || method == http.MethodConnect {
		return fmt.Errorf("%s is no method that a check can use", quote(rest))
	}
	c.Method = method
	return nil
}

func (p *parser) header(c *Check, rest string) error {
	if err := onlyHTTP("header", c); err != nil {
		return err
	}
	name, value, found := strings.Cut(rest, ":")
	if !found {
		return fmt.Errorf("a header is written NAME: VALUE, not %s", quote(rest))
	}
	return c.addHeader(strings.TrimSpace(name), strings.TrimSpace(value))
}

// connectionHeaders are about the connection or the message's length, which are
// not the check's to choose (RFC 9110, section 7.6.1).
var connectionHeaders = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// addHeader adds a header field to the check; Host becomes the check's.
func (c *Check) addHeader(name, value string) error {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%s is no name of a header", quote(name))
	case !httpguts.ValidHeaderFieldValue(value):
		return fmt.Errorf("the value of the header %s contains characters that no header may have", quote(name))
	case slices.Contains(connectionHeaders, canonical):
		return fmt.Errorf("the header %s is about the connection: a check cannot set it", quote(name))
	case canonical == "Host" && (value == "" || !validHost(value)):
		return fmt.Errorf("%s is not a host name", quote(value))
	case canonical == "Host":
		c.Host = value
	default:
		c.Header = append(c.Header, HeaderField{canonical, value})
	}
	return nil
}

func (p *parser) match(c *Check, rest string) error {
	if err := onlyHTTP("match", c); err != nil {
		return err
	}
	if rest == "" {
		return errors.New("match wants a regular expression")
	}
	if _, err := compileMatch(rest); err != nil {
		return fmt.Errorf("%s is no regular expression: %w", quote(rest), err)
	}
	c.Match = rest
	return nil
}

func (p *parser) json(c *Check, rest string) error {
	if err := onlyHTTP("json", c); err != nil {
		return err
	}
	path, want, found := strings.Cut(rest, "=")
	path, want = strings.TrimSpace(path), strings.TrimSpace(want)
	switch {
	case path == "":
		return errors.New(`json wants a field: json db.status = "up"`)
	case found && want == "":
		return fmt.Errorf("the value of the field %s is missing", quote(path))
	case strings.HasPrefix(want, "="):
		return fmt.Errorf("json compares with one =, not with %s", quote("="+want))
	}
	if err := plainPath(path); err != nil {
		return err
	}
	c.JSON = append(c.JSON, Field{path, want})
	return nil
}

func (p *parser) port(c *Check, rest string) error {
	port, err := strconv.Atoi(rest)
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%s is no port: it must be a number from 1 to 65535", quote(rest))
	}
	if c.Kind == KindCommand || c.Kind == KindUptime {
		return errors.New("port is for a check over the network")
	}
	c.Port = port
	return nil
}

func (p *parser) name(c *Check, rest string) error {
	if rest == "" {
		return errors.New("name wants a name")
	}
	c.Name = rest
	return nil
}

func (p *parser) delay(_ *Check, rest string) error {
	d, err := wholeSeconds("delay", rest, 0)
	p.adjust(func(pace *Pace) { pace.Delay = d })
	return err
}

func (p *parser) wait(_ *Check, rest string) error {
	d, err := wholeSeconds("wait", rest, 0)
	p.adjust(func(pace *Pace) { pace.Wait = d })
	return err
}

func (p *parser) timeout(_ *Check, rest string) error {
	d, err := wholeSeconds("timeout", rest, 1)
	p.adjust(func(pace *Pace) { pace.Timeout = d })
	return err
}

func (p *parser) attempts(_ *Check, rest string) error {
	n, err := wholeSeconds("attempts", rest, 1)
	p.adjust(func(pace *Pace) { pace.Attempts = int(n / time.Second) })
	return err
}

func (p *parser) onlyWarn(c *Check, rest string) error {
	if rest != "" {
		return fmt.Errorf("warn stands alone, not with %s", quote(rest))
	}
	c.Warn = true
	return nil
}

func (p *parser) onFailureCommand(c *Check, rest string) (err error) {
	c.OnFailure.Command, err = commandLine("on-failure-command", rest)
	return err
}

func (p *parser) onFailureURL(c *Check, rest string) error {
	if err := webhook(rest); err != nil {
		return err
	}
	c.OnFailure.URL = rest
	return nil
}
