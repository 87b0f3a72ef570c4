package checks

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// maxRedirects is how many redirects one try follows.
const maxRedirects = 10

// kind is what a try came to, as far as the next one depends on it.
type kind int

const (
	passes      kind = iota
	refused          // nobody answers: the app is booting, or gone
	wrongAnswer      // somebody answers, but not what was expected
	abandoned        // the run ended under the try: nothing is known
)

// try is one asking of a check, redirects included.
type try struct {
	kind    kind
	label   string // short: tries with the same label are counted together
	detail  string // what label leaves out
	missing string // what was expected and not found
	text    string // the same as a text, if it was one
	near    string // what was found in its place
	answer  *Answer
	output  []byte // of a command, its end
}

// step is where a request goes within the target.
type step struct {
	method, scheme, host, path string
}

func (s step) url() *url.URL {
	path, query, asked := strings.Cut(s.path, "?")
	u := &url.URL{Scheme: s.scheme, Host: s.host, RawPath: path, RawQuery: query, ForceQuery: asked && query == ""}
	// A path that does not unescape was refused by Parse.
	u.Path, _ = url.PathUnescape(path)
	return u
}

// contact is what is known of the connection that a request uses.
type contact struct {
	made atomic.Bool
	conn atomic.Pointer[conn] // nil with a transport that is not ours
}

func (m *contact) tls() bool {
	c := m.conn.Load()
	return c != nil && c.speaksTLS()
}

// try asks once, for at most the check's timeout.
func (p *prober) try(parent context.Context, index int) try {
	check := p.file.Checks[index]
	ctx, cancel := context.WithTimeout(parent, p.file.pace(check).Timeout)
	defer cancel()
	var met contact
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		met.made.Store(true)
		if c, ours := info.Conn.(*conn); ours {
			met.conn.Store(c)
		}
		if check.knocks() {
			p.reach()
		}
	}})
	var t try
	var err error
	switch check.Kind {
	case KindHTTP:
		t, err = p.ask(ctx, index, &met, cancel)
	case KindTCP:
		t, err = p.connect(ctx, check)
	case KindGRPC:
		t, err = p.askHealth(ctx, check, &met)
	case KindCommand:
		t, err = p.command(ctx, check)
	case KindUptime:
		t, err = p.uptime(ctx, check)
	default:
		return try{kind: wrongAnswer, label: "a kind of check that is not known: " + string(check.Kind)}
	}
	if err != nil {
		// A dialer's own clock may be ahead of the context's.
		late := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
		return p.ended(parent, late, check, &met, t)
	}
	return t
}

// ask makes the request of a check, and those that the answers redirect to.
// The error leaves open what the try came to.
func (p *prober) ask(ctx context.Context, index int, met *contact, cancel context.CancelFunc) (try, error) {
	check := p.file.Checks[index]
	at := step{cmp.Or(check.Method, http.MethodGet), check.Scheme, check.Host, check.Path}
	at.scheme = cmp.Or(at.scheme, "http")
	at.host = cmp.Or(at.host, p.target.Host, p.target.Address)
	for range maxRedirects + 1 {
		response, err := p.transport(check).RoundTrip(p.request(ctx, at, check))
		if err != nil {
			return broken(err, met), err
		}
		next, redirected := redirect(response, check)
		if !redirected {
			return p.judge(ctx, response, index, cancel)
		}
		answer := newAnswer(response)
		_ = response.Body.Close()
		at, err = p.follow(at, next, response.StatusCode)
		if err != nil {
			return try{kind: wrongAnswer, label: "redirect that is not followed", detail: err.Error(), answer: answer}, nil
		}
	}
	return try{
		kind:   wrongAnswer,
		label:  "redirects without end",
		detail: fmt.Sprintf("redirected more than %d times, last to %s", maxRedirects, printable(at.url().String(), 200)),
	}, nil
}

