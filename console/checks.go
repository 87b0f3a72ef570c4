package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"zdd/checks"
	"zdd/deploy"
)

// Begin says which step is at work, for a command without events.
func (c *Console) Begin(step deploy.Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step, c.since, c.note = step, time.Now(), ""
	c.draw()
}

// checkLine is a check in JSON.
type checkLine struct {
	Path     string  `json:"path"`
	OK       bool    `json:"ok"`
	Status   int     `json:"status"`
	Attempts int     `json:"attempts"`
	Error    string  `json:"error"`
	Check    string  `json:"check,omitempty"` // as it is written
	Line     int     `json:"line,omitempty"`  // of its file
	Via      string  `json:"via"`             // address or nginx
	Target   string  `json:"target"`
	Address  string  `json:"address,omitempty"`
	Seconds  float64 `json:"seconds"`
	Warn     bool    `json:"warn,omitempty"` // it decides nothing
}

// The ways to an app.
const (
	viaAddress = "address"
	viaNginx   = "nginx"
)

// Checkup shows what the checks of a live release came to.
func (c *Console) Checkup(checkup deploy.Checkup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.step = ""
	if len(checkup.Replicas.Results) == 0 {
		return // it did not come to that, and the failure says why
	}
	c.told = true
	if !c.config.JSON {
		fmt.Fprintf(c.config.Out, "%s: release %d (%s) in %s, checks: %s\n",
			checkup.App, checkup.Release, plain(checkup.Image), checkup.Slot, plain(checkup.Replicas.Source))
	}
	c.results(checkup.Replicas, viaAddress)
	c.results(checkup.Nginx, viaNginx)
}

// Report shows what checks came to.
func (c *Console) Report(report checks.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.step, c.told = "", true // the lines of the checks say all that there is to say
	c.results(report, viaAddress)
}

func (c *Console) results(report checks.Report, via string) {
	if c.config.JSON {
		c.resultObjects(report, via)
		return
	}
	if report.Cause != nil && len(report.Results) == 0 {
		fmt.Fprintf(c.config.Out, "%s %s: %s\n", c.paint(red, "✗"), via, plain(report.Cause.Error()))
		return
	}
	table := tabwriter.NewWriter(c.config.Out, 0, 0, 2, ' ', 0)
	for _, r := range report.Results {
		fmt.Fprintf(table, "%s %s\t%s\t%s\n", c.verdict(r), plain(r.Target), cut(plain(r.Check.Raw), c.config.Width/2), cameTo(r))
	}
	_ = table.Flush()
}

func (c *Console) verdict(r checks.Result) string {
	switch {
	case r.OK:
		return c.paint(green, "✓")
	case r.Check.Warn:
		return c.paint(yellow, "!")
	default:
		return c.paint(red, "✗")
	}
}

// cameTo says in some words what the tries of a check came to.
func cameTo(r checks.Result) string {
	took := fmt.Sprintf(" in %.0f ms", r.Elapsed.Seconds()*1000)
	switch {
	case !r.OK:
		return plain(r.Summary())
	case r.Status != 0:
		return strconv.Itoa(r.Status) + " " + http.StatusText(r.Status) + took
	default:
		return "passed" + took
	}
}

func (c *Console) resultObjects(report checks.Report, via string) {
	for _, r := range report.Results {
		line := checkLine{
			Path: r.Check.Path, OK: r.OK, Status: r.Status, Attempts: r.Attempts, Check: r.Check.Raw, Line: r.Check.Line,
			Via: via, Target: r.Target, Address: r.Address, Seconds: r.Elapsed.Seconds(), Warn: r.Check.Warn,
		}
		if !r.OK {
			line.Error = report.Line(r)
		}
		c.object(line)
	}
	if report.Cause != nil && len(report.Results) == 0 {
		c.object(checkLine{Via: via, Target: via, Error: report.Cause.Error()})
	}
}

// Lint shows what a file of checks says, and what is wrong with it.
func (c *Console) Lint(file checks.File, problems []checks.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = true // in JSON the lines are all that there is
	if c.config.JSON {
		for _, object := range lintObjects(file, problems) {
			c.object(object)
		}
		return
	}
	errors := 0
	for _, problem := range problems {
		mark := c.paint(yellow, "warning")
		if problem.Severity == checks.SeverityError {
			mark = c.paint(red, "error")
			errors++
		}
		place := plain(file.Source)
		if problem.Line > 0 {
			place += ":" + strconv.Itoa(problem.Line)
		}
		fmt.Fprintf(c.config.Out, "%s: %s: %s\n", place, mark, plain(problem.Message))
		if problem.Suggestion != "" {
			fmt.Fprintf(c.config.Out, "    perhaps: %s\n", plain(problem.Suggestion))
		}
	}
	fmt.Fprintf(c.config.Out, "%s: %s, %s, %s\n", plain(file.Source), count(written(file), "check"), count(errors, "error"), count(len(problems)-errors, "warning"))
}

// Converted writes a file of checks in another format, as it is, and tells what
// was lost.
func (c *Console) Converted(name, format string, content []byte, notes []checks.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config.JSON {
		for _, note := range notes {
			c.object(problemOf(note))
		}
		c.object(map[string]string{"kind": "converted", "format": format, "content": string(content)})
		return
	}
	for _, note := range notes {
		fmt.Fprintf(c.config.Err, "%s %s: %s\n", c.paint(yellow, "zdd: warning:"), plain(name), plain(note.String()))
	}
	_, _ = c.config.Out.Write(content)
}

// written counts the checks that the file itself has.
func written(file checks.File) int {
	n := 0
	for _, check := range file.Checks {
		if check.Line > 0 {
			n++
		}
	}
	return n
}

func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	default:
		return strconv.Itoa(n) + " " + noun + "s"
	}
}

// header is a request's header in JSON.
func header(fields []checks.HeaderField) map[string]string {
	if len(fields) == 0 {
		return nil
	}
	all := map[string]string{}
	for _, field := range fields {
		all[field.Name] = strings.TrimPrefix(all[field.Name]+", "+field.Value, ", ")
	}
	return all
}
