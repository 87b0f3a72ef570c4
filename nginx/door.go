package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
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
	if err := checkApp(app); err != nil {
		return "", err
	}
	status, body, err := p.ask(ctx, "/slot/"+app)
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
	status, body, err := p.ask(ctx, "/generation")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(body)
	if status != http.StatusOK || err != nil {
		return 0, &Unreachable{Reason: fmt.Sprintf("nginx's door answers %d %q when asked for its generation", status, body)}
	}
	return n, nil
}

// ask sends one question to the door on a fresh connection.
func (p *Proxy) ask(ctx context.Context, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, doorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://door.zdd"+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := p.Transport().RoundTrip(req)
	if err != nil {
		return 0, "", &Unreachable{Reason: "nginx's door is silent", Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, "", &Unreachable{Reason: "nginx's door breaks off", Err: err}
	}
	return resp.StatusCode, strings.TrimSpace(string(data)), nil
}
