package console

import (
	"cmp"
	"slices"

	"zdd/checks"
)

// settingObject, checkObject and problemObject are the lines of a file of
// checks in JSON.
type settingObject struct {
	Kind  string `json:"kind"`
	Line  int    `json:"line"`
	Name  string `json:"name"`
	Value int    `json:"value"`
}

type checkObject struct {
	Kind     string            `json:"kind"`
	Line     int               `json:"line"`
	URL      string            `json:"url"`
	Content  string            `json:"content"`
	Type     string            `json:"type,omitempty"` // tcp, grpc, command, uptime; HTTP has none
	Name     string            `json:"name,omitempty"`
	Method   string            `json:"method,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Status   string            `json:"status,omitempty"`
	Match    string            `json:"match,omitempty"`
	JSON     []checks.Field    `json:"json,omitempty"`
	Port     int               `json:"port,omitempty"`
	Service  string            `json:"service,omitempty"`
	Command  []string          `json:"command,omitempty"`
	Uptime   int               `json:"uptime,omitempty"` // seconds
	Delay    int               `json:"delay,omitempty"`  // seconds, as the next two
	Wait     *int              `json:"wait,omitempty"`
	Timeout  int               `json:"timeout,omitempty"`
	Attempts int               `json:"attempts,omitempty"`
	Warn     bool              `json:"warn,omitempty"`
}

type problemObject struct {
	Kind       string          `json:"kind"`
	Line       int             `json:"line"`
	Severity   checks.Severity `json:"severity"`
	Message    string          `json:"message"`
	Suggestion string          `json:"suggestion"`
}

// lintObjects are those of a file, in the order of its lines; what is about
// the whole of it comes last.
func lintObjects(file checks.File, problems []checks.Problem) []any {
	type placed struct {
		line   int
		object any
	}
	var all []placed
	for _, setting := range file.Settings {
		all = append(all, placed{setting.Line, settingObject{"setting", setting.Line, setting.Name, setting.Value}})
	}
	for _, check := range file.Checks {
		if check.Line > 0 {
			all = append(all, placed{check.Line, checkOf(check)})
		}
	}
	for _, problem := range problems {
		all = append(all, placed{problem.Line, problemOf(problem)})
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(uint(a.line)-1, uint(b.line)-1) })
	objects := make([]any, len(all))
	for i := range all {
		objects[i] = all[i].object
	}
	return objects
}

func problemOf(p checks.Problem) problemObject {
	return problemObject{"problem", p.Line, p.Severity, p.Message, p.Suggestion}
}

func checkOf(c checks.Check) checkObject {
	object := checkObject{
		Kind: "check", Line: c.Line, URL: c.URL, Content: c.Content, Type: string(c.Kind), Name: c.Name,
		Method: c.Method, Headers: header(c.Header), Match: c.Match, JSON: c.JSON, Port: c.Port,
		Service: c.Service, Command: c.Command, Uptime: int(c.Uptime.Seconds()), Warn: c.Warn,
	}
	if c.Status != nil {
		object.Status = c.Status.Written()
	}
	if p := c.Pace; p != nil {
		wait := int(p.Wait.Seconds())
		object.Delay, object.Wait, object.Timeout, object.Attempts = int(p.Delay.Seconds()), &wait, int(p.Timeout.Seconds()), p.Attempts
	}
	return object
}