// request never leaves the target: the address is in the URL, the host only in
// the header. Where TLS is spoken the certificate must be for the host, so that
// stands in the URL; the connection goes to the address all the same.
func (p *prober) request(ctx context.Context, at step, check Check) *http.Request {
	u := at.url()
	u.Scheme = "http"
	switch {
	case p.target.TLS != nil:
		u.Scheme, u.Host = "https", at.host
	case p.target.Address != "":
		u.Host = p.target.Address
	}
	header := http.Header{
		"Accept":          {"*/*"},
		"Accept-Encoding": {"gzip, deflate"},
		"User-Agent":      {"zdd-checks"},
	}
	if at.scheme == "https" {
		header.Set("X-Forwarded-Proto", "https")
	}
	own := http.Header{}
	for _, field := range check.Header {
		own.Add(field.Name, field.Value)
	}
	maps.Copy(header, own)
	r := &http.Request{Method: at.method, URL: u, Host: at.host, Header: header, Close: true, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	return r.WithContext(ctx)
}

// redirect returns where the response sends the client, unless the check takes
// the response as it is.
func redirect(r *http.Response, check Check) (*url.URL, bool) {
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false
	}
	if check.Status.Contains(r.StatusCode) || r.Header.Get("Location") == "" {
		return nil, false
	}
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return nil, false
	}
	return u, true
}

// follow takes the redirect from a step to a location if it stays on the host.
// The port is not compared: apps behind a proxy are often wrong about it.
// The method stays where the status says so, else it becomes GET (RFC 9110,
// section 15.4).
func (p *prober) follow(at step, location *url.URL, status int) (step, error) {
	base := at.url()
	u := base.ResolveReference(location)
	shown := printable(u.String(), 200)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return at, fmt.Errorf("redirected to %s", shown)
	case !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), strings.TrimSuffix(base.Hostname(), ".")):
		return at, fmt.Errorf("redirected from host %s to another host, %s: %s", quote(base.Hostname()), quote(u.Hostname()), shown)
	case u.Scheme == "https" && at.scheme == "http" && !p.target.HTTPS:
		return at, fmt.Errorf("redirected to %s, but the app has no certificate; a check of https://%s/ is told to the app as https", shown, printable(base.Hostname(), 60))
	}
	method := at.method
	if method != http.MethodHead && status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		method = http.MethodGet
	}
	return step{method, u.Scheme, at.host, requestPath(u)}, nil
}

// broken classifies a request without an answer.
func broken(err error, met *contact) try {
	var distrusted *tls.CertificateVerificationError
	if errors.As(err, &distrusted) {
		return try{kind: wrongAnswer, label: "certificate that is not trusted", detail: printable(distrusted.Err.Error(), 200)}
	}
	if isHandshake(err) {
		return try{kind: wrongAnswer, label: "no TLS", detail: printable(err.Error(), 200)}
	}
	if met.tls() {
		return try{kind: wrongAnswer, label: "TLS instead of plain HTTP", detail: "the app must speak plain HTTP on its port: TLS ends at the front door"}
	}
	for _, known := range silences {
		if errors.Is(err, known.err) {
			return try{kind: refused, label: known.label}
		}
	}
	detail := printable(err.Error(), 200)
	if !met.made.Load() {
		return try{kind: refused, label: "no connection", detail: detail}
	}
	return try{kind: wrongAnswer, label: "answer that is not valid HTTP", detail: detail}
}

const connectionRefused = "connection refused"

// silences are the errors of a target that does not answer at all.
var silences = []struct {
	err   error
	label string
}{
	{syscall.ECONNREFUSED, connectionRefused},
	{syscall.ECONNRESET, "connection reset"},
	{syscall.EPIPE, "connection reset"},
	{syscall.EHOSTUNREACH, "host unreachable"},
	{syscall.ENETUNREACH, "no route to the network"},
	{io.EOF, "connection closed without an answer"},
	{io.ErrUnexpectedEOF, "connection closed within the answer"},
}

// ended is t, unless what broke the request was that its time ran out or that
// the run was cancelled.
func (p *prober) ended(parent context.Context, late bool, check Check, met *contact, t try) try {
	what := "no whole answer"
	switch {
	case check.Kind == KindCommand:
		what = "no end of the command"
	case check.Kind == KindUptime:
		what = "no word of the engine"
	case !met.made.Load():
		what = "no connection"
	}
	switch {
	case parent.Err() != nil:
		t.kind, t.label, t.detail = abandoned, what+" before the time was up", ""
	case met.tls():
		// It waits for a handshake that will not come; that it is slow as well
		// is no news.
	case late:
		t.label, t.detail = what+" within "+seconds(p.file.pace(check).Timeout), ""
	}
	return t
}
