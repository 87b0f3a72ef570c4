package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// holdings are what a leak of Run would add to.
type holdings struct{ Goroutines, Files, Zombies int }

func (h holdings) atMost(limit holdings) bool {
	return h.Goroutines <= limit.Goroutines && h.Files <= limit.Files && h.Zombies <= limit.Zombies
}

func holdingsNow(t *testing.T) holdings {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return holdings{Goroutines: runtime.NumGoroutine(), Files: len(files), Zombies: zombies(t)}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

func TestRun_leaksNothing(t *testing.T) {
	// The garbage collector would close a file that was forgotten.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	child := sh(t, "sleep 300 & echo $! > child.pid")
	ways := map[string]func(){
		"ends":           func() { _ = command(sh(t, "exit 0")).Run(context.Background()) },
		"fails":          func() { _ = command(sh(t, "exit 1")).Run(context.Background()) },
		"leaves a child": func() { _ = command(child).Run(context.Background()); endLeft(command(child).Dir) },
		"cannot start":   func() { _ = command(script(t, "")).Run(context.Background()) },
		"cancelled":      func() { _ = command(child).Run(cancelled) },
		"times out": func() {
			c := command(sh(t, "setsid sleep 300 & sleep 300"))
			c.Limit, c.Grace = 50*time.Millisecond, 50*time.Millisecond
			_ = c.Run(context.Background())
		},
	}
	for name, run := range ways {
		t.Run(name, func(t *testing.T) {
			run() // what the runtime opens once is no leak
			before, beforeThreads := holdingsNow(t), threads(t)
			for range 5 {
				run()
			}
			var now holdings
			defer func() {
				if t.Failed() {
					t.Error(cmp.Diff(before, now))
				}
			}()
			eventually(t, "all is given back", func() bool {
				now = holdingsNow(t)
				return now.atMost(before)
			})
			// Go keeps threads for later; they must not grow with the runs.
			if after := threads(t); after > beforeThreads+4 {
				t.Errorf("%d threads, %d before", after, beforeThreads)
			}
		})
	}
}

func TestRun_keepsTheEndOfEndlessOutputInLittleMemory(t *testing.T) {
	const bytes = 200 << 20
	c := command(sh(t, fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", bytes), "exit 1"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := c.Run(context.Background())
	runtime.ReadMemStats(&after)
	var failed *Failed
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *Failed", err)
	}
	if diff := cmp.Diff([]string{"…" + strings.Repeat("x", tailBytes)}, failed.Tail); diff != "" {
		t.Error(diff)
	}
	// What is allocated is counted, and not what happens to be in use.
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes were allocated for %d of output", used, bytes)
	}
}

func TestTail_keepsTheLastLinesFitForATerminal(t *testing.T) {
	var ten []string
	for i := 3; i <= 12; i++ {
		ten = append(ten, fmt.Sprint("line ", i))
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"line ends only", "\r\n\n", nil},
		{"no line end", "a\nb", []string{"a", "b"}},
		{"empty lines between", "a\n\nb\n", []string{"a", "", "b"}},
		{"more than ten", "line 1\nline 2\n" + strings.Join(ten, "\n") + "\n", ten},
		{"colours", "\x1b[1;31mred\x1b[0m\x1b[K\n", []string{"red"}},
		{"control characters", "a\x07b\x1b]0;title\x07\tc\u202e\xff\n", []string{"ab]0;title c�"}},
		{"progress", "10%\r50%\r100%\r\n", []string{"100%"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var kept tail
			for i := range len(test.text) { // as it comes
				kept.add([]byte(test.text[i : i+1]))
			}
			if diff := cmp.Diff(test.want, kept.lines()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
