package dockertest

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/pkg/stdcopy"
)

// killed is the exit status of a process that SIGKILL ended.
const killed = 137

// unwinding is how long a Program may take to return after Kill before the
// fake gives it up.
const unwinding = 5 * time.Second

// restartDelay is the pause before the engine starts a container again.
const restartDelay = 100 * time.Millisecond

// Process is what a Program sees of its container.
type Process struct {
	Name    string // of the container
	Args    []string
	Env     []string
	Labels  map[string]string
	Address netip.Addr // on the network that it was made for
	Stdout  io.Writer
	Stderr  io.Writer
	Term    context.Context // ends with SIGTERM
	Kill    context.Context // ends with SIGKILL; a real process would just be gone
	// Healthcheck is the test that the container was made with, nil when it is
	// the image's.
	Healthcheck []string
	// Pretend shows a TCP listener among the container's sockets, for an
	// address that every container has and only one function can: 127.0.0.1, or
	// 0.0.0.0. What the function itself listens to at Address shows anyway.
	Pretend func(listener netip.AddrPort)
}

// Getenv is the value of a variable of the container, "" if it has none.
func (p Process) Getenv(name string) string {
	for _, pair := range p.Env {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}

// run is one life of a container's process.
type run struct {
	term, kill context.CancelFunc
	dead       chan struct{} // closed when the container has exited
}

// launch begins a life. The caller holds e.mu.
func (e *Engine) launch(c *instance) {
	term, endTerm := context.WithCancel(context.Background())
	kill, endKill := context.WithCancel(context.Background())
	life := &run{term: endTerm, kill: endKill, dead: make(chan struct{})}
	c.run, c.state, c.exitCode = life, stateRunning, 0
	c.pid, c.started, c.pretended = newPID(), time.Now().UTC(), nil
	process := Process{
		Name: c.name, Args: c.config.Cmd, Env: c.config.Env, Labels: c.config.Labels, Address: c.at(),
		Stdout: c.output.stream(stdcopy.Stdout), Stderr: c.output.stream(stdcopy.Stderr), Term: term, Kill: kill,
		Pretend: c.pretend(e),
	}
	if c.config.Healthcheck != nil {
		process.Healthcheck = c.config.Healthcheck.Test
	}
	go func() {
		code := e.program(process)
		if kill.Err() != nil {
			code = killed
		}
		endTerm()
		endKill()
		e.exited(c, life, code)
	}()
}

// exited records the end of a life and begins the next where the restart
// policy says so.
func (e *Engine) exited(c *instance, life *run, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.run != life {
		return
	}
	c.run, c.state, c.exitCode = nil, stateExited, code
	e.hide(c.pid)
	c.pid = 0
	c.output.hangUp()
	close(life.dead)
	close(c.exit)
	c.exit = make(chan struct{})
	again := c.policy == "always" || c.policy == "unless-stopped"
	if !again || c.stopped || c.removed {
		return
	}
	c.state = stateRestarting
	c.restarts++
	time.AfterFunc(restartDelay, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c.state == stateRestarting && !c.stopped && !c.removed {
			e.launch(c)
		}
	})
}

// end stops a container: SIGTERM, grace, SIGKILL. It says whether there was
// anything to stop.
func (e *Engine) end(ctx context.Context, c *instance, grace time.Duration) bool {
	e.mu.Lock()
	c.stopped = true
	life := c.run
	if c.state == stateRestarting {
		c.state = stateExited
	}
	e.mu.Unlock()
	if life == nil {
		return false
	}
	if grace > 0 {
		life.term()
		if wait(ctx, life.dead, grace) {
			return true
		}
	}
	life.kill()
	life.term()
	if !wait(context.Background(), life.dead, unwinding) {
		e.exited(c, life, killed)
	}
	return true
}

// wait says whether the channel was closed in time.
func wait(ctx context.Context, closed <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// output is what a container has written, framed as on the wire.
type output struct {
	mu       sync.Mutex
	frames   []frame
	attached []*follower
}

type frame struct {
	kind stdcopy.StdType
	line []byte
}

// follower is someone attached to the output.
type follower struct {
	to   io.Writer
	done chan struct{}
}

func (o *output) stream(kind stdcopy.StdType) io.Writer { return writer{o, kind} }

type writer struct {
	to   *output
	kind stdcopy.StdType
}

// Write keeps a frame for each line, as the engine's log does.
func (w writer) Write(data []byte) (int, error) {
	w.to.mu.Lock()
	defer w.to.mu.Unlock()
	for _, line := range bytes.SplitAfter(data, []byte{'\n'}) {
		if len(line) > 0 {
			w.to.frames = append(w.to.frames, frame{w.kind, bytes.Clone(line)})
		}
	}
	for _, follower := range w.to.attached {
		_, _ = stdcopy.NewStdWriter(follower.to, w.kind).Write(data)
	}
	return len(data), nil
}

// attach sends what is written from now on, after what ready sends, until the
// process ends.
func (o *output) attach(to io.Writer, ready func()) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	ready()
	added := &follower{to, make(chan struct{})}
	o.attached = append(o.attached, added)
	return added.done
}

func (o *output) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, follower := range o.attached {
		close(follower.done)
	}
	o.attached = nil
}

// last writes the last frames, all of them when count is negative.
func (o *output) last(to io.Writer, count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames := o.frames
	if count >= 0 && len(frames) > count {
		frames = frames[len(frames)-count:]
	}
	for _, frame := range frames {
		_, _ = stdcopy.NewStdWriter(to, frame.kind).Write(frame.line)
	}
}
