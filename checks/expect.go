package checks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// expectation is one thing that a body must have.
type expectation struct {
	short string // "the expected text", for a tally
	what  string // the same in full
	// in looks for it; near is what there is in its place, when that is known.
	in func(*page) (found bool, near string, err error)
}

// expectations are those of a check, in the order in which they are looked for.
func expectations(check Check, pattern *regexp.Regexp) []expectation {
	var all []expectation
	if text := check.Content; text != "" {
		all = append(all, expectation{"the expected text", quote(text), func(p *page) (bool, string, error) {
			found, err := search(p.reader(), text)
			if found || err != nil && !errors.Is(err, errTooLong) {
				return found, "", err
			}
			return false, nearest(p.beginning(), text), err
		}})
	}
	if pattern != nil {
		all = append(all, expectation{"a match", "a match of " + quote(check.Match), func(p *page) (bool, string, error) {
			return match(p.reader(), pattern)
		}})
	}
	for _, field := range check.JSON {
		all = append(all, expectation{"the expected field", field.String(), func(p *page) (bool, string, error) {
			body, err := io.ReadAll(p.reader())
			if err != nil {
				return false, "", err
			}
			near := field.in(body)
			return near == "", near, nil
		}})
	}
	return all
}

// String is the field as it is written.
func (f Field) String() string {
	if f.Want == "" {
		return "a field " + quote(f.Path)
	}
	return fmt.Sprintf("the field %s = %s", printable(f.Path, 60), printable(f.Want, 60))
}

// in says what stands in the body in place of the wanted value, and nothing
// when it is there.
func (f Field) in(body []byte) string {
	if !gjson.ValidBytes(body) {
		return "a body that is not JSON"
	}
	value := gjson.GetBytes(body, f.Path)
	switch {
	case !value.Exists():
		return noField(body)
	case f.Want == "" || f.equals(value):
		return ""
	default:
		return fmt.Sprintf("%s = %s", printable(f.Path, 60), printable(value.Raw, 60))
	}
}

// equals compares with a string in quotes as such, and with anything else as
// it is written.
func (f Field) equals(value gjson.Result) bool {
	if text, err := strconv.Unquote(f.Want); err == nil && f.Want[0] == '"' {
		return value.Type == gjson.String && value.Str == text
	}
	return value.Raw == f.Want || value.String() == f.Want
}

// noField names the fields that there are.
func noField(body []byte) string {
	const shown = 6
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return "no such field in " + printable(root.Raw, 60)
	}
	var names []string
	more := false
	root.ForEach(func(key, _ gjson.Result) bool {
		if more = len(names) == shown; more {
			return false
		}
		names = append(names, printable(key.Str, 30))
		return true
	})
	if len(names) == 0 {
		return "no field at all"
	}
	text := "no such field, but " + strings.Join(names, ", ")
	if more {
		text += " …"
	}
	return text
}

// page is a body that is read while it comes, up to maxBody, and as often as
// there are expectations.
type page struct {
	source io.Reader
	kept   []byte // what has come so far, up to keep bytes
	keep   int
	came   int
	err    error // io.EOF at its end
}

// newPage reads from source. Only a page that is read again keeps all of it.
func newPage(source io.Reader, again bool) *page {
	if again {
		return &page{source: source, keep: maxBody}
	}
	return &page{source: source, keep: maxKept}
}

// reader reads the page from its start.
func (p *page) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(p.kept), readerFunc(p.more))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// more reads what has not come yet.
func (p *page) more(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if p.came >= maxBody {
		p.err = errTooLong
		return 0, p.err
	}
	n, err := p.source.Read(b[:min(len(b), maxBody-p.came)])
	p.came += n
	if room := p.keep - len(p.kept); room > 0 {
		p.kept = append(p.kept, b[:min(n, room)]...)
	}
	p.err = err
	return n, err
}

// beginning is what a failure can show of the page.
func (p *page) beginning() []byte { return p.kept[:min(len(p.kept), maxKept)] }

// search looks for text in what r holds, and returns at the first match.
func search(r io.Reader, text string) (found bool, err error) {
	needle := []byte(text)
	window := make([]byte, 0, searchStep+len(needle))
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
		window = window[:keep]
	}
}

// match looks for a match in what r holds, and reads no further than it must. A
// body that breaks off has no end that a pattern could stand for.
func match(r io.Reader, pattern *regexp.Regexp) (found bool, near string, err error) {
	last := &lastError{Reader: r}
	found = pattern.MatchReader(bufio.NewReaderSize(last, searchStep))
	if last.err != nil && !errors.Is(last.err, io.EOF) {
		return false, "", last.err
	}
	return found, "", nil
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
