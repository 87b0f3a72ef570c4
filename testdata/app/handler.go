package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	idHeader      = "X-Load-Id"
	versionHeader = "X-Version"
	// longest bounds what a query may ask for, so that no request outlives its
	// test by much.
	longest = 5 * time.Minute
)

type handler struct {
	version string
	status  int
	ids     *ledger
}

// newHandler is the app as a handler. It answers everything with status, and
// with no more than that where the status is not 200.
func newHandler(version string, status int, ids *ledger) http.Handler {
	h := &handler{version: version, status: status, ids: ids}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", h.hello)
	mux.HandleFunc("/healthz", h.health)
	mux.HandleFunc("/json", h.json)
	mux.HandleFunc("POST /echo", h.echo)
	mux.HandleFunc("POST /upload", h.echo) // the same, however slowly the body comes
	mux.HandleFunc("/slow", h.slow)
	mux.HandleFunc("/stream", h.stream)
	mux.HandleFunc("/ws", h.socket)
	mux.HandleFunc("/env", h.env)
	return h.sign(mux)
}

// sign puts the release and the request's id on every answer, and answers by
// itself where the app is meant to be broken.
func (h *handler) sign(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, h.version)
		if id := r.Header.Get(idHeader); id != "" {
			w.Header().Set(idHeader, id)
		}
		if h.status != http.StatusOK {
			http.Error(w, "broken "+h.version, h.status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) hello(w http.ResponseWriter, r *http.Request) {
	if h.process(w, r) {
		fmt.Fprintf(w, "hello from %s\n", h.version)
	}
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "ok")
}

func (h *handler) json(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"up","version":%q,"db":{"connected":true,"pool":5}}`+"\n", h.version)
}

// echo answers "id version sha256 length" of the body it read.
func (h *handler) echo(w http.ResponseWriter, r *http.Request) {
	sum, n, ok := h.read(w, r)
	if ok && h.process(w, r) {
		h.digest(w, r, sum, n)
	}
}

// slow processes the request at once and answers late: what it did cannot be
// undone by a connection that breaks meanwhile.
func (h *handler) slow(w http.ResponseWriter, r *http.Request) {
	wait, ok := duration(w, r, "for", 1500*time.Millisecond)
	if !ok {
		return
	}
	sum, n, ok := h.read(w, r)
	if !ok || !h.process(w, r) {
		return
	}
	select {
	case <-time.After(wait):
		h.digest(w, r, sum, n)
	case <-r.Context().Done():
	}
}

// stream sends a numbered line at each step and "end VERSION" as the last one.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	length, ok := duration(w, r, "for", 5*time.Second)
	if !ok {
		return
	}
	every, ok := duration(w, r, "every", 100*time.Millisecond)
	if !ok || !h.process(w, r) {
		return
	}
	out := http.NewResponseController(w)
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	end := time.After(length)
	for i := 1; ; i++ {
		fmt.Fprintf(w, "%d %s\n", i, h.version)
		if out.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			fmt.Fprintf(w, "end %s\n", h.version)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// socket echoes each text message with the release before it.
func (h *handler) socket(w http.ResponseWriter, r *http.Request) {
	if !h.process(w, r) {
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ctx := r.Context()
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if err := ws.Write(ctx, kind, append([]byte(h.version+" "), message...)); err != nil {
			return
		}
	}
}

func (h *handler) env(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the environment is nobody's business", http.StatusForbidden)
}

// read takes the body to its end and reports its digest and length. A body
// that breaks off is answered with 400 and is not processed.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (sum []byte, n int64, ok bool) {
	digest := sha256.New()
	n, err := io.Copy(digest, r.Body)
	if err != nil {
		http.Error(w, "reading the body: "+err.Error(), http.StatusBadRequest)
		return nil, 0, false
	}
	return digest.Sum(nil), n, true
}

// process is the side effect of a request: its line in the ledger. Without it
// there is no good answer.
func (h *handler) process(w http.ResponseWriter, r *http.Request) bool {
	if err := h.ids.record(r.Header.Get(idHeader), h.version, r.URL.Path); err != nil {
		http.Error(w, "recording the request: "+err.Error(), http.StatusInternalServerError)
		return false
	}
	return true
}

func (h *handler) digest(w http.ResponseWriter, r *http.Request, sum []byte, n int64) {
	id := r.Header.Get(idHeader)
	if id == "" {
		id = "-"
	}
	fmt.Fprintf(w, "%s %s %x %d\n", id, h.version, sum, n)
}

func duration(w http.ResponseWriter, r *http.Request, name string, fallback time.Duration) (time.Duration, bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, true
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > longest {
		http.Error(w, fmt.Sprintf("%s is %q, want a duration up to %s", name, text, longest), http.StatusBadRequest)
		return 0, false
	}
	return d, true
}
