package checks

import (
	"fmt"
	"time"
)

// progressEvery is how often Options.Observe hears that nothing has changed.
const progressEvery = time.Second

// Progress is how far a run has come.
type Progress struct {
	// Passed of Total targets have passed all checks.
	Passed, Total int
	// Waiting are the others, in the order of the targets.
	Waiting []Waiting
	// Held is for how long all have held, of HoldFor that they must; zero
	// before and where nothing has to hold.
	Held, HoldFor time.Duration
}

// Waiting is a target that has not passed yet.
type Waiting struct {
	Target string
	// Check is the first that has not passed.
	Check Check
	// Reason is what its last try came to, empty before the first has ended.
	Reason string
	// For is how long it has been so.
	For time.Duration
}

// String is one line: `2 of 3 replicas answer; web-2: connection refused for 4.2 s`.
func (p Progress) String() string {
	if p.HoldFor > 0 && p.Passed == p.Total {
		return fmt.Sprintf("all checks pass, for %s of %s", seconds(p.Held), seconds(p.HoldFor))
	}
	text := fmt.Sprintf("%d of %d replicas answer", p.Passed, p.Total)
	if p.Total == 1 {
		text = [...]string{"the replica does not answer yet", "the replica answers"}[p.Passed]
	}
	for _, w := range p.Waiting {
		if w.Reason != "" {
			return fmt.Sprintf("%s; %s: %s for %s", text, w.Target, w.Reason, seconds(w.For))
		}
	}
	return text
}

// seconds is a duration as people say it.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// note is what a try of one check came to.
type note struct {
	check  int
	passed bool
	reason string
	hold   bool      // this note is about the time to hold, and no check
	since  time.Time // when it began; zero when it is over
}

// watch turns the notes of all targets into Progress. Only the goroutine in
// until touches its state.
type watch struct {
	file    File
	targets []Target
	observe func(Progress)
	notes   chan targetNote
	state   []targetState
	holdFor time.Duration
	held    time.Time // since when
}

type targetNote struct {
	target int
	note
}

type targetState struct {
	passed  []bool
	reasons []string
	left    int
	shown   string // reason of the first check that has not passed
	since   time.Time
}

func newWatch(file File, targets []Target, options Options, started time.Time) *watch {
	w := &watch{
		file: file, targets: targets, observe: options.Observe, holdFor: options.HealthyFor,
		notes: make(chan targetNote), state: make([]targetState, len(targets)),
	}
	for i := range w.state {
		n := len(file.Checks)
		s := targetState{passed: make([]bool, n), reasons: make([]string, n), left: n, since: started}
		for k, check := range file.Checks {
			if s.passed[k] = check.Warn; check.Warn { // nobody waits for it
				s.left--
			}
		}
		w.state[i] = s
	}
	return w
}

// holding hands the beginning of the time to hold to until, or its end, as zero.
func (w *watch) holding(since time.Time) { w.tell(0, note{hold: true, since: since}) }

// tell hands a note to until. Nobody listens when nobody observes.
func (w *watch) tell(target int, n note) {
	if w.observe != nil {
		w.notes <- targetNote{target, n}
	}
}

// until returns when ended is closed; by then all notes have been taken.
func (w *watch) until(ended <-chan struct{}) {
	if w.observe == nil {
		<-ended
		return
	}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case n := <-w.notes:
			if w.take(n) {
				w.observe(w.progress())
			}
		case <-ticker.C:
			w.observe(w.progress())
		case <-ended:
			return
		}
	}
}

// take notes n, and reports whether an observer would see a difference.
func (w *watch) take(n targetNote) bool {
	if n.hold {
		w.held = n.since
		return !n.since.IsZero()
	}
	if w.file.Checks[n.check].Warn {
		return false
	}
	s := &w.state[n.target]
	s.reasons[n.check] = n.reason
	if n.passed != s.passed[n.check] {
		s.passed[n.check] = n.passed
		if n.passed {
			s.left--
		} else {
			s.left++
		}
	} else if n.passed {
		return false
	}
	if s.left == 0 {
		return true
	}
	if shown := s.reasons[s.first()]; shown != s.shown {
		s.shown, s.since = shown, time.Now()
		return true
	}
	return false
}

func (w *watch) progress() Progress {
	p := Progress{Total: len(w.targets)}
	if !w.held.IsZero() {
		p.Held, p.HoldFor = time.Since(w.held), w.holdFor
	}
	for i, s := range w.state {
		if s.left == 0 {
			p.Passed++
			continue
		}
		p.Waiting = append(p.Waiting, Waiting{
			Target: w.targets[i].Name,
			Check:  w.file.Checks[s.first()],
			Reason: s.shown,
			For:    time.Since(s.since),
		})
	}
	return p
}

// first is the first check that has not passed; there must be one.
func (s targetState) first() int {
	for i, passed := range s.passed {
		if !passed {
			return i
		}
	}
	return 0
}
