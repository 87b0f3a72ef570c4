package load

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

const (
	idHeader      = "X-Load-Id"
	versionHeader = "X-Version"
)

// A Kind is what a request is like.
type Kind string

// The kinds of request, each sent by clients of its own.
const (
	Post      Kind = "post"
	Upload    Kind = "upload"
	Slow      Kind = "slow"
	Stream    Kind = "stream"
	Websocket Kind = "websocket"
)

// pieceTime is the time between two pieces of a slow upload, and between two
// lines of a stream.
const pieceTime = 100 * time.Millisecond

// A request is everything about one request before it is sent.
type request struct {
	kind        Kind
	id          string
	method      string
	head        []byte        // written at once: the header, and the body if it is not slow
	pieces      [][]byte      // the rest of the body
	every       time.Duration // between two pieces
	takes       time.Duration // how long it is meant to take
	mayEndEarly bool
	judge       func(reply) *fault
}

// post is a small POST whose answer proves that its body arrived.
func (r *Run) post(id string) request {
	body := []byte("the body of " + id + strings.Repeat(".", len(id)*37%1024))
	return request{
		kind: Post, id: id, method: "POST",
		head:  append(r.header("POST", "/echo", id, len(body)), body...),
		judge: digestOf(id, body),
	}
}

// slow asks for an answer that comes late.
func (r *Run) slow(id string) request {
	body := []byte("the slow body of " + id)
	path := "/slow?for=" + r.config.AnswerTime.String()
	return request{
		kind: Slow, id: id, method: "POST", takes: r.config.AnswerTime,
		head:  append(r.header("POST", path, id, len(body)), body...),
		judge: digestOf(id, body),
	}
}

// upload sends its body in pieces.
func (r *Run) upload(id string) request {
	n := max(int(r.config.UploadTime/pieceTime), 1)
	piece := []byte(strings.Repeat("piece of "+id+"\n", 32))
	q := request{
		kind: Upload, id: id, method: "POST",
		every: r.config.UploadTime / time.Duration(n), takes: r.config.UploadTime,
		head:  r.header("POST", "/upload", id, n*len(piece)),
		judge: digestOf(id, bytes.Repeat(piece, n)),
	}
	for range n {
		q.pieces = append(q.pieces, piece)
	}
	return q
}

// stream follows a long answer to its last line.
func (r *Run) stream(id string) request {
	path := fmt.Sprintf("/stream?for=%s&every=%s", r.config.StreamTime, pieceTime)
	return request{
		kind: Stream, id: id, method: "GET", takes: r.config.StreamTime,
		mayEndEarly: r.config.CutStreams,
		head:        r.header("GET", path, id, 0),
		judge:       wholeStream(id),
	}
}

func (r *Run) header(method, path, id string, length int) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n",
		method, path, r.config.Host, idHeader, id, length)
}

// digestOf holds an answer against "id version sha256 length" of the body that
// was sent.
func digestOf(id string, body []byte) func(reply) *fault {
	return func(r reply) *fault {
		if f := signed(id, r); f != nil {
			return f
		}
		want := fmt.Sprintf("%s %s %x %d\n", id, r.version, sha256.Sum256(body), len(body))
		if string(r.body) != want {
			return &fault{reason: reasonBody, detail: fmt.Sprintf("got %.200q, want %q", r.body, want)}
		}
		return nil
	}
}

// wholeStream wants numbered lines of one release without a gap, and its last
// one.
func wholeStream(id string) func(reply) *fault {
	return func(r reply) *fault {
		if f := signed(id, r); f != nil {
			return f
		}
		lines := strings.Split(strings.TrimSuffix(string(r.body), "\n"), "\n")
		for i, line := range lines {
			want := fmt.Sprintf("%d %s", i+1, r.version)
			if i == len(lines)-1 {
				want = "end " + r.version
			}
			if line != want {
				return &fault{reason: reasonBody, detail: fmt.Sprintf("line %d is %.200q, want %q", i+1, line, want)}
			}
		}
		return nil
	}
}

// signed holds an answer's status and headers against the request.
func signed(id string, r reply) *fault {
	if r.status != 200 {
		return &fault{reason: fmt.Sprintf("status %d", r.status), detail: fmt.Sprintf("%.200q", r.body)}
	}
	if r.id != id {
		return &fault{reason: reasonID, detail: fmt.Sprintf("got the answer to %.200q", r.id)}
	}
	return nil
}
