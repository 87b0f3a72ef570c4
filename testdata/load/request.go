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
	Get       Kind = "get"
	Post      Kind = "post"
	Upload    Kind = "upload"
	Slow      Kind = "slow"
	Stream    Kind = "stream"
	Websocket Kind = "websocket"
)

// Kinds are all of them, in the order in which reports tell them.
func Kinds() []Kind { return []Kind{Post, Get, Upload, Slow, Stream, Websocket} }

// pieceTime is the time between two pieces of a slow upload, and between two
// lines of a stream.
const pieceTime = 100 * time.Millisecond

// A request is everything about one request before it is sent.
type request struct {
	kind        Kind
	id          string
	method      string
	path        string
	body        []byte        // written together with the header
	pieces      [][]byte      // the rest of the body, which comes slowly
	every       time.Duration // between two pieces
	takes       time.Duration // how long it is meant to take
	mayEndEarly bool
	judge       func(reply) *fault
}

// length is the whole body's, in bytes.
func (q request) length() int {
	n := len(q.body)
	for _, piece := range q.pieces {
		n += len(piece)
	}
	return n
}

// get asks for the front page.
func (r *Run) get(id string) request {
	return request{kind: Get, id: id, method: "GET", path: "/", judge: greeting(id)}
}

// post is a small POST whose answer proves that its body arrived.
func (r *Run) post(id string) request {
	body := []byte("the body of " + id + strings.Repeat(".", len(id)*37%1024))
	return request{kind: Post, id: id, method: "POST", path: "/echo", body: body, judge: digestOf(id, body)}
}

// slow asks for an answer that comes late.
func (r *Run) slow(id string) request {
	body := []byte("the slow body of " + id)
	return request{
		kind: Slow, id: id, method: "POST", path: "/slow?for=" + r.config.AnswerTime.String(), body: body,
		takes: r.config.AnswerTime, judge: digestOf(id, body),
	}
}

// upload sends its body in pieces.
func (r *Run) upload(id string) request {
	n := max(int(r.config.UploadTime/pieceTime), 1)
	piece := []byte(strings.Repeat("piece of "+id+"\n", 32))
	q := request{
		kind: Upload, id: id, method: "POST", path: "/upload",
		every: r.config.UploadTime / time.Duration(n), takes: r.config.UploadTime,
		judge: digestOf(id, bytes.Repeat(piece, n)),
	}
	for range n {
		q.pieces = append(q.pieces, piece)
	}
	return q
}

// stream follows a long answer to its last line.
func (r *Run) stream(id string) request {
	return request{
		kind: Stream, id: id, method: "GET", takes: r.config.StreamTime,
		path:        fmt.Sprintf("/stream?for=%s&every=%s", r.config.StreamTime, pieceTime),
		mayEndEarly: r.config.CutStreams,
		judge:       wholeStream(id),
	}
}

// greeting wants the front page of the release that signed it.
func greeting(id string) func(reply) *fault {
	return func(r reply) *fault {
		if f := signed(id, r); f != nil {
			return f
		}
		if want := "hello from " + r.version + "\n"; string(r.body) != want {
			return &fault{reason: reasonBody, detail: fmt.Sprintf("got %.200q, want %q", r.body, want)}
		}
		return nil
	}
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
