package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/go-units"
)

// progressInterval keeps a fast download from flooding a terminal or a log.
const progressInterval = 200 * time.Millisecond

// hubHost and hubKey: the login for Docker Hub is filed under the address of
// its first API, see https://docs.docker.com/reference/cli/docker/login/.
const (
	hubHost = "docker.io"
	hubKey  = "https://index.docker.io/v1/"
)

// Progress says how far a pull is.
type Progress struct {
	Ref    string
	Layers int   // layers seen so far
	Ready  int   // layers that are unpacked or were there already
	Done   int64 // bytes that have arrived
	Total  int64 // bytes of all layers that have begun; grows as more begin
}

// pull fetches the image and reads the engine's answer to its end: that is
// where a failed download is told.
func (e *Engine) pull(ctx context.Context, ref string, named reference.Named, progress func(Progress)) error {
	auth, authErr := registryAuth(named)
	answer, err := e.api.ImagePull(ctx, named.String(), image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return e.pullError(ref, err, authErr)
	}
	defer answer.Close()
	if err := readPull(answer, ref, progress); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("pulling image %q: %w", ref, cause)
		}
		if err = e.typed(err); is[*Unreachable](err) {
			return fmt.Errorf("pulling image %q: %w", ref, err)
		}
		return &PullFailed{Ref: ref, Cause: err}
	}
	return nil
}

// pullError is for a pull that the engine refused before it began, that is,
// before it had a manifest. The status cannot say why: Debian's 20.10 answers
// 500 for an unknown tag, a login that is missing and a registry that is down
// alike. A credential helper that failed matters only now: without it the pull
// was anonymous, which is right for a public image.
func (e *Engine) pullError(ref string, err, authErr error) error {
	err = e.typed(err)
	var unreachable *Unreachable
	if errors.As(err, &unreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("pulling image %q: %w", ref, err)
	}
	return &NoImage{Ref: ref, Cause: errors.Join(err, authErr)}
}

// registryAuth is the login for the image's registry, from the docker command
// line's configuration and its credential helpers, encoded for the engine.
func registryAuth(named reference.Named) (string, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return "", fmt.Errorf("reading registry logins: %w", err)
	}
	key := reference.Domain(named)
	if key == hubHost {
		key = hubKey
	}
	login, err := file.GetAuthConfig(key)
	if err != nil {
		return "", fmt.Errorf("asking for the login to %q: %w", key, err)
	}
	encoded, err := registry.EncodeAuthConfig(registry.AuthConfig{
		Username:      login.Username,
		Password:      login.Password,
		Auth:          login.Auth,
		ServerAddress: login.ServerAddress,
		IdentityToken: login.IdentityToken,
		RegistryToken: login.RegistryToken,
	})
	if err != nil {
		return "", fmt.Errorf("encoding the login to %q: %w", key, err)
	}
	return encoded, nil
}

// readPull reads the messages of a pull until the end or the first error.
func readPull(messages io.Reader, ref string, report func(Progress)) error {
	if report == nil {
		report = func(Progress) {}
	}
	meter := newMeter(ref)
	decoder := json.NewDecoder(messages)
	var last time.Time
	for {
		var message jsonmessage.JSONMessage
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			report(meter.progress())
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the engine's answer: %w", err)
		}
		if message.Error != nil {
			return message.Error
		}
		if meter.add(message) && time.Since(last) >= progressInterval {
			last = time.Now()
			report(meter.progress())
		}
	}
}

// meter adds up the layers of one pull.
type meter struct {
	ref    string
	layers map[string]layer
}

type layer struct {
	done, total int64
	ready       bool
}

func newMeter(ref string) *meter { return &meter{ref: ref, layers: map[string]layer{}} }

// add counts a message and says whether it was about a layer. The status is
// the engine's only word on what the numbers count: unpacking counts the same
// bytes again.
func (m *meter) add(message jsonmessage.JSONMessage) bool {
	state, known := m.layers[message.ID]
	switch message.Status {
	case "Pulling fs layer", "Waiting":
	case "Downloading":
		if message.Progress != nil {
			state.done, state.total = message.Progress.Current, max(state.total, message.Progress.Total)
		}
	case "Download complete", "Extracting", "Verifying Checksum":
		state.done = state.total
	case "Pull complete", "Already exists":
		state.done, state.ready = state.total, true
	default:
		return known
	}
	m.layers[message.ID] = state
	return true
}

func (m *meter) progress() Progress {
	sum := Progress{Ref: m.ref, Layers: len(m.layers)}
	for _, layer := range m.layers {
		sum.Done += layer.done
		sum.Total += layer.total
		if layer.ready {
			sum.Ready++
		}
	}
	return sum
}

// String is like "pulling acme/web:3: 12.3MB of 40MB, 2 of 5 layers".
func (p Progress) String() string {
	return fmt.Sprintf("pulling %s: %s of %s, %d of %d layers", p.Ref,
		units.HumanSize(float64(p.Done)), units.HumanSize(float64(p.Total)), p.Ready, p.Layers)
}
