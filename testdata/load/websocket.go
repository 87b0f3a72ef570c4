package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coder/websocket"
)

// messageTime is the time between two messages on a websocket.
const messageTime = 100 * time.Millisecond

// errEcho is an answer on a websocket that is not the echo of the question.
var errEcho = errors.New("not the echo")

// talk is one websocket client. A websocket that ends is opened anew, which is
// no second try of anything: each message is sent once.
func (r *Run) talk(ctx context.Context, name string) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp4", r.config.Address)
		},
		DisableKeepAlives: true,
	}
	for seq := 1; ctx.Err() == nil; seq++ {
		q := request{kind: Websocket, id: fmt.Sprintf("%s-%d", name, seq)}
		r.tally.sent(Websocket, name)
		ws, o := r.connect(ctx, transport, q.id)
		o = r.tally.check(o)
		if ws != nil {
			o = r.converse(ctx, ws, o)
		}
		r.tally.settle(q, o)
		rest(ctx, lull)
	}
}

func (r *Run) connect(ctx context.Context, transport *http.Transport, id string) (*websocket.Conn, outcome) {
	// Begun is begun: the end of the run does not make a loss of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.Timeout)
	defer cancel()
	o := outcome{begun: time.Now()}
	ws, response, err := websocket.Dial(ctx, "ws://"+r.config.Address+"/ws", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: http.Header{idHeader: {id}},
		Host:       r.config.Host,
	})
	o.ended = time.Now()
	reply := reply{}
	if response != nil {
		o.version = response.Header.Get(versionHeader)
		reply.begun, reply.status = response.StatusCode != http.StatusSwitchingProtocols, response.StatusCode
	}
	if err != nil {
		o.fault = broken(timeoutOf(ctx, err), reply)
		return nil, o
	}
	o.answered = true
	return ws, o
}

// converse sends messages until the run or the websocket ends, and returns what
// became of the websocket, which o says the beginning of.
func (r *Run) converse(ctx context.Context, ws *websocket.Conn, o outcome) outcome {
	defer ws.CloseNow()
	var err error
	for n := 1; err == nil && ctx.Err() == nil; n++ {
		asked := time.Now()
		if err = r.message(ctx, ws, o.version, n); err == nil {
			r.tally.message(time.Since(asked))
			rest(ctx, messageTime)
		}
	}
	o.ended = time.Now()
	switch {
	case err == nil:
		ws.Close(websocket.StatusNormalClosure, "")
	case o.fault != nil: // it counts as lost already
	case errors.Is(err, errEcho):
		o.fault = &fault{reason: reasonBody, detail: err.Error()}
	case isTimeout(err):
		o.fault = &fault{reason: reasonTimeout, detail: err.Error()}
	default:
		o.cut = true
	}
	return o
}

// message sends one message and reads its echo.
func (r *Run) message(ctx context.Context, ws *websocket.Conn, version string, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.Timeout)
	defer cancel()
	text := fmt.Sprintf("message %d", n)
	if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return timeoutOf(ctx, err)
	}
	_, got, err := ws.Read(ctx)
	if err != nil {
		return timeoutOf(ctx, err)
	}
	if want := version + " " + text; string(got) != want {
		return fmt.Errorf("%w: got %.200q, want %q", errEcho, got, want)
	}
	return nil
}

// timeoutOf makes the end of ctx a timeout, as on the other connections.
func timeoutOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	return err
}
