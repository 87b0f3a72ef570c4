package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A ledger records the requests that this process processed, in a file of its
// own, so that replicas which share the folder do not write over each other.
type ledger struct {
	file *os.File // nil records nothing
}

// openLedger begins a file in dir; an empty dir records nothing. The name has
// the host's (in a container: the container's) and the time in it, so that an
// app which is started again begins another file.
func openLedger(dir, version string) (*ledger, error) {
	if dir == "" {
		return &ledger{}, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming the file of ids: %w", err)
	}
	name := fmt.Sprintf("%s-%s-%d-%d.ids", version, host, os.Getpid(), time.Now().UnixNano())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the file of ids: %w", err)
	}
	return &ledger{file: f}, nil
}

// record writes the line "id version path". It is one unbuffered write, so
// that an app killed at any moment has told of everything it did.
func (l *ledger) record(id, version, path string) error {
	if l.file == nil || id == "" {
		return nil
	}
	id = strings.Join(strings.Fields(id), "_") // a hostile id must not break the line
	_, err := fmt.Fprintf(l.file, "%s %s %s\n", id, version, path)
	return err
}
