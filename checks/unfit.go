package checks

import (
	"fmt"
	"strings"
)

// shownResults is how many failures are told, the first of them whole.
const shownResults = 3

// Unfit is the error of a report that did not pass. It wraps Report.Cause.
type Unfit struct{ Report Report }

// Error tells the first failure whole and names the next ones, in at most 20
// lines of 100 columns that are safe for a terminal.
func (e *Unfit) Error() string {
	var s screen
	if e.Report.Cause != nil {
		s.fold("checks ended: "+e.Report.Cause.Error(), "  ")
	}
	failed := e.told()
	for i, r := range failed {
		switch {
		case i == 0:
			e.tell(&s, r)
		case i < shownResults:
			s.add("also %s, %s: %s", r.Target, r.Check.Where(e.Report.Source), r.Summary())
		default:
			s.add("and %d more", len(failed)-i)
			return s.String()
		}
	}
	return s.String()
}

// Headline is the first failure in one line.
func (e *Unfit) Headline() string {
	if e.Report.Cause != nil {
		return fmt.Sprintf("checks ended: %s", e.Report.Cause)
	}
	return e.headline(e.told()[0])
}

// Unwrap returns what ended the run, or nil.
func (e *Unfit) Unwrap() error { return e.Report.Cause }

// told are the failures in the order of interest: those that were tried first.
func (e *Unfit) told() []Result {
	var tried, untried []Result
	for _, r := range e.Report.Failed() {
		if r.Attempts > 0 {
			tried = append(tried, r)
		} else {
			untried = append(untried, r)
		}
	}
	return append(tried, untried...)
}

func (e *Unfit) headline(r Result) string {
	return fmt.Sprintf("%s did not pass %s (%s) in %s: %s", r.Target, quote(r.Check.Raw), r.Check.Where(e.Report.Source), seconds(r.Elapsed), r.Summary())
}

// Summary is the tries in words: `3 × connection refused, 2 × 503`.
func (r Result) Summary() string {
	switch {
	case len(r.Tallies) > 0:
	case r.OK:
		return "passed at once"
	case r.Passes > 0:
		return fmt.Sprintf("%d × passed, but not often enough", r.Passes)
	default:
		return "not tried"
	}
	parts := make([]string, len(r.Tallies), len(r.Tallies)+1)
	for i, t := range r.Tallies {
		parts[i] = fmt.Sprintf("%d × %s", t.Count, t.What)
	}
	if r.Passes > 0 && !r.OK {
		parts = append(parts, fmt.Sprintf("and %d × passed in between", r.Passes))
	}
	return strings.Join(parts, ", ")
}

// tell writes all that is known about one failure.
func (e *Unfit) tell(s *screen, r Result) {
	s.add("%s: %s", r.Check.Where(e.Report.Source), printable(r.Check.Raw, shownColumns))
	name := r.Target
	if r.Address != "" && r.Address != name {
		name += " (" + r.Address + ")"
	}
	s.fold(fmt.Sprintf("  %s did not pass in %s: %s", name, seconds(r.Elapsed), r.Summary()), "    ")
	if r.Detail != "" {
		s.fold("  "+r.Detail, "    ")
	}
	if len(r.Output) > 0 {
		s.add("  its output ends with:")
		s.end(r.Output)
	}
	if r.Answer != nil {
		s.answer(r.Answer)
	}
	if r.Missing != "" {
		s.add("  expected, and not found: %s", r.Missing)
	}
	if r.Near != "" {
		s.add("  but there is %s", r.Near)
	}
}
