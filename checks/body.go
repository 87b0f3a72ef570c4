package checks

import (
	"bufio"
	"bytes"
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
	// searchStep is how much of it is read at a time, in bytes: little, since
	// hundreds of checks may run at once.
	searchStep = 4 << 10
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
func judge(r *http.Response, check Check, cancel context.CancelFunc) (try, error) {
	defer r.Body.Close()
	answer := newAnswer(r)
	if !check.Status.Contains(r.StatusCode) {
		timer := time.AfterFunc(excerptPatience, cancel)
		defer timer.Stop()
		body, _ := decoded(r)
		answer.body, _ = io.ReadAll(io.LimitReader(body, maxKept))
		return try{kind: wrongAnswer, label: fmt.Sprint(r.StatusCode), answer: answer}, nil
	}
	if check.Content == "" {
		return try{kind: passes, answer: answer}, nil
	}
	body, err := decoded(r)
	if err == nil {
		var found bool
		found, answer.body, err = search(body, check.Content)
		if found {
			return try{kind: passes, answer: answer}, nil
		}
	}
	t := try{kind: wrongAnswer, label: fmt.Sprintf("%d without the expected text", r.StatusCode), answer: answer}
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

// search looks for text in what r holds, up to maxBody, and returns at the
// first match. It also returns the beginning of the body. That the body is
// longer than maxBody is an error.
func search(r io.Reader, text string) (found bool, beginning []byte, err error) {
	needle := []byte(text)
	window := make([]byte, 0, searchStep+len(needle))
	for total := 0; ; {
		n, err := r.Read(window[len(window):cap(window)])
		window = window[:len(window)+n]
		if room := maxKept - len(beginning); room > 0 {
			fresh := window[len(window)-n:]
			beginning = append(beginning, fresh[:min(n, room)]...)
		}
		if bytes.Contains(window, needle) {
			return true, beginning, nil
		}
		total += n
		switch {
		case errors.Is(err, io.EOF):
			return false, beginning, nil
		case err != nil:
			return false, beginning, err
		case total >= maxBody:
			return false, beginning, errTooLong
		}
		// A match may straddle two reads: keep as much as could be its start.
		keep := min(len(window), len(needle)-1)
		copy(window, window[len(window)-keep:])
		window = window[:keep]
	}
}

// decoded is the body without its content encodings (RFC 9110, section 8.4).
// With an error it returns the body as it came.
func decoded(r *http.Response) (io.Reader, error) {
	var codings []string
	for _, value := range r.Header.Values("Content-Encoding") {
		codings = append(codings, strings.Split(value, ",")...)
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
