package dockertest

import (
	"net"
	"net/http"
	"strconv"
)

// wait answers its header at once, so that the caller knows that no exit is
// missed from then on, and its body when the time has come.
func (e *Engine) wait(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	condition := r.URL.Query().Get("condition")
	e.mu.Lock()
	up := c.state == stateRunning || c.state == stateRestarting
	exit, gone := c.exit, c.gone
	e.mu.Unlock()

	var ended <-chan struct{} = exit
	switch {
	case condition == "removed":
		ended = gone
	case condition != "next-exit" && !up:
		ended = closedChannel
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	select {
	case <-ended:
	case <-gone:
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	code := c.exitCode
	e.mu.Unlock()
	_, _ = w.Write([]byte(`{"StatusCode":` + strconv.Itoa(code) + "}\n"))
}

var closedChannel = func() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}()

// logs sends what was written so far.
func (e *Engine) logs(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	count, err := strconv.Atoi(r.URL.Query().Get("tail"))
	if err != nil {
		count = -1
	}
	w.WriteHeader(http.StatusOK)
	c.output.last(w, count)
}

// attach takes the connection over, as the engine does. It is attached before
// the answer says so: a caller that starts the container then misses nothing.
func (e *Engine) attach(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	connection, ready, err := takeOver(w)
	if err != nil {
		return
	}
	defer connection.Close()
	e.mu.Lock()
	ended := closedChannel // the stream of what has ended is at its end
	if c.state != stateExited {
		ended = c.output.attach(connection, ready)
	} else {
		ready()
	}
	e.mu.Unlock()
	select {
	case <-ended:
	case <-c.gone:
	}
}

// takeOver takes a connection over for a stream; ready tells the caller that
// the stream begins. It answers itself when it cannot.
func takeOver(w http.ResponseWriter) (connection net.Conn, ready func(), err error) {
	connection, _, err = http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return nil, nil, err
	}
	return connection, func() {
		_, _ = connection.Write([]byte("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n" +
			"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"))
	}, nil
}
