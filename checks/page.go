package checks

import (
	"bytes"
	"errors"
	"io"
)

// page is a body that is read while it comes, up to maxBody, and as often as
// there are expectations.
type page struct {
	source io.Reader
	ended  func() error // not nil when nobody waits for the page any more
	kept   []byte       // what has come so far, up to keep bytes
	keep   int
	came   int
	err    error // io.EOF at its end
}

// newPage reads from source until ended says why to stop, and keeps all of it
// only when told to.
func newPage(source io.Reader, keep bool, ended func() error) *page {
	if keep {
		return &page{source: source, ended: ended, keep: maxBody}
	}
	return &page{source: source, ended: ended, keep: maxKept}
}

// reader reads the page from its start.
func (p *page) reader() io.Reader {
	return io.MultiReader(p.again(bytes.NewReader(p.kept)), readerFunc(p.more))
}

// again reads what came before, in pieces: to search it may take long.
func (p *page) again(kept io.Reader) readerFunc {
	return func(b []byte) (int, error) {
		if err := p.ended(); err != nil {
			return 0, err
		}
		return kept.Read(b[:min(len(b), searchStep)])
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// more reads what has not come yet.
func (p *page) more(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if err := p.ended(); err != nil {
		p.err = err
		return 0, err
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
func (p *page) beginning() []byte {
	if len(p.kept) > maxKept {
		return bytes.Clone(p.kept[:maxKept]) // lest it hold on to the rest
	}
	return p.kept
}

// all is the whole page. It must be one that is kept.
func (p *page) all() ([]byte, error) {
	buffer := make([]byte, searchStep)
	for p.err == nil {
		_, _ = p.more(buffer)
	}
	if errors.Is(p.err, io.EOF) {
		return p.kept, nil
	}
	return nil, p.err
}
