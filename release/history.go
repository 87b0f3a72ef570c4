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

func (a *App) appendLine(line []byte) (err error) {
	if err := a.makeDirs(); err != nil {
		return err
	}
	file, err := os.OpenFile(a.Path(historyFile), os.O_APPEND|os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(0o600); err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	torn, err := endsTorn(file, size)
	if err != nil {
		return err
	}
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := file.Write(line); err != nil {
		// Whoever appends holds the app's lock, so these bytes are ours.
		return errors.Join(err, file.Truncate(size))
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if size > 0 {
		return nil
	}
	return durable.SyncDir(a.dir)
}

// endsTorn reports whether the last line lacks its end: its writer died.
func endsTorn(file io.ReaderAt, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// History reads the app's history, oldest first. Lines that are torn or cannot
// be understood are passed over.
func (a *App) History() ([]Entry, error) {
	data, err := os.ReadFile(a.Path(historyFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the history of app %q: %w", a.name, err)
	}
	var entries []Entry
	for line := range bytes.Lines(data) {
		var entry Entry
		if err := json.Unmarshal(line, &entry); err == nil && entry.Kind != "" {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
