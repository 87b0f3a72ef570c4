package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lull is how long a client rests after a loss, so that a server which is gone
// is not asked in a tight loop.
const lull = 10 * time.Millisecond

// A Run is load in progress.
type Run struct {
	config Config
	prefix string // of every request id, so that two runs may share an app
	tally  *tally
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// Start begins to send requests. The run goes on until [Run.Stop], the end of
// ctx or [Config.Limit]; Stop must be called in every case. The only errors
// are those of the config.
func Start(ctx context.Context, config Config) (*Run, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, config.Limit)
	r := &Run{config: config, prefix: rand.Text()[:8], tally: newTally(config), stop: stop}
	r.start(config.Gets, Get, func(name string) { r.ask(ctx, name, r.get) })
	r.start(config.Clients, Post, func(name string) { r.ask(ctx, name, r.post) })
	r.start(config.SlowUploads, Upload, func(name string) { r.ask(ctx, name, r.upload) })
	r.start(config.SlowAnswers, Slow, func(name string) { r.ask(ctx, name, r.slow) })
	r.start(config.Streams, Stream, func(name string) { r.ask(ctx, name, r.stream) })
	r.start(config.Websockets, Websocket, func(name string) { r.talk(ctx, name) })
	return r, nil
}

// Allow replaces the releases that may answer; none allows any. An answer is
// judged by what is allowed when it arrives.
func (r *Run) Allow(versions ...string) { r.tally.allow(versions) }

// Phase begins a part of the run whose figures the report has separately; the
// one before ends.
func (r *Run) Phase(name string) { r.tally.begin(name) }

// Report says what has happened so far. Requests in flight are in Sent and
// nowhere else.
func (r *Run) Report() Report { return r.tally.snapshot() }

// Wait returns when the run has ended by itself: after [Config.Limit] or the
// end of its context, and the answers to the requests in flight.
func (r *Run) Wait() { r.done.Wait() }

// Stop sends nothing more, waits for the answers to the requests in flight (at
// most their own time limits) and reports. It may be called again.
func (r *Run) Stop() Report {
	r.stop()
	r.done.Wait()
	r.tally.end()
	return r.tally.snapshot()
}

// start runs n clients of a kind. A client's name begins its requests' ids.
func (r *Run) start(n int, kind Kind, client func(name string)) {
	for i := range max(n, 0) {
		r.done.Go(func() { client(fmt.Sprintf("%s-%s%d", r.prefix, kind, i)) })
	}
}

// ask is one client: a connection, and one request after the other on it.
func (r *Run) ask(ctx context.Context, name string, next func(id string) request) {
	w := r.carrier()
	defer w.close()
	for seq := 1; ctx.Err() == nil; seq++ {
		id := fmt.Sprintf("%s-%d", name, seq)
		q := next(id)
		r.tally.sent(q.kind, name)
		o := r.tally.check(r.exchange(w, q))
		r.tally.settle(q, o)
		pause := r.config.Pause
		if o.fault != nil || !o.answered {
			w.close()
			pause = max(pause, lull)
		}
		rest(ctx, pause)
	}
}

// carrier is a client's connection, not yet opened.
func (r *Run) carrier() carrier {
	if r.config.TLS != nil {
		return &h2wire{address: r.config.Address, host: r.config.Host, tls: r.config.TLS, opened: r.tally.opened, announced: r.tally.announced}
	}
	return &wire{
		address: r.config.Address, host: r.config.Host, fresh: r.config.Fresh, keepAlive: r.config.KeepAlive,
		opened: r.tally.opened, announced: r.tally.announced,
	}
}

// exchange sends q and judges what comes back.
func (r *Run) exchange(w carrier, q request) outcome {
	o := outcome{begun: time.Now()}
	reply, err := w.do(q, r.config.Timeout+q.takes)
	o.ended = time.Now()
	o.version = reply.version
	switch {
	case err != nil && q.mayEndEarly && reply.begun && !isTimeout(err):
		o.cut = true
	case errors.Is(err, errTurnedAway):
		o.turnedAway = true
	case err != nil:
		o.fault = broken(err, reply)
		o.exposed = r.config.Exposed > 0 && reply.unheard >= r.config.Exposed &&
			!reply.begun && hungUp(err) && len(q.pieces) == 0
	default:
		o.fault = q.judge(reply)
		o.answered = o.fault == nil
	}
	return o
}

// rest waits for d, or for the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
