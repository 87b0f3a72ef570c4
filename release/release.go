package release

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"zdd/durable"
)

// A Release is what an app was at one deploy: everything that is needed to run
// it again, resolved. It is numbered once and never changes.
type Release struct {
	App          string    `json:"app"`
	Number       int       `json:"number"`                  // from 1
	Image        string    `json:"image"`                   // as it was asked for
	ImageID      string    `json:"image_id"`                // what that name meant: sha256:…
	Pulled       bool      `json:"pulled,omitempty"`        // zdd itself pulled it: the name goes with the last release that needs it
	Digest       string    `json:"digest,omitempty"`        // in the registry, "" for a local image
	Port         int       `json:"port"`                    // that the app listens on
	Settings     Settings  `json:"settings"`                // with their defaults
	Env          Env       `json:"env,omitempty"`           // of the env files and the settings; see App.Environment
	Checks       string    `json:"checks,omitempty"`        // content of the CHECKS file, "" = the default checks
	ChecksSource string    `json:"checks_source,omitempty"` // where that content came from
	Created      time.Time `json:"created"`
	By           string    `json:"by,omitempty"` // user@host
}

// SaveRelease writes a new release. A *ReleaseExists error says that its
// number is taken; saving the very same release again is no error.
func (a *App) SaveRelease(r Release) error {
	if r.App != a.name || r.Number < 1 {
		return fmt.Errorf("saving release %d of app %q: a release of app %q needs that name and a number from 1", r.Number, r.App, a.name)
	}
	data, err := encode(r)
	if err != nil {
		return fmt.Errorf("saving release %d: %w", r.Number, err)
	}
	file := a.releaseFile(r.Number)
	former, err := os.ReadFile(file)
	switch {
	case err == nil && bytes.Equal(former, data):
		return nil
	case err == nil:
		return &ReleaseExists{App: a.name, Number: r.Number}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("saving release %d: %w", r.Number, err)
	}
	if err := a.writeFile(file, data); err != nil {
		return fmt.Errorf("saving release %d: %w", r.Number, err)
	}
	return nil
}

// Release reads release n. It is a *NoRelease error that there is none, and a
// *Corrupt one that it cannot be understood.
func (a *App) Release(n int) (Release, error) {
	var r Release
	found, err := decode(a.releaseFile(n), &r)
	if err != nil {
		return Release{}, err
	}
	if !found {
		numbers, err := a.Releases()
		if err != nil {
			return Release{}, err
		}
		return Release{}, &NoRelease{App: a.name, Number: n, Numbers: numbers}
	}
	if r.App != a.name || r.Number != n {
		return Release{}, &Corrupt{File: a.releaseFile(n), Err: fmt.Errorf("it describes release %d of app %q", r.Number, r.App)}
	}
	return r, nil
}

// Releases lists the numbers of the releases that exist, ascending.
func (a *App) Releases() ([]int, error) {
	entries, err := os.ReadDir(a.Path(releasesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the releases of app %q: %w", a.name, err)
	}
	var numbers []int
	for _, entry := range entries {
		digits, isJSON := strings.CutSuffix(entry.Name(), ".json")
		n, err := strconv.Atoi(digits)
		if isJSON && err == nil && n > 0 && strconv.Itoa(n) == digits {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// DeleteRelease forgets release n; that there is none is no error.
func (a *App) DeleteRelease(n int) error {
	err := durable.Remove(a.releaseFile(n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting release %d of app %q: %w", n, a.name, err)
	}
	return nil
}

func (a *App) releaseFile(n int) string {
	return a.Path(releasesDir, strconv.Itoa(n)+".json")
}
