package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// begun is a run of zdd --json beside others, whose events are seen as they
// come.
type begun struct {
	h     *host
	words string
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended

	mu             sync.Mutex
	stdout, stderr bytes.Buffer
	events         []event
}

type event struct{ Step, Status, Detail string }

// begin starts zdd. It is killed with the test at the latest.
func (h *host) begin(args ...string) *begun {
	h.t.Helper()
	b := &begun{h: h, words: strings.Join(args, " "), cmd: h.command(append(args, "--json")...), done: make(chan struct{})}
	b.cmd.Stderr = &b.stderr
	pipe, err := b.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go b.read(pipe)
	h.t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		<-b.done
	})
	return b
}

func (b *begun) read(pipe io.Reader) {
	defer close(b.done)
	decoder := json.NewDecoder(io.TeeReader(pipe, writer(func(text []byte) {
		b.mu.Lock()
		b.stdout.Write(text)
		b.mu.Unlock()
	})))
	for {
		var seen event
		if err := decoder.Decode(&seen); err != nil {
			break
		}
		b.mu.Lock()
		b.events = append(b.events, seen)
		b.mu.Unlock()
	}
	_ = b.cmd.Wait() // how it ended is in ProcessState
}

type writer func([]byte)

func (w writer) Write(text []byte) (int, error) {
	w(text)
	return len(text), nil
}

// await waits for an event of a step that has the status, and that says what is
// wanted.
func (b *begun) await(step, status, says string) {
	b.h.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		ended := false
		select {
		case <-b.done:
			ended = true
		default:
		}
		b.mu.Lock()
		for _, seen := range b.events {
			if seen.Step == step && seen.Status == status && strings.Contains(seen.Detail, says) {
				b.mu.Unlock()
				return
			}
		}
		told := b.stdout.String()
		b.mu.Unlock()
		if ended || time.Now().After(deadline) {
			b.h.t.Fatalf("no event %s %s %q of zdd %s (ended: %v)\n%s", step, status, says, b.words, ended, told)
		}
	}
}

// awaitPlace waits until it waits for the app's lock: then it has its place in
// the queue.
func (b *begun) awaitPlace() { b.h.t.Helper(); b.await("lock", "warning", "waiting for ") }

// end waits for the end.
func (b *begun) end() result {
	b.h.t.Helper()
	select {
	case <-b.done:
	case <-time.After(2 * patience):
		_ = b.cmd.Process.Signal(syscall.SIGQUIT) // it tells where it is
		<-b.done
		b.h.t.Fatalf("zdd %s does not end\n%s%s", b.words, &b.stdout, &b.stderr)
	}
	return resultOf(b.cmd.ProcessState, &b.stdout, &b.stderr)
}

// wants waits for the end, and wants the exit code.
func (b *begun) wants(code int) result {
	b.h.t.Helper()
	r := b.end()
	if r.code != code {
		b.h.t.Fatalf("zdd %s: exit %d, want %d\n%s%s", b.words, r.code, code, r.stdout, r.stderr)
	}
	return r
}
