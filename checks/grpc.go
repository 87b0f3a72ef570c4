package checks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"

	"google.golang.org/protobuf/encoding/protowire"
)

// healthPath is the method of the health checking protocol:
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
const healthPath = "/grpc.health.v1.Health/Check"

// maxMessage is how much of a gRPC answer is read, in bytes.
const maxMessage = 64 << 10

// servings are the values of HealthCheckResponse.ServingStatus.
var servings = map[uint64]string{0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

// askHealth asks for the health of a service by gRPC, over HTTP/2 without TLS.
func (p *prober) askHealth(ctx context.Context, check Check, met *contact) (try, error) {
	if p.lines == nil {
		return try{kind: wrongAnswer, label: "not possible here", detail: "gRPC does not go through nginx's site"}, nil
	}
	line := p.lines.to(check.Port)
	u := &url.URL{Scheme: "http", Host: line.address, Path: healthPath}
	if p.target.TLS != nil { // its certificate is for the host
		u.Scheme, u.Host = "https", cmp.Or(p.target.Host, line.address)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(healthRequest(check.Service)))
	if err != nil {
		return try{kind: wrongAnswer, label: "no request", detail: printable(err.Error(), 200)}, nil
	}
	request.Host = cmp.Or(p.target.Host, line.address)
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"zdd-checks"}}
	response, err := line.overHTTP2().RoundTrip(request)
	if err != nil {
		return brokenHealth(err, met), err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	if err != nil {
		return brokenHealth(err, met), err
	}
	return judgeHealth(response, body), nil
}

// brokenHealth classifies a call without an answer.
func brokenHealth(err error, met *contact) try {
	c := met.conn.Load()
	switch {
	case c != nil && c.speaksHTTP1():
		return try{kind: wrongAnswer, label: "HTTP/1.1 instead of gRPC", detail: "the app must speak HTTP/2 on this port"}
	case c == nil || !c.silent() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return broken(err, met)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return broken(err, met)
	default: // HTTP/2 has many words for it
		return broken(io.EOF, met)
	}
}

// judgeHealth decides by an answer that came whole.
func judgeHealth(r *http.Response, body []byte) try {
	t := try{kind: wrongAnswer, missing: "SERVING"}
	if r.StatusCode != http.StatusOK {
		t.label, t.answer = fmt.Sprintf("%d and no gRPC", r.StatusCode), newAnswer(r)
		t.answer.body = body
		return t
	}
	// An answer without a message has its trailers in the header.
	code := cmp.Or(r.Trailer.Get("Grpc-Status"), r.Header.Get("Grpc-Status"))
	message, _ := url.PathUnescape(cmp.Or(r.Trailer.Get("Grpc-Message"), r.Header.Get("Grpc-Message")))
	switch code {
	case "0":
	case "":
		t.label, t.answer = fmt.Sprintf("%d and no gRPC", r.StatusCode), newAnswer(r)
		t.answer.body = body
		return t
	case "5":
		t.label, t.detail = "a service that is not known", printable(message, 200)
		return t
	case "12":
		t.label, t.detail = "no health service", "the app does not offer grpc.health.v1.Health"
		return t
	default:
		t.label, t.detail = "gRPC status "+printable(code, 10), printable(message, 200)
		return t
	}
	serving, err := healthResponse(body)
	if err != nil {
		t.label, t.detail = "an answer that is no health", err.Error()
		return t
	}
	if serving != 1 {
		t.label = cmp.Or(servings[serving], fmt.Sprintf("health %d", serving))
		return t
	}
	return try{kind: passes}
}

// healthRequest is a HealthCheckRequest with gRPC's five bytes before it: not
// compressed, and its length.
func healthRequest(service string) []byte {
	message := protowire.AppendTag(nil, 1, protowire.BytesType)
	message = protowire.AppendString(message, service)
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(framed, message...)
}

// healthResponse is the status of a HealthCheckResponse.
func healthResponse(framed []byte) (serving uint64, err error) {
	const header = 5
	if len(framed) < header || framed[0] != 0 || uint32(len(framed)-header) != binary.BigEndian.Uint32(framed[1:]) {
		return 0, errors.New("its frame is not that of one message")
	}
	for message := framed[header:]; len(message) > 0; {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
		if number == 1 && kind == protowire.VarintType {
			serving, n = protowire.ConsumeVarint(message)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
	}
	return serving, nil
}
