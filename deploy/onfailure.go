package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"zdd/checks"
	"zdd/container"
)

// OnFailureTimeout bounds each thing that an app.json wants to be done when a
// check has failed. It never decides anything.
const OnFailureTimeout = 10 * time.Second

// checkFailure is what is posted to the URL of an app.json's onFailure.
type checkFailure struct {
	App     string `json:"app"`
	Release int    `json:"release"`
	Image   string `json:"image"`
	Replica string `json:"replica"`
	Check   string `json:"check"`
	Error   string `json:"error"`
}

// onFailures does what the checks that have failed want to be done then.
func (m *move) onFailures(ctx context.Context, report checks.Report) {
	for _, result := range append(report.Failed(), report.Warnings()...) {
		wanted := result.Check.OnFailure
		if result.Attempts == 0 || ctx.Err() != nil {
			continue
		}
		if err := m.onFailureCommand(ctx, result.Target, wanted.Command); err != nil {
			m.warn(m.step, fmt.Errorf("the command for a failed check: %w", err))
		}
		if err := m.onFailurePost(ctx, wanted.URL, report.Line(result), result); err != nil {
			m.warn(m.step, fmt.Errorf("telling of a failed check: %w", err))
		}
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

// postJSON posts a value and wants an answer below 400. Redirects are not
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
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
