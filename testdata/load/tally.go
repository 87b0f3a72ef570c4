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
	whole    section
	phases   []section
	versions map[string]*Version
	reasons  map[string]int
	last     time.Time // of the latest good answer to a post
	book     book
}

// A section is a part of a run, or all of it.
type section struct {
	name  string
	kinds map[Kind]*kindTally
}

type kindTally struct {
	count   Count
	latency histogram
}

func newTally(config Config) *tally {
	t := &tally{
		losses:   config.Losses,
		report:   Report{Started: time.Now()},
		whole:    section{kinds: map[Kind]*kindTally{}},
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

func (t *tally) begin(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phases = append(t.phases, section{name: phase, kinds: map[Kind]*kindTally{}})
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

// message counts one that came back after the time.
func (t *tally) message(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Messages++
	t.each(Websocket, func(k *kindTally) { k.latency.add(after) })
}

// sent counts a request before anything of it is written, so that an app can
// never have processed one that is not in the book. client begins its id.
func (t *tally) sent(kind Kind, client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.each(kind, func(k *kindTally) { k.count.Sent++ })
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
	t.each(q.kind, func(k *kindTally) { k.settle(q, o) })
	switch {
	case o.exposed:
	case o.fault != nil:
		t.lose(q, o)
	case o.answered && !o.cut && q.kind == Post:
		t.answer(o)
	}
}

func (k *kindTally) settle(q request, o outcome) {
	switch {
	case o.exposed:
		k.count.Exposed++
	case o.fault != nil:
		k.count.Lost++
	case o.cut:
		k.count.Cut++
	case o.turnedAway:
		k.count.TurnedAway++
	default:
		k.count.Answered++
		if q.kind != Websocket {
			k.latency.add(o.ended.Sub(o.begun) - q.takes)
		}
	}
}

func (t *tally) lose(q request, o outcome) {
	t.reasons[o.fault.reason]++
	if len(t.report.Losses) < t.losses {
		t.report.Losses = append(t.report.Losses, Loss{
			Time: o.ended, Kind: q.kind, ID: q.id, Version: o.version,
			Reason: o.fault.reason, Detail: o.fault.detail, After: o.ended.Sub(o.begun),
		})
	}
}

// answer takes the figures that only posts give.
func (t *tally) answer(o outcome) {
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

// each visits the kind's tallies: the whole run's, and the present phase's.
func (t *tally) each(kind Kind, visit func(*kindTally)) {
	visit(t.whole.of(kind))
	if n := len(t.phases); n > 0 {
		visit(t.phases[n-1].of(kind))
	}
}

func (s section) of(kind Kind) *kindTally {
	if s.kinds[kind] == nil {
		s.kinds[kind] = &kindTally{}
	}
	return s.kinds[kind]
}

func (s section) counts() map[Kind]Count {
	counts := map[Kind]Count{}
	for kind, k := range s.kinds {
		count := k.count
		count.Latency = k.latency.latency()
		counts[kind] = count
	}
	return counts
}

func (t *tally) snapshot() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	if r.Ended.IsZero() {
		r.Ended = time.Now()
	}
	r.Losses = slices.Clone(r.Losses)
	r.Kinds = t.whole.counts()
	for _, c := range r.Kinds {
		r.Sent += c.Sent
		r.Answered += c.Answered
		r.Lost += c.Lost
		r.Cut += c.Cut
		r.TurnedAway += c.TurnedAway
		r.Exposed += c.Exposed
	}
	for _, phase := range t.phases {
		r.Phases = append(r.Phases, Phase{Name: phase.name, Kinds: phase.counts()})
	}
	for _, v := range t.versions {
		r.Versions = append(r.Versions, *v)
	}
	slices.SortFunc(r.Versions, func(a, b Version) int { return a.First.Compare(b.First) })
	r.Reasons = maps.Clone(t.reasons)
	r.Latency = r.Kinds[Post].Latency
	r.book = book{sent: maps.Clone(t.book.sent), open: maps.Clone(t.book.open)}
	return r
}
