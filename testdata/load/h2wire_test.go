package load

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestHTTP2_losesNothingOnAGoodServer(t *testing.T) {
	app := newApp(t, nil)
	address, trusting := secured(t, app)
	run, err := Start(t.Context(), Config{
		Address: address, TLS: trusting, Clients: 4, SlowUploads: 2, UploadTime: 200 * time.Millisecond, Allowed: []string{"v1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, run, func(r Report) bool {
		return r.Answered >= enough && r.Connections >= 6 && r.Kinds[Upload].Answered > 2
	})
	r := run.Stop()
	if r.Answered != r.Sent || r.Connections != 6 {
		t.Errorf("want all answered on 6 connections:\n%s", r)
	}
	wantEnds(t, app, r, Comparison{})
}

// Each row is a server that treats one stream badly.
func TestHTTP2_seesALoss(t *testing.T) {
	tests := []struct {
		name   string
		bad    func(c *framedConn, stream uint32, id string)
		reason string
	}{
		{"a status", func(c *framedConn, stream uint32, id string) {
			c.head(stream, "502", id)
			c.WriteData(stream, true, nil)
		}, "status 502"},
		{"a close before the answer", func(c *framedConn, stream uint32, id string) { c.Close() }, reasonClosed},
		{"a close of a stream that was to be answered", func(c *framedConn, stream uint32, id string) {
			c.WriteGoAway(stream, http2.ErrCodeNo, nil)
			c.Close()
		}, reasonClosed},
		{"a stream given up", func(c *framedConn, stream uint32, id string) {
			c.WriteRSTStream(stream, http2.ErrCodeInternal)
		}, reasonStream},
		{"an answer cut short", func(c *framedConn, stream uint32, id string) {
			c.head(stream, "200", id)
			c.WriteData(stream, false, []byte("half"))
			c.Close()
		}, reasonCut},
		{"no answer", func(c *framedConn, stream uint32, id string) {}, reasonTimeout},
		{"another request's answer", func(c *framedConn, stream uint32, id string) {
			c.answer(stream, "somebody-else-1", "")
		}, reasonID},
		{"a wrong body", func(c *framedConn, stream uint32, id string) { c.answer(stream, id, "moved") }, reasonBody},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := newFramed(t, fifth(test.bad))
			r := loaded(t, app.testApp, Config{TLS: app.trusting, Clients: 2, Timeout: timeoutFor(test.reason)})
			wantOneLost(t, r, test.reason)
			wantEnds(t, app.testApp, r, Comparison{})
		})
	}
}

// A stream that the server turned away was not processed, and may be asked for
// again: it is not lost. The other end proves that the server told the truth.
func TestHTTP2_takesAStreamThatWasTurnedAwayForNoLoss(t *testing.T) {
	tests := []struct {
		name string
		away func(c *framedConn, stream uint32, id string)
	}{
		{"by GOAWAY", func(c *framedConn, stream uint32, id string) {
			c.WriteGoAway(stream-1, http2.ErrCodeNo, nil)
			c.Close()
		}},
		{"by REFUSED_STREAM", func(c *framedConn, stream uint32, id string) {
			c.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			app := newFramed(t, fifth(test.away))
			r := loaded(t, app.testApp, Config{TLS: app.trusting, Clients: 2})
			if r.TurnedAway != 1 || r.Lost != 0 || r.Answered != r.Sent-1 {
				t.Errorf("want one turned away and none lost:\n%s", r)
			}
			wantEnds(t, app.testApp, r, Comparison{})
		})
	}
}

func TestHTTP2_findsThatAStreamWasProcessedAndTurnedAway(t *testing.T) {
	liar := make(chan string, 1)
	var app *framed
	app = newFramed(t, fifth(func(c *framedConn, stream uint32, id string) {
		app.record(id)
		liar <- id
		c.WriteGoAway(stream-1, http2.ErrCodeNo, nil)
		c.Close()
	}))
	r := loaded(t, app.testApp, Config{TLS: app.trusting, Clients: 2})
	wantEnds(t, app.testApp, r, Comparison{Unanswered: []string{<-liar}})
}

// A server that goes away answers what it took before, and the client opens
// another connection for the next request.
func TestHTTP2_followsAServerThatGoesAway(t *testing.T) {
	var app *framed
	app = newFramed(t, func(c *framedConn, stream uint32, id string) bool {
		app.record(id)
		c.WriteGoAway(stream, http2.ErrCodeNo, nil)
		c.answer(stream, id, echo(id, "v1", &c.body))
		return true
	})
	r := loaded(t, app.testApp, Config{TLS: app.trusting, Clients: 2})
	if r.Lost != 0 || r.TurnedAway != 0 || r.Announced != r.Sent || r.Connections != r.Sent {
		t.Errorf("want a connection for each request and no loss:\n%s", r)
	}
	wantEnds(t, app.testApp, r, Comparison{})
}

func TestHTTP2_losesEverythingOnAServerThatDoesNotSpeakIt(t *testing.T) {
	address, trusting := secured(t, http.NotFoundHandler())
	r := loaded(t, &testApp{address: address}, Config{TLS: trusting, Clients: 1})
	if r.Lost != r.Sent || r.Reasons["status 404"] != r.Lost {
		t.Errorf("want all lost by their status:\n%s", r)
	}
	r = loaded(t, newApp(t, nil), Config{TLS: trusting, Clients: 1})
	if r.Lost != r.Sent || r.Reasons[reasonOther] != r.Lost {
		t.Errorf("want all lost, as the server speaks no TLS:\n%s", r)
	}
}
