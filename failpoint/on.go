//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Enabled says whether this build has points.
const Enabled = true

// A strike is what ZDD_FAILPOINT asks for.
type strike struct {
	action string
	point  string
	pass   int  // the first pass that is struck, from 1 on
	ever   bool // and all later ones
}

var (
	mu     sync.Mutex
	passes = map[string]int{}
	asked  = sync.OnceValue(func() strike {
		s, err := parse(os.Getenv("ZDD_FAILPOINT"))
		if err != nil {
			fmt.Fprintf(os.Stderr, "ZDD_FAILPOINT: %v\n", err)
			os.Exit(97)
		}
		return s
	})
)

// failures are the actions that make a write fail.
var failures = map[string]error{"enospc": unix.ENOSPC, "eio": unix.EIO, "eacces": unix.EACCES, "short": unix.ENOSPC}

// blows are the actions that strike the process.
var blows = map[string]func(){
	"kill": func() { send(unix.SIGKILL) },
	"term": func() { send(unix.SIGTERM) },
	"int":  func() { send(unix.SIGINT) },
	"twice": func() {
		send(unix.SIGINT)
		send(unix.SIGINT)
	},
	"stop":  stop,
	"panic": func() { panic("struck by a failpoint") },
}

func parse(text string) (strike, error) {
	if text == "" {
		return strike{}, nil
	}
	action, point, ok := strings.Cut(text, "@")
	s := strike{action: action, point: point, pass: 1}
	if _, known := blows[action]; !known && failures[action] == nil {
		return s, fmt.Errorf("%q: no such action", action)
	}
	if i := strings.LastIndexByte(point, '#'); i >= 0 {
		number, ever := strings.CutSuffix(point[i+1:], "+")
		pass, err := strconv.Atoi(number)
		if err != nil || pass < 1 {
			return s, fmt.Errorf("%q: not the number of a pass", point[i+1:])
		}
		s.point, s.pass, s.ever = point[:i], pass, ever
	}
	if !ok || s.point == "" {
		return s, fmt.Errorf("%q: no point, want ACTION@POINT", text)
	}
	return s, nil
}

// pass notes that a point was passed, and returns the action that was asked
// for at this pass, if any.
func pass(point string) string {
	point = numbers.ReplaceAllString(point, "N")
	mu.Lock()
	passes[point]++
	pass := passes[point]
	mu.Unlock()
	note(point)
	s := asked()
	if s.point != point || pass < s.pass || pass > s.pass && !s.ever {
		return ""
	}
	return s.action
}

// numbers are what differs from one release to the next: those of releases, and
// the hexadecimal ones of the engine, of nginx's copies and of tests' apps.
var numbers = regexp.MustCompile(`\b[0-9a-f]{12,}\b|\d+`)

func note(point string) {
	path := os.Getenv("ZDD_FAILPOINT_LOG")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(point + "\n")
		_ = file.Close()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "ZDD_FAILPOINT_LOG: %v\n", err)
		os.Exit(97)
	}
}

// Hit passes a point at which a process can be struck.
func Hit(point string) {
	if blow := blows[pass(point)]; blow != nil {
		blow()
	}
}

// Fail passes a point that can fail: with the error that the write next to it
// is to meet.
func Fail(point string) error {
	action := pass(point)
	if blow := blows[action]; blow != nil {
		blow()
	}
	if err := failures[action]; err != nil {
		return &os.PathError{Op: "failpoint", Path: point, Err: err}
	}
	return nil
}

// Write writes data by write, which it may let fail or end short.
func Write(point string, data []byte, write func([]byte) (int, error)) (int, error) {
	action := pass(point)
	if blow := blows[action]; blow != nil {
		// As a crash can leave it: half of the bytes are there.
		if action == "kill" {
			_, _ = write(data[:len(data)/2])
		}
		blow()
	}
	err := failures[action]
	if err == nil {
		return write(data)
	}
	n := 0
	if action == "short" {
		if n, err = write(data[:len(data)/2]); err == nil {
			err = unix.ENOSPC
		}
	}
	return n, &os.PathError{Op: "write", Path: point, Err: err}
}

// send sends a signal to this process. SIGKILL ends it before the call returns.
func send(signal unix.Signal) {
	if err := unix.Kill(os.Getpid(), signal); err != nil {
		panic(err)
	}
}

// stop stands still at once. A signal to the process would be taken by any of
// its threads, some steps later.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP); err != nil {
		panic(err)
	}
}
