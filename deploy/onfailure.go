package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"time"

	"zdd/checks"
	"zdd/container"
)

// OnFailureTimeout bounds each thing that an app.json wants to be done when a
// check has failed. It never decides anything.
const OnFailureTimeout = 10 * time.Second

// onFailuresTimeout bounds all of them, for the undoing waits.
const onFailuresTimeout = 30 * time.Second

// checkFailure is what is posted to the URL of an app.json's onFailure.
type checkFailure struct {
	App     string `json:"app"`
	Release int    `json:"release"`
	Image   string `json:"image"`
	Replica string `json:"replica"`
	Check   string `json:"check"`
	Error   string `json:"error"`
}

// onFailures does what the checks that have failed want to be done then, as far
// as the time for it goes.
func (m *move) onFailures(ctx context.Context, report checks.Report) {
	ctx, cancel := context.WithTimeout(ctx, onFailuresTimeout)
	defer cancel()
	left := 0
	for _, result := range append(report.Failed(), report.Warnings()...) {
		wanted := result.Check.OnFailure
		if result.Attempts == 0 || len(wanted.Command) == 0 && wanted.URL == "" {
			continue
		}
		if ctx.Err() != nil {
			left++
			continue
		}
		if err := m.onFailureCommand(ctx, result.Target, wanted.Command); err != nil {
			m.warn(m.step, fmt.Errorf("the command for a failed check: %w", err))
		}
		if err := m.onFailurePost(ctx, wanted.URL, report.Line(result), result); err != nil {
			m.warn(m.step, fmt.Errorf("telling of a failed check: %w", err))
		}
	}
	if left > 0 {
		m.warn(m.step, fmt.Errorf("what %s more wanted to be done was left: there was no time for it", plural(left, "failed check")))
	}
}

// onFailureCommand runs the command in the replica that the check is about.
func (m *move) onFailureCommand(ctx context.Context, name string, command []string) error {
	if len(command) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, OnFailureTimeout)
	defer cancel()
	for _, instance := range m.instances {
		if instance.Name != name {
			continue
		}
		code, err := m.Engine.Exec(ctx, instance, command, m.Output)
		if is[*container.Exited](err) {
			return nil // that is what the failure says
		}
		if err == nil && code != 0 {
			return fmt.Errorf("exit code %d", code)
		}
		return err
	}
	return nil
}

// onFailurePost tells a URL of the failure, unless an image chose it: whoever
// builds images does not get to send requests from this host.
func (m *move) onFailurePost(ctx context.Context, url, line string, result checks.Result) error {
	if url == "" {
		return nil
	}
	if strings.HasPrefix(m.target.ChecksSource, imageSource) {
		return errors.New("its URL stands in the image, and is used from a file of the app's folder alone")
	}
	return postJSON(ctx, url, checkFailure{
		App: m.name, Release: m.target.Number, Image: m.target.Image,
		Replica: result.Target, Check: result.Check.Raw, Error: line,
	})
}

// postJSON posts a value and wants a status from 200 to 299. Redirects are not
// followed: they would lead where nobody has said that it may go.
func postJSON(ctx context.Context, url string, value any) error {
	ctx, cancel := context.WithTimeout(ctx, OnFailureTimeout)
	defer cancel()
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	place := request.URL.Scheme + "://" + request.URL.Host // the rest is a secret, as a rule
	if err != nil {
		var wrapped *neturl.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("posting to %s: %w", place, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("posting to %s: %s", place, response.Status)
	}
	return nil
}
