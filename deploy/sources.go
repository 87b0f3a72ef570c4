package deploy

import (
	"context"
	"fmt"
	"path"

	"zdd/checks"
	"zdd/container"
	"zdd/release"
)

// Names of the files that say what a release must pass.
const (
	checksFile = "CHECKS"
	appJSON    = "app.json"
)

// imageSource begins the source of what stands in an image.
const imageSource = "image:"

// written is the text of a release's checks, and where it stands; without a
// source there is none.
type written struct{ text, source string }

// ownChecks are those that the operator named or put into the app's folder. A
// broken file is refused with its line, before anything runs.
func (m *move) ownChecks(settings release.Settings) (written, error) {
	if file := m.app.ChecksFile(settings); file != "" {
		return m.readChecks(file)
	}
	return written{}, nil
}

// otherChecks are those that a release has where its operator named none: of
// its image or the app's folder, the first that there is.
func (m *move) otherChecks(ctx context.Context, target release.Release, image container.Image) (written, error) {
	inImage, err := m.readImage(ctx, target, image)
	if err != nil {
		return written{}, err
	}
	for _, file := range places(image, checksFile) {
		if text, found := inImage[file]; found {
			return m.accept(written{string(text), imageSource + file})
		}
	}
	if file := m.app.AppJSON(); file != "" {
		text, err := readFile(file)
		if err != nil {
			return written{}, err
		}
		if m.hasHealthchecks(written{string(text), file}) {
			return m.accept(written{string(text), file})
		}
	}
	for _, file := range places(image, appJSON) {
		found := written{string(inImage[file]), imageSource + file}
		if found.text != "" && m.hasHealthchecks(found) {
			return m.accept(found)
		}
	}
	return healthcheck(target.Settings, image), nil
}

// healthcheck is the HEALTHCHECK of the settings, else of the image.
func healthcheck(settings release.Settings, image container.Image) written {
	switch own := settings.Healthcheck; {
	case own == release.HealthcheckNone:
		return written{}
	case own != "":
		return written{checks.Healthcheck([]string{"CMD-SHELL", own}, nil, 0, 0, 0, 0), "healthcheck of app.yaml"}
	case image.Healthcheck != nil:
		h := image.Healthcheck
		return written{checks.Healthcheck(h.Test, image.Shell, h.Interval, h.Timeout, h.StartPeriod, h.Retries), "HEALTHCHECK of the image"}
	}
	return written{}
}

// healthTest is what the engine itself is told about the container's health.
func healthTest(settings release.Settings) []string {
	switch own := settings.Healthcheck; own {
	case "":
		return nil
	case release.HealthcheckNone:
		return []string{"NONE"}
	default:
		return []string{"CMD-SHELL", own}
	}
}

// places are where a file may stand in an image.
func places(image container.Image, name string) []string {
	if at := path.Join("/", image.WorkingDir, name); at != "/"+name {
		return []string{at, "/" + name}
	}
	return []string{"/" + name}
}

func (m *move) readImage(ctx context.Context, target release.Release, image container.Image) (map[string][]byte, error) {
	m.Progress(StepResolve, "looking for checks in the image")
	wanted := append(places(image, checksFile), places(image, appJSON)...)
	files, err := m.Engine.ReadFiles(ctx, m.name, target.Number, image.ID, wanted, checks.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("looking for checks in the image: %w", err)
	}
	return files, nil
}

// hasHealthchecks says whether an app.json has something to say about checks.
// Where it has not, what looks like a slip is told: a misspelt key would else
// make a deploy less checked than its author believes.
func (m *move) hasHealthchecks(found written) bool {
	if checks.HasHealthchecks([]byte(found.text)) {
		return true
	}
	_, problems := checks.Read(found.source, []byte(found.text))
	for _, problem := range problems {
		if problem.Line > 0 {
			m.warn(StepResolve, fmt.Errorf("%s: %s", found.source, problem))
		}
	}
	return false
}

func (m *move) readChecks(path string) (written, error) {
	text, err := readFile(path)
	if err != nil {
		return written{}, err
	}
	return m.accept(written{string(text), path})
}

func readFile(path string) ([]byte, error) {
	text, err := checks.ReadFile(path)
	if err != nil {
		return nil, usage("name a CHECKS file that can be read: --checks FILE", "the checks: %w", err)
	}
	return text, nil
}

// accept refuses a text with errors, and tells of its warnings.
func (m *move) accept(found written) (written, error) {
	_, problems := checks.Read(found.source, []byte(found.text))
	if err := checks.Errors(found.source, problems); err != nil {
		return written{}, err
	}
	for _, problem := range problems {
		m.warn(StepResolve, fmt.Errorf("%s: %s", found.source, problem))
	}
	return found, nil
}
