package release

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A setting ties a key of app.yaml to a field of Settings.
type setting struct {
	key   string
	value kind
}

// all lists every key of app.yaml, in the order in which a new file has them.
func (s *Settings) all() []setting {
	return []setting{
		{"domains", list{&s.Domains, domainProblem, strings.ToLower}},
		{"port", number{&s.Port, 1, 65535}},
		{"env", variables{&s.Env}},
		{"env_file", text{&s.EnvFile, pathProblem}},
		{"checks", text{&s.Checks, pathProblem}},
		{"healthcheck", text{&s.Healthcheck, healthcheckProblem}},
		{"healthy_for", span{&s.HealthyFor, 0}},
		{"passes", number{&s.Passes, 1, 100}},
		{"check_hook", text{&s.CheckHook, oneOf(CheckHookAfter, CheckHookInstead)}},
		{"hook_timeout", span{&s.HookTimeout, time.Second}},
		{"replicas", number{&s.Replicas, 1, 100}},
		{"volumes", list{&s.Volumes, volumeProblem, volumeTarget}},
		{"networks", list{&s.Networks, networkProblem, itself}},
		{"memory", text{&s.Memory, memoryProblem}},
		{"cpus", text{&s.CPUs, cpusProblem}},
		{"user", text{&s.User, userProblem}},
		{"command", text{&s.Command, commandProblem}},
		{"release_command", text{&s.ReleaseCommand, commandProblem}},
		{"drain", span{&s.Drain, 0}},
		{"stop_timeout", span{&s.StopTimeout, 0}},
		{"wait", span{&s.Wait, 0}},
		{"keep", number{&s.Keep, 1, 10000}},
		{"switch", text{&s.Switch, oneOf(SwitchFlag, SwitchReload)}},
		{"https", text{&s.HTTPS, oneOf(HTTPSRedirect)}},
		{"body_size", text{&s.BodySize, sizeProblem}},
		{"read_timeout", span{&s.ReadTimeout, time.Second}},
		{"gzip", truth{&s.Gzip}},
		{"trusted_proxies", list{&s.TrustedProxies, proxyProblem, itself}},
		{"site", text{&s.Site, oneOf(SiteOwn)}},
	}
}

func itself(s string) string { return s }

// A kind reads, checks and writes the values of one kind of field. An *Invalid
// that it returns names in Key only the part below the setting, such as "[1]".
type kind interface {
	read(node ast.Node, found places) *Invalid
	check() *Invalid
	// write returns the value as it stands after the key and its colon, with
	// further lines indented by indent; "" when it is not set.
	write(indent string) string
}

// A text is any scalar, taken as it is written: 1.10 is not 1.1.
type text struct {
	field   *string
	problem func(string) *Invalid
}

func (t text) read(node ast.Node, _ places) (invalid *Invalid) {
	*t.field, invalid = scalar(node)
	return invalid
}

func (t text) check() *Invalid {
	if *t.field == "" {
		return nil
	}
	return t.problem(*t.field)
}

func (t text) write(string) string {
	if *t.field == "" {
		return ""
	}
	return " " + quote(*t.field)
}

// A number is a whole number. 0 means that it is not set, which a file says by
// leaving the key out.
type number struct {
	field    *int
	min, max int
}

func (n number) read(node ast.Node, _ places) *Invalid {
	value, invalid := scalar(node)
	if invalid != nil {
		return invalid
	}
	parsed, err := strconv.Atoi(value)
	if err != nil {
		return &Invalid{Message: fmt.Sprintf("%q is not a whole number", value)}
	}
	*n.field = parsed
	return n.inRange()
}

func (n number) check() *Invalid {
	if *n.field == 0 {
		return nil
	}
	return n.inRange()
}

func (n number) inRange() *Invalid {
	if *n.field < n.min || *n.field > n.max {
		return &Invalid{Message: fmt.Sprintf("%d is not between %d and %d", *n.field, n.min, n.max)}
	}
	return nil
}

func (n number) write(string) string {
	if *n.field == 0 {
		return ""
	}
	return " " + strconv.Itoa(*n.field)
}

// A truth is true, or not set.
type truth struct{ field *bool }

