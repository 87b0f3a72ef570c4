package release

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"

	"zdd/durable"
)

// Validate checks every value; the error is an *Invalid whose Key says which,
// such as "domains[1]".
func (s Settings) Validate() error {
	for _, setting := range s.all() {
		if invalid := setting.value.check(); invalid != nil {
			return invalid.of(setting.key)
		}
	}
	return nil
}

// of completes what a kind says by the setting's key.
func (e *Invalid) of(key string) *Invalid {
	e.Key = key + e.Key
	e.Message = key + ": " + e.Message
	return e
}

// Settings reads app.yaml. A file that does not exist is one in which nothing
// is set. It is read strictly: an unknown key, a value of the wrong kind and
// one that is not valid are *Invalid errors with line and column.
func (a *App) Settings() (Settings, error) {
	_, settings, err := a.readSettings()
	return settings, err
}

// SaveSettings validates the settings and writes them to app.yaml, unless they
// are what it says already. Lines of settings that did not change stay as they
// are, with their order and comments; new ones are added at the end. The error
// is an *Invalid for these settings as for those in the file.
func (a *App) SaveSettings(s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	s = s.normal()
	former, there, err := a.readSettings()
	if err != nil || reflect.DeepEqual(s, there) {
		return err
	}
	data, err := rewrite(former, there, s)
	if err == nil {
		err = a.writeFile(a.Path(settingsFile), data)
	}
	if err != nil {
		return fmt.Errorf("saving the settings of app %q: %w", a.name, err)
	}
	return nil
}

func (a *App) readSettings() ([]byte, Settings, error) {
	file := a.Path(settingsFile)
	data, err := durable.ReadRegular(file, durable.MaxUserFile)
	if errors.Is(err, fs.ErrNotExist) && !isThere(file) {
		return nil, Settings{}, nil
	}
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err // the path is in File already
		}
		return nil, Settings{}, &Invalid{File: file, Message: "reading the settings: " + err.Error(), Hint: fmt.Sprintf("put a readable file in the place of %q", file)}
	}
	settings, invalid := parseSettings(data)
	if invalid != nil {
		invalid.File = file
		return nil, Settings{}, invalid
	}
	return data, settings, nil
}

// parseSettings reads and validates the content of app.yaml.
func parseSettings(data []byte) (Settings, *Invalid) {
	root, invalid := parseYAML(data, 0)
	if invalid != nil || root == nil {
		return Settings{}, invalid
	}
	var settings Settings
	known := map[string]kind{}
	for _, setting := range settings.all() {
		known[setting.key] = setting.value
	}
	for _, entry := range root.Values {
		key := entry.Key.GetToken().Value
		value, ok := known[key]
		if !ok {
			return Settings{}, unknownKey(key, settings.all()).at(position(entry.Key))
		}
		found := places{"": position(entry.Value)}
		invalid := value.read(entry.Value, found)
		if invalid == nil {
			invalid = value.check()
		}
		if invalid != nil {
			return Settings{}, invalid.at(found[invalid.Key]).of(key)
		}
	}
	return settings.normal(), nil
}

// unknownKey suggests the key that was probably meant.
func unknownKey(key string, all []setting) *Invalid {
	invalid := &Invalid{Key: key, Message: fmt.Sprintf("unknown key %q", key)}
	written := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	keys := make([]string, len(all))
	for i, setting := range all {
		keys[i] = setting.key
		if distance(written, setting.key) <= 2 {
			invalid.Hint = fmt.Sprintf("perhaps %q is meant", setting.key)
			return invalid
		}
	}
	invalid.Hint = "the keys are " + strings.Join(keys, ", ")
	return invalid
}

// distance counts the letters to add, drop or replace between a and b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
