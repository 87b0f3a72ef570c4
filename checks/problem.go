package checks

import (
	"fmt"
	"strings"
)

// Severity says whether a file with the problem may be used.
type Severity string

const (
	// SeverityError is a file that cannot be used: what it asks for would not
	// be what is checked.
	SeverityError Severity = "error"
	// SeverityWarning is a line that is probably not what its author meant.
	SeverityWarning Severity = "warning"
)

// Problem is something about a file that its author should know.
type Problem struct {
	// Line counts from 1; 0 means the file as a whole.
	Line     int
	Severity Severity
	Message  string
	// Suggestion is the line as it should probably read, or empty.
	Suggestion string
}

// Invalid is a file that cannot be used. It holds at least one error.
type Invalid struct {
	Source   string
	Problems []Problem
}

// Errors returns nil when no problem is an error, and else an *Invalid with
// those that are.
func Errors(source string, problems []Problem) error {
	var errs []Problem
	for _, p := range problems {
		if p.Severity == SeverityError {
			errs = append(errs, p)
		}
	}
	if errs == nil {
		return nil
	}
	return &Invalid{Source: source, Problems: errs}
}

// String is the problem as one line of text.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	b.WriteString(p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "; perhaps: %s", printable(p.Suggestion, 100))
	}
	return b.String()
}

// Error names the file and its first errors, one a line.
func (e *Invalid) Error() string {
	const shown = 5
	var b strings.Builder
	for i, p := range e.Problems {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(e.Problems)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s %s", e.Source, p)
	}
	return b.String()
}
