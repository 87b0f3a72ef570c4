package container

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// MaxLogLine is how many bytes of one line Logs gives; the rest is counted.
const MaxLogLine = 2048

// Logs gives the last lines of what the instance wrote to stdout and stderr,
// in the order in which the engine received them (each of the two keeps its
// own), whether it still runs or not. What a terminal would obey instead of showing is escaped as in a Go string. The
// result has at most the given number of lines, none much longer than
// MaxLogLine, however much the instance wrote.
func (e *Engine) Logs(ctx context.Context, instance Instance, lines int) ([]string, error) {
	stream, err := e.api.ContainerLogs(ctx, instance.ID, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return nil, fmt.Errorf("reading the log of container %q: %w", instance.Name, e.typed(err))
	}
	defer stream.Close()
	// The engine counts an endless line as many; so the tail is counted again
	// here, in lines.
	kept := &tail{limit: lines}
	stdout, stderr := &lineWriter{to: kept}, &lineWriter{to: kept}
	if _, err := stdcopy.StdCopy(stdout, stderr, stream); err != nil {
		return nil, fmt.Errorf("reading the log of container %q: %w", instance.Name, e.typed(err))
	}
	stdout.flush()
	stderr.flush()
	return kept.lines, nil
}

// tail keeps the last lines that it is given.
type tail struct {
	limit int
	lines []string
}

func (t *tail) add(line string) {
	t.lines = append(t.lines, line)
	if over := len(t.lines) - t.limit; over > 0 {
		t.lines = t.lines[over:]
	}
}

// lineWriter cuts a stream into lines and never holds more than MaxLogLine
// bytes of one.
type lineWriter struct {
	to   *tail
	line []byte
	cut  int // bytes of this line that were dropped
}

func (w *lineWriter) Write(data []byte) (int, error) {
	written := len(data)
	for {
		head, rest, complete := bytes.Cut(data, []byte{'\n'})
		room := min(len(head), MaxLogLine-len(w.line))
		w.line = append(w.line, head[:room]...)
		w.cut += len(head) - room
		if !complete {
			return written, nil
		}
		w.end()
		data = rest
	}
}

// flush ends a last line that has no newline.
func (w *lineWriter) flush() {
	if len(w.line) > 0 {
		w.end()
	}
}

func (w *lineWriter) end() {
	text := printable(strings.TrimSuffix(string(w.line), "\r"))
	if w.cut > 0 {
		text += fmt.Sprintf(" … (%d bytes more)", w.cut)
	}
	w.to.add(text)
	w.line, w.cut = w.line[:0], 0
}

// printable escapes control characters, among them those that move a cursor,
// change the direction of text or hide it, and bytes that are not UTF-8.
func printable(line string) string {
	var safe strings.Builder
	for len(line) > 0 {
		char, size := utf8.DecodeRuneInString(line)
		switch {
		case char == '\t' || char != utf8.RuneError && unicode.IsPrint(char):
			safe.WriteRune(char)
		case char == utf8.RuneError && size == 1:
			fmt.Fprintf(&safe, `\x%02x`, line[0])
		default:
			quoted := strconv.QuoteRuneToASCII(char)
			safe.WriteString(quoted[1 : len(quoted)-1])
		}
		line = line[size:]
	}
	return safe.String()
}