func (t truth) read(node ast.Node, _ places) *Invalid {
	value, invalid := scalar(node)
	if invalid != nil {
		return invalid
	}
	if value != "true" && value != "false" {
		return &Invalid{Message: fmt.Sprintf("%q is neither true nor false", value)}
	}
	*t.field = value == "true"
	return nil
}

func (t truth) check() *Invalid { return nil }

func (t truth) write(string) string {
	if !*t.field {
		return ""
	}
	return " true"
}

// A span is a length of time.
type span struct {
	field **Duration
	min   time.Duration
}

func (s span) read(node ast.Node, _ places) *Invalid {
	value, invalid := scalar(node)
	if invalid != nil {
		return invalid
	}
	var d Duration
	if err := d.UnmarshalText([]byte(value)); err != nil {
		hint := "write it like 30s, 2m or 1m30s"
		if _, err := strconv.ParseUint(value, 10, 31); err == nil {
			hint = fmt.Sprintf("write %ss for seconds", value)
		}
		return &Invalid{Message: fmt.Sprintf("%q is not a length of time", value), Hint: hint}
	}
	*s.field = &d
	return nil
}

func (s span) check() *Invalid {
	d := (*s.field).Or(s.min)
	switch {
	case d < 0:
		return &Invalid{Message: fmt.Sprintf("%s is negative", d)}
	case d < s.min:
		return &Invalid{Message: fmt.Sprintf("%s is shorter than %s", d, s.min)}
	}
	return nil
}

func (s span) write(string) string {
	if *s.field == nil {
		return ""
	}
	return " " + (*s.field).String()
}

// A list is one of scalars, no two of which are the same.
type list struct {
	field   *[]string
	problem func(string) *Invalid
	same    func(string) string // what must differ between two items
}

func (l list) read(node ast.Node, found places) *Invalid {
	if node.Type() == ast.NullType {
		return nil
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return &Invalid{Message: "it is not a list", Hint: "write each item on a line of its own, after two blanks, a hyphen and a blank"}
	}
	for i, item := range sequence.Values {
		key := fmt.Sprintf("[%d]", i)
		found.add(key, item)
		value, invalid := scalar(item)
		if invalid != nil {
			invalid.Key = key
			return invalid
		}
		*l.field = append(*l.field, value)
	}
	return nil
}

func (l list) check() *Invalid {
	seen := map[string]bool{}
	for i, item := range *l.field {
		invalid := l.problem(item)
		if invalid == nil && seen[l.same(item)] {
			invalid = &Invalid{Message: fmt.Sprintf("%q is there twice", l.same(item))}
		}
		if invalid != nil {
			invalid.Key = fmt.Sprintf("[%d]", i)
			return invalid
		}
		seen[l.same(item)] = true
	}
	return nil
}

func (l list) write(indent string) string {
	var out strings.Builder
	for _, item := range *l.field {
		out.WriteString("\n" + indent + "- " + quote(item))
	}
	return out.String()
}

// variables are those of the environment.
type variables struct{ field *Env }

func (v variables) read(node ast.Node, found places) *Invalid {
	if node.Type() == ast.NullType {
		return nil
	}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		return &Invalid{Message: "it is not a list of variables", Hint: "write each one on a line of its own, as NAME: VALUE after two blanks"}
	}
	*v.field = Env{}
	for _, entry := range mapping.Values {
		name := entry.Key.GetToken().Value
		found.add("."+name, entry.Key)
		value, invalid := scalar(entry.Value)
		if invalid != nil {
			return &Invalid{Key: "." + name, Message: fmt.Sprintf("the value of %q is not one text", name), Hint: "put it in quotes"}
		}
		(*v.field)[name] = value
	}
	return nil
}

func (v variables) check() *Invalid {
	for _, name := range v.field.sortedKeys() {
		message, hint := valueProblem((*v.field)[name]), ""
		if !validEnvKey.MatchString(name) {
			message, hint = fmt.Sprintf("%q is not the name of a variable", name), "use letters, digits and _ only, no digit first"
		}
		if message != "" {
			return &Invalid{Key: "." + name, Message: message, Hint: hint}
		}
	}
	return nil
}

func (v variables) write(indent string) string {
	var out strings.Builder
	for _, name := range v.field.sortedKeys() {
		out.WriteString("\n" + indent + name + ": " + quote((*v.field)[name]))
	}
	return out.String()
}
