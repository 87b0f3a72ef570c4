package load

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A tally counts what the clients saw.
type tally struct {
	mu      sync.Mutex
	allowed map[string]bool // empty: any
	losses  int             // told one by one

	report   Report
	kinds    map[Kind]*Count
	versions map[string]*Version
	reasons  map[string]int
	latency  histogram
	last     time.Time // of the latest good answer to a post
	book     book
}

func newTally(config Config) *tally {
	t := &tally{
		losses:   config.Losses,
		report:   Report{Started: time.Now()},
		kinds:    map[Kind]*Count{},
		versions: map[string]*Version{},
		reasons:  map[string]int{},
		book:     book{sent: map[string]int{}, open: map[string]bool{}},
	}
	t.allow(config.Allowed)
	return t
}

func (t *tally) allow(versions []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = map[string]bool{}
	for _, v := range versions {
		t.allowed[v] = true
	}
}

func (t *tally) opened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Connections++
}

func (t *tally) announced() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Announced++
}

func (t *tally) message() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Messages++
}

// sent counts a request before anything of it is written, so that an app can
// never have processed one that is not in the book. client begins its id.
func (t *tally) sent(kind Kind, client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kind(kind).Sent++
	t.book.sent[client]++
}

// check makes a fault of an answer by a release that may not answer now.
func (t *tally) check(o outcome) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.version != "" && len(t.allowed) > 0 && !t.allowed[o.version] {
		t.report.Unchecked++
		o.fault = &fault{reason: fmt.Sprintf("release %.40q is not allowed", o.version)}
	}
	return o
}

// settle counts what became of q.
func (t *tally) settle(q request, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !o.answered && !o.cut {
		t.book.open[q.id] = true
	}
	switch {
	case o.fault != nil:
		t.lose(q, o)
	case o.cut:
		t.report.Cut++
		t.kind(q.kind).Cut++
	default:
		t.kind(q.kind).Answered++
		if q.kind == Post {
			t.answer(o)
		}
	}
}

func (t *tally) lose(q request, o outcome) {
	t.kind(q.kind).Lost++
	t.reasons[o.fault.reason]++
	if len(t.report.Losses) < t.losses {
		t.report.Losses = append(t.report.Losses, Loss{
			Time: o.ended, Kind: q.kind, ID: q.id, Version: o.version,
			Reason: o.fault.reason, Detail: o.fault.detail, After: o.ended.Sub(o.begun),
		})
	}
}

// answer takes the figures that only posts give: the others are slow on
// purpose.
func (t *tally) answer(o outcome) {
	t.latency.add(o.ended.Sub(o.begun))
	if !t.last.IsZero() {
		t.report.Silence = max(t.report.Silence, o.ended.Sub(t.last))
	}
	if o.ended.After(t.last) {
		t.last = o.ended
	}
	v := t.versions[o.version]
	if v == nil {
		v = &Version{Name: o.version, First: o.ended, Last: o.ended}
		t.versions[o.version] = v
	}
	v.Answers++
	if o.ended.Before(v.First) {
		v.First = o.ended
	}
	if o.ended.After(v.Last) {
		v.Last = o.ended
	}
}

func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.report.Ended.IsZero() {
		t.report.Ended = time.Now()
	}
}

func (t *tally) kind(k Kind) *Count {
	if t.kinds[k] == nil {
		t.kinds[k] = &Count{}
	}
	return t.kinds[k]
}

func (t *tally) snapshot() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	if r.Ended.IsZero() {
		r.Ended = time.Now()
	}
	r.Losses = slices.Clone(r.Losses)
	r.Kinds = map[Kind]Count{}
	for k, c := range t.kinds {
		r.Kinds[k] = *c
		r.Sent += c.Sent
		r.Answered += c.Answered
		r.Lost += c.Lost
	}
	for _, v := range t.versions {
		r.Versions = append(r.Versions, *v)
	}
	slices.SortFunc(r.Versions, func(a, b Version) int { return a.First.Compare(b.First) })
	r.Reasons = maps.Clone(t.reasons)
	r.Latency = t.latency.latency()
	r.book = book{sent: maps.Clone(t.book.sent), open: maps.Clone(t.book.open)}
	return r
}
