package checks

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody is how much of a decoded body is searched, in bytes.
	maxBody = 8 << 20
	// searchFirst and searchStep are how much of it is read at first and then
	// at a time, in bytes: little, since hundreds of checks may run at once.
	searchFirst = 512
	searchStep  = 4 << 10
	// maxCodings is how many content encodings are undone: each costs memory.
	maxCodings = 4
	// maxKept is how much of it is kept to explain a failure, in bytes.
	maxKept = 64 << 10
	// excerptPatience is how long a try whose status has failed already waits
	// for a body to show.
	excerptPatience = 250 * time.Millisecond
)

// errTooLong is a body that was searched up to the limit in vain.
var errTooLong = fmt.Errorf("the text is not in the first %d MiB", maxBody>>20)

// judge decides whether the response passes, and closes it. Cancel ends the
// request. The error is that of reading the body, and leaves the decision open.
func (p *prober) judge(ctx context.Context, r *http.Response, index int, cancel context.CancelFunc) (try, error) {
	defer r.Body.Close()
	check := p.file.Checks[index]
	answer := newAnswer(r)
	if !check.Status.Contains(r.StatusCode) {
		timer := time.AfterFunc(excerptPatience, cancel)
		defer timer.Stop()
		body, _ := decoded(r)
		answer.body, _ = io.ReadAll(io.LimitReader(body, maxKept)) // never nil
		return try{kind: wrongAnswer, label: fmt.Sprint(r.StatusCode), missing: check.Status.String(), answer: answer}, nil
	}
	wanted := expectations(check, p.patterns[index])
	if len(wanted) == 0 {
		return try{kind: passes, answer: answer}, nil
	}
	decodedBody, err := decoded(r)
	page := newPage(decodedBody, len(wanted) > 1 || check.JSON != nil, ctx.Err)
	for _, want := range wanted {
		found := false
		near := ""
		if err == nil {
			found, near, err = want.in(page)
		}
		answer.body = append([]byte{}, page.beginning()...)
		if found {
			continue
		}
		t := try{kind: wrongAnswer, label: fmt.Sprintf("%d without %s", r.StatusCode, want.short), missing: want.what, text: want.text, near: near, answer: answer}
		if err == nil {
			return t, nil
		}
		t.detail = printable(err.Error(), 200)
		if errors.Is(err, errTooLong) {
			return t, nil
		}
		t.label = "body that broke off"
		return t, err
	}
	return try{kind: passes, answer: answer}, nil
}

// decoded is the body without its content encodings (RFC 9110, section 8.4).
// With an error it returns the body as it came.
func decoded(r *http.Response) (io.Reader, error) {
	var codings []string
	for _, value := range r.Header.Values("Content-Encoding") {
		codings = append(codings, strings.Split(value, ",")...)
	}
	if len(codings) > maxCodings {
		return r.Body, fmt.Errorf("%d content encodings, one within the other", len(codings))
	}
	var body io.Reader = r.Body
	// They are listed in the order in which they were applied.
	for i := len(codings) - 1; i >= 0; i-- {
		var err error
		switch coding := strings.ToLower(strings.TrimSpace(codings[i])); coding {
		case "", "identity":
		case "gzip", "x-gzip":
			body, err = gzip.NewReader(body)
		case "deflate":
			body, err = inflate(body)
		default:
			err = fmt.Errorf("content encoding %s was not asked for", quote(coding))
		}
		if err != nil {
			return r.Body, err
		}
	}
	return body, nil
}

// inflate reads "deflate", which is meant to be zlib's format and often is
// the bare one.
func inflate(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	head, err := buffered.Peek(2)
	if err != nil {
		return nil, err
	}
	// RFC 1950: method 8, and the two bytes are a multiple of 31.
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(buffered)
	}
	return flate.NewReader(buffered), nil
}
