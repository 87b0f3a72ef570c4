package checks

import "time"

// Pauses between tries.
const (
	refusedFirst = 10 * time.Millisecond
	refusedLast  = 250 * time.Millisecond
	wrongFirst   = 50 * time.Millisecond
	// commandFirst is longer: to run something in a container takes an engine
	// as long as many requests take.
	commandFirst = 250 * time.Millisecond
)

// lagShare limits a pause to this part of the time waited so far: 1/40 keeps an
// app that boots in a second from waiting more than 20 ms for its next try.
const lagShare = 40

// pauses decides how long to pause after a try that did not pass.
type pauses struct {
	wrong time.Duration // first pause after a wrong answer
	wait  time.Duration // longest one
	kind  kind
	since time.Time // when tries began to come to that kind
	pause time.Duration
}

func newPauses(of Kind, wait time.Duration) *pauses {
	wrong := wrongFirst
	if of == KindCommand {
		wrong = commandFirst
	}
	return &pauses{wrong: wrong, wait: wait}
}

// after returns the pause that follows a try of this kind that ended now. It
// begins short again when the kind changes: an app that refused and now answers
// 503 is about to come up.
func (p *pauses) after(k kind, now time.Time) time.Duration {
	first, last := refusedFirst, refusedLast
	if k == wrongAnswer {
		first, last = p.wrong, max(p.wait, p.wrong)
	}
	if p.pause == 0 || k != p.kind {
		p.kind, p.since, p.pause = k, now, first
		return first
	}
	if doubled := 2 * p.pause; doubled <= now.Sub(p.since)/lagShare {
		p.pause = doubled
	}
	return min(p.pause, last)
}
