package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// doorTimeout bounds one question to the door; the answer comes in about 1 ms.
	doorTimeout = 2 * time.Second
	// proofs is how many fresh connections must give the same slot: each may reach
	// another worker.
	proofs = 3
	// pollInterval is how often a proof is asked for again.
	pollInterval = 5 * time.Millisecond
)

// Transport reaches every app through nginx, without DNS, TLS or a port: it
// dials the door whatever the request's address is, and nginx finds the app by
// the Host header and its live slot by the flag. Only http:// URLs; no proxy
// from the environment; no connection is kept.
func (p *Proxy) Transport() *http.Transport {
	dialer := &net.Dialer{}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", p.paths.door())
		},
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

// Answers returns the slot that the running nginx gives to new requests of the
// app. The error is *UnknownApp when nginx has no site for it, *Unreachable when
// the door is silent.
func (p *Proxy) Answers(ctx context.Context, app string) (Slot, error) {
	return slotOf(ctx, p.Transport(), "door.zdd", "/slot/"+app, app)
}

// An Answer is what the door says about an app: what Answers returns.
type Answer struct {
	Slot Slot
	Err  error
}

// AnswersOf asks for many apps, on one connection for each processor that is kept
// as long as nginx keeps it. It asks the apps' own servers behind the door, to
// which Answers is passed on, so a question costs nginx one request and not two. A
// door that is silent, on a fresh connection too, is not asked again: all that were
// not asked yet have the same error.
func (p *Proxy) AnswersOf(ctx context.Context, apps []string) map[string]Answer {
	if len(apps) == 0 {
		return nil
	}
	answers := make([]Answer, len(apps))
	share := (len(apps) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var asking sync.WaitGroup
	for from := 0; from < len(apps); from += share {
		to := min(from+share, len(apps))
		asking.Go(func() { p.answersOnOne(ctx, apps[from:to], answers[from:to]) })
	}
	asking.Wait()
	byApp := make(map[string]Answer, len(apps))
	for i, app := range apps {
		byApp[app] = answers[i]
	}
	return byApp
}

// answersOnOne is AnswersOf on one connection.
func (p *Proxy) answersOnOne(ctx context.Context, apps []string, answers []Answer) {
	transport := p.Transport()
	transport.DisableKeepAlives = false
	defer transport.CloseIdleConnections()
	var silence error
	for i, app := range apps {
		if silence != nil {
			answers[i] = Answer{Err: silence}
			continue
		}
		slot, err := slotOf(ctx, transport, app+".slot.zdd", "/zdd-slot", app)
		if silent(err) { // a reload may have ended the kept connection
			if slot, err = p.Answers(ctx, app); silent(err) {
				silence = err
			}
		}
		answers[i] = Answer{slot, err}
	}
}

// silent says whether the error is that of a door without an answer.
func silent(err error) bool {
	var gone *Unreachable
	return errors.As(err, &gone) && gone.Err != nil
}

// slotOf asks one of the door's servers for the slot of an app.
func slotOf(ctx context.Context, transport *http.Transport, host, path, app string) (Slot, error) {
	if err := checkApp(app); err != nil {
		return "", err
	}
	status, body, err := ask(ctx, transport, host, path)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusNotFound:
		return "", &UnknownApp{app}
	case status != http.StatusOK || !Slot(body).valid():
		return "", &Unreachable{Reason: fmt.Sprintf("nginx's door answers %d %q when asked for the slot of %q", status, body, app)}
	}
	return Slot(body), nil
}

// Prove waits until the running nginx gives slot s on several fresh connections
// in a row, or until ctx ends: then the error says what was seen last.
func (p *Proxy) Prove(ctx context.Context, app string, s Slot) error {
	start := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	seen := "nothing"
	var silence error // why nothing was seen the last time
	for row := 0; row < proofs; {
		got, err := p.Answers(ctx, app)
		switch {
		case err == nil && got == s:
			row++
			continue
		case err != nil && ctx.Err() == nil:
			seen, silence = "no answer", err
		case err == nil:
			seen, silence = string(got), nil
		}
		row = 0
		select {
		case <-ctx.Done():
			return fmt.Errorf("awaiting slot %s of %q at nginx's door for %s, last seen: %s: %w",
				s, app, time.Since(start).Round(time.Millisecond), seen, errors.Join(ctx.Err(), silence))
		case <-ticker.C:
		}
	}
	return nil
}

// answeredGeneration asks the door which generation the worker that happens to
// take the connection runs.
func (p *Proxy) answeredGeneration(ctx context.Context) (int, error) {
	status, body, err := ask(ctx, p.Transport(), "door.zdd", "/generation")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(body)
	if status != http.StatusOK || err != nil {
		return 0, &Unreachable{Reason: fmt.Sprintf("nginx's door answers %d %q when asked for its generation", status, body)}
	}
	return n, nil
}

// ask sends one question to a server of the door.
func ask(ctx context.Context, transport *http.Transport, host, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, doorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://door.zdd"+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host // and not in the address: to it belongs the connection that is kept
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", &Unreachable{Reason: "nginx's door is silent", Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, "", &Unreachable{Reason: "nginx's door breaks off", Err: err}
	}
	return resp.StatusCode, strings.TrimSpace(string(data)), nil
}
