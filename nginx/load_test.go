package nginx

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is a number of clients that post over kept connections and never retry.
type load struct {
	mu       sync.Mutex
	sent     int
	lost     []string // what went wrong, by request id
	answered map[string]string
	stop     chan struct{}
	done     sync.WaitGroup
}

// startLoad posts to host through nginx's front door with n clients until finish.
func startLoad(p *Proxy, host string, n int) *load {
	l := &load{answered: map[string]string{}, stop: make(chan struct{})}
	for client := range n {
		l.done.Go(func() { l.client(p.config.Listen[0], host, client) })
	}
	return l
}

// finish ends the load and returns the number of requests sent.
func (l *load) finish() int {
	close(l.stop)
	l.done.Wait()
	return l.sent
}

func (l *load) client(addr, host string, client int) {
	var conn net.Conn
	var r *bufio.Reader
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			if conn != nil {
				_ = conn.Close()
			}
			return
		default:
		}
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				l.note(fmt.Sprintf("dial %d-%d", client, i), "", err)
				conn = nil
				continue
			}
			r = bufio.NewReader(conn)
		}
		id := fmt.Sprintf("%d-%d", client, i)
		body, closing, err := post(conn, r, host, id)
		l.note(id, body, err)
		if err != nil || closing {
			_ = conn.Close()
			conn = nil
		}
	}
}

// post sends one request; closing tells that nginx closes the connection after it.
func post(conn net.Conn, r *bufio.Reader, host, id string) (body string, closing bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		return "", false, err
	}
	if _, err := fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\n\r\nbody", id, host); err != nil {
		return "", false, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", false, err
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(data), resp.Close, err
}

func (l *load) note(id, body string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if err != nil {
		l.lost = append(l.lost, fmt.Sprintf("%s: %v", id, err))
		return
	}
	l.answered[id] = body
}

// checkLossless compares both ends: each request was answered once, by the app
// that says it answered.
func (l *load) checkLossless(t *testing.T, apps ...*counted) {
	t.Helper()
	if len(l.lost) > 0 {
		t.Errorf("%d of %d requests lost, first: %s", len(l.lost), l.sent, l.lost[0])
	}
	if len(l.answered) == 0 {
		t.Error("no request was answered")
	}
	total := 0
	for _, a := range apps {
		a.mu.Lock()
		total += len(a.ids)
		for id, n := range a.ids {
			if n != 1 {
				t.Errorf("%s ran request %s %d times", a.name, id, n)
			}
			if got := l.answered[id]; got != a.name {
				t.Errorf("request %s ran in %s, its client heard %q", id, a.name, got)
			}
		}
		a.mu.Unlock()
	}
	if total != len(l.answered) {
		t.Errorf("%d requests ran, %d were answered", total, len(l.answered))
	}
}

// counted is an app that counts requests by id (their path).
type counted struct {
	*app
	mu  sync.Mutex
	ids map[string]int
}

func startCounted(t *testing.T, name string) *counted {
	c := &counted{ids: map[string]int{}}
	c.app = startApp(t, name, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.mu.Lock()
		c.ids[strings.TrimPrefix(r.URL.Path, "/")]++
		c.mu.Unlock()
		_, _ = io.WriteString(w, name)
	})
	return c
}
