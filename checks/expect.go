package checks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
)

// expectation is one thing that a body must have.
type expectation struct {
	short string // "the expected text", for a tally
	what  string // the same in full
	text  string // what was searched for, if it was a text
	// in looks for it; near is what there is in its place, when that is known.
	in func(*page) (found bool, near string, err error)
}

// maxSteps limits a regular expression, in instructions of its program: each of
// them may have to be looked at for each byte of a body.
const maxSteps = 2000

// tooComplex reports whether the pattern is one that could keep a processor
// busy for minutes. One that cannot be read is not.
func tooComplex(pattern string) bool {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return false
	}
	program, err := syntax.Compile(parsed.Simplify())
	return err == nil && len(program.Inst) > maxSteps
}

// compileMatch reads a regular expression in which ^ and $ stand for the ends of
// a line, as in grep: few bodies are one line without an end.
func compileMatch(pattern string) (*regexp.Regexp, error) {
	if tooComplex(pattern) {
		return nil, fmt.Errorf("it is too complex: it has more than %d steps", maxSteps)
	}
	compiled, err := regexp.Compile("(?m)" + pattern)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		err = errors.New(wrong.Code.String()) // which names the pattern without what was put before it
	}
	return compiled, err
}

// expectations are those of a check, in the order in which they are looked for.
func expectations(check Check, pattern *regexp.Regexp) []expectation {
	var all []expectation
	if text := check.Content; text != "" {
		all = append(all, expectation{"the expected text", quote(text), text, func(p *page) (bool, string, error) {
			found, err := search(p.reader(), text)
			if found || err != nil && !errors.Is(err, errTooLong) {
				return found, "", err
			}
			return false, "", err
		}})
	}
	if pattern != nil {
		all = append(all, expectation{"a match", "a match of " + quote(check.Match), "", func(p *page) (bool, string, error) {
			found, err := match(p, pattern)
			return found, "", err
		}})
	}
	for _, field := range check.JSON {
		all = append(all, expectation{"the expected field", field.String(), "", func(p *page) (bool, string, error) {
			body, err := p.all()
			switch {
			case errors.Is(err, errTooLong):
				return false, fmt.Sprintf("a body of more than %d MiB", maxBody>>20), nil
			case err != nil:
				return false, "", err
			}
			near := field.in(body)
			return near == "", near, nil
		}})
	}
	return all
}

// search looks for text in what r holds, and returns at the first match.
func search(r io.Reader, text string) (found bool, err error) {
	needle := []byte(text)
	window := make([]byte, 0, searchFirst+len(needle))
	for {
		n, err := r.Read(window[len(window):cap(window)])
		window = window[:len(window)+n]
		if bytes.Contains(window, needle) {
			return true, nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		}
		// A match may straddle two reads: keep as much as could be its start.
		keep := min(len(window), len(needle)-1)
		copy(window, window[len(window)-keep:])
		window = slices.Grow(window[:keep], searchStep)
	}
}

// earlyLooks is how often a body that is still coming is looked at from its
// start: often enough for what is said piece by piece, and no way to keep a
// processor busy with single bytes.
const earlyLooks = 256

// maxEarly is up to which size it is looked at like that, in bytes.
const maxEarly = 16 << 10

// match looks for a match in the page while it comes. A body that breaks off
// has no end that a pattern could stand for.
func match(p *page, pattern *regexp.Regexp) (found bool, err error) {
	piece := make([]byte, searchStep)
	for range earlyLooks {
		if len(p.kept) < p.came || p.came >= maxEarly {
			break
		}
		if settled(pattern, p.kept) {
			return true, nil
		}
		if _, err := p.more(piece); err != nil {
			break // a look at the whole decides
		}
	}
	last := &lastError{Reader: p.reader()}
	found = pattern.MatchReader(bufio.NewReaderSize(last, searchStep))
	if last.err != nil && !errors.Is(last.err, io.EOF) {
		return false, last.err
	}
	return found, nil
}

// settled reports whether the beginning of a body matches whatever comes next.
// The package regexp looks at the next character before it believes in a match,
// and in a stream that may not come for hours.
func settled(pattern *regexp.Regexp, beginning []byte) bool {
	if !pattern.Match(beginning) {
		return false
	}
	for _, next := range []byte{'\x01', 'a'} { // no part of a word, and one
		if !pattern.Match(append(bytes.Clone(beginning), next)) {
			return false
		}
	}
	return true
}

// lastError remembers why reading ended.
type lastError struct {
	io.Reader
	err error
}

func (l *lastError) Read(b []byte) (n int, err error) {
	n, err = l.Reader.Read(b)
	l.err = err
	return n, err
}
