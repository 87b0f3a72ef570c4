package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"zdd/durable"
)

// An Outcome says how a change ended.
type Outcome string

// The outcomes.
const (
	Done        Outcome = "done"
	Failed      Outcome = "failed"      // the step says where; undone
	Undone      Outcome = "undone"      // by recovery
	Interrupted Outcome = "interrupted" // by a signal; undone
)

// An Entry is one line of an app's history.
type Entry struct {
	Time        time.Time `json:"time"` // when it ended
	Kind        Kind      `json:"kind"`
	Release     int       `json:"release,omitempty"` // that was to be live
	From        int       `json:"from,omitempty"`    // that was live before, 0 = none
	Image       string    `json:"image,omitempty"`
	ImageID     string    `json:"image_id,omitempty"`
	Outcome     Outcome   `json:"outcome"`
	Step        string    `json:"step,omitempty"`         // that failed
	Error       string    `json:"error,omitempty"`        // why
	Seconds     float64   `json:"seconds"`                // start to end
	LiveSeconds float64   `json:"live_seconds,omitempty"` // start to the switch
	Drained     bool      `json:"drained"`                // the old release answered its last request
	Open        []string  `json:"open,omitempty"`         // connections still open at the limit
	By          string    `json:"by,omitempty"`           // user@host
	Serving     int       `json:"serving,omitempty"`      // release that serves now, 0 = none
}

// Append adds an entry to the app's history and waits until it is on disk. If
// that fails, the history is as before.
func (a *App) Append(entry Entry) error {
	line, err := json.Marshal(entry)
	if err == nil {
		err = a.appendLine(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("adding to the history of app %q: %w", a.name, err)
	}
	return nil
}

func (a *App) appendLine(line []byte) error {
	if err := a.makeDirs(); err != nil {
		return err
	}
	return durable.AppendLine(a.Path(historyFile), line, 0o600)
}

// tailBlock is how much of a history's end LastEntry reads at first, in bytes:
// a few lines.
const tailBlock = 4 << 10

// LastEntry reads the last entry of the app's history, however long that is; ok
// is false where there is none. Like History it passes over lines that are torn
// or cannot be understood.
func (a *App) LastEntry() (last Entry, ok bool, err error) {
	file, err := os.Open(a.Path(historyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return last, false, nil
	}
	if err == nil {
		defer file.Close()
		last, ok, err = lastEntry(file)
	}
	if err != nil {
		return last, false, fmt.Errorf("reading the history of app %q: %w", a.name, err)
	}
	return last, ok, nil
}

// lastEntry reads ever more of the file's end, until an entry is in it.
func lastEntry(file *os.File) (last Entry, ok bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return last, false, err
	}
	size := info.Size()
	for block := int64(tailBlock); ; block *= 2 {
		data := make([]byte, min(block, size))
		if _, err := file.ReadAt(data, size-int64(len(data))); err != nil && !errors.Is(err, io.EOF) {
			return last, false, err
		}
		whole := int64(len(data)) == size
		if !whole { // what comes before the first end of a line may be half of one
			_, data, _ = bytes.Cut(data, []byte{'\n'})
		}
		if entries := parseEntries(data); len(entries) > 0 {
			return entries[len(entries)-1], true, nil
		}
		if whole {
			return last, false, nil
		}
	}
}

// History reads the app's history, oldest first. Lines that are torn or cannot
// be understood are passed over.
func (a *App) History() ([]Entry, error) {
	data, err := os.ReadFile(a.Path(historyFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the history of app %q: %w", a.name, err)
	}
	return parseEntries(data), nil
}

func parseEntries(data []byte) []Entry {
	var entries []Entry
	for line := range bytes.Lines(data) {
		var entry Entry
		if err := json.Unmarshal(line, &entry); err == nil && entry.Kind != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}
