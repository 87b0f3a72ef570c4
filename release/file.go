package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zdd/durable"
)

// The names below an app's folder.
const (
	settingsFile = "app.yaml"
	stateFile    = "state.json"
	hookFile     = "hook.running"
	historyFile  = "history.jsonl"
	lockFile     = "lock"
	releasesDir  = "releases"
)

// makeDirs makes the app's folder and those above it.
func (a *App) makeDirs() error {
	if err := a.store.makeRoot(); err != nil {
		return err
	}
	if err := makeDir(filepath.Dir(a.dir), 0o700); err != nil {
		return err
	}
	return makeDir(a.dir, 0o700)
}

// writeFile replaces a file of the app, readable for its owner alone, and
// makes the folder that it is in.
func (a *App) writeFile(path string, data []byte) error {
	if err := a.makeDirs(); err != nil {
		return err
	}
	if dir := filepath.Dir(path); dir != a.dir {
		if err := makeDir(dir, 0o700); err != nil {
			return err
		}
	}
	return writeFile(path, data)
}

// encode writes v as JSON that a person can read.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decode reads the JSON file at path into v; found tells whether there is one.
// A key that v does not have is an error: it was written by a newer zdd, and
// writing the file again would lose it.
func decode(path string, v any) (found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return true, &Corrupt{File: path, Err: err}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return true, &Corrupt{File: path, Err: fmt.Errorf("there is more after the end, at byte %d", decoder.InputOffset())}
	}
	return true, nil
}

// writeFile replaces the file at path, readable for its owner alone.
func writeFile(path string, data []byte) error { return durable.WriteFile(path, data, 0o600) }
