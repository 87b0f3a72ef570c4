package nginx

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

// echo answers with what reached the app: method, URI as sent, body, headers.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s host=%s", r.Method, r.RequestURI, body, r.Host)
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Proxy", "Connection", "X-Own"} {
		if v := r.Header.Values(name); len(v) > 0 {
			fmt.Fprintf(w, " %s=%s", name, strings.Join(v, "|"))
		}
	}
	if len(r.Header.Get("X-Request-Id")) < 8 {
		fmt.Fprint(w, " no request id")
	}
}

func TestSite_passesRequestsOnUnchangedInEveryLocation(t *testing.T) {
	t.Parallel()
	p := started(t)
	blue, green := startApp(t, "blue", echo), startApp(t, "green", echo)
	install(t, p, Site{App: "web", Blue: []string{blue.addr}, Green: []string{green.addr}})
	_, port, _ := net.SplitHostPort(p.config.Listen[0])
	for _, closing := range []bool{false, true} {
		if closing {
			setClosing(t, p)
		}
		for _, slot := range []Slot{Blue, Green} {
			if err := p.Switch("web", slot); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/a%2Fb//c?q=1&r=%20", "/.well-known/acme-challenge/none"} {
				want := fmt.Sprintf("POST %s hello host=web.localhost X-Forwarded-For=127.0.0.1 X-Forwarded-Proto=http"+
					" X-Forwarded-Host=web.localhost X-Forwarded-Port=%s X-Own=mine", path, port)
				_, got := do(t, p, "web.localhost", "POST", path, "hello", map[string]string{
					"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "Proxy": "evil", "X-Own": "mine"})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("closing=%v slot=%s (-want +got):\n%s", closing, slot, diff)
				}
			}
		}
	}
}

func TestTransport_reachesTheLiveSlotWithHeadersUnchanged(t *testing.T) {
	t.Parallel()
	p := started(t)
	blue, green := startApp(t, "blue", echo), startApp(t, "green", nil)
	install(t, p, Site{App: "web", Domains: []string{"*.example.com"}, Blue: []string{blue.addr}, Green: []string{green.addr}})
	req, err := http.NewRequestWithContext(testContext(t), "POST", "http://shop.example.com/x%2Fy", strings.NewReader("hi"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("X-Request-Id", "0123456789")
	resp, err := p.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("POST /x%2Fy hi host=shop.example.com X-Forwarded-Proto=https", string(body)); diff != "" {
		t.Errorf("through the door (-want +got):\n%s", diff)
	}
}

func TestSite_believesTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	p := started(t)
	blue, green := startApp(t, "blue", echo), startApp(t, "green", echo)
	site := Site{App: "my-web", Blue: []string{blue.addr}, Green: []string{green.addr}}
	sent := map[string]string{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "www.example.com", "X-Forwarded-Port": "443"}
	_, port, _ := net.SplitHostPort(p.config.Listen[0])
	for _, tt := range []struct{ trusted, want string }{
		{"127.0.0.0/8", "X-Forwarded-For=203.0.113.9, 127.0.0.1 X-Forwarded-Proto=https X-Forwarded-Host=www.example.com X-Forwarded-Port=443"},
		{"10.0.0.0/8", "X-Forwarded-For=127.0.0.1 X-Forwarded-Proto=http X-Forwarded-Host=my-web.localhost X-Forwarded-Port=" + port},
	} {
		site.TrustedProxies = []string{tt.trusted}
		install(t, p, site)
		_, got := do(t, p, "my-web.localhost", "GET", "/", "", sent)
		if diff := cmp.Diff("GET /  host=my-web.localhost "+tt.want, got); diff != "" {
			t.Errorf("trusting %s (-want +got):\n%s", tt.trusted, diff)
		}
	}
}

// websocketApp echoes messages, with its name before them.
func websocketApp(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			for i := 0; r.Context().Err() == nil; i++ {
				fmt.Fprintf(w, "data: %s %d\n\n", name, i)
				w.(http.Flusher).Flush()
				pause(r.Context(), 10*time.Millisecond)
			}
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, append([]byte(name+" "), data...)); err != nil {
				return
			}
		}
	}
}

func TestWebsocketsAndStreams_surviveSwitchesAndReloads(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	blue, green := startApp(t, "blue", websocketApp("blue")), startApp(t, "green", websocketApp("green"))
	site := Site{App: "web", Blue: []string{blue.addr}, Green: []string{green.addr}}
	install(t, p, site)
	socket := openSocket(t, ctx, p)
	stream := openStream(t, ctx, p)
	say := func(socket *websocket.Conn, want string) {
		t.Helper()
		if err := socket.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		_, data, err := socket.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want+" hi", string(data)); diff != "" {
			t.Errorf("websocket (-want +got):\n%s", diff)
		}
	}
	follow := func() {
		t.Helper()
		for range 6 {
			if line, err := stream.ReadString('\n'); err != nil || (line != "\n" && !strings.HasPrefix(line, "data: blue")) {
				t.Fatalf("stream broke: %q, %v", line, err)
			}
		}
	}
	say(socket, "blue")
	follow()
	if err := p.Switch("web", Green); err != nil {
		t.Fatal(err)
	}
	say(socket, "blue")
	follow()
	site.Gzip = true
	if _, err := p.Install(ctx, site); err != nil {
		t.Fatal(err)
	}
	say(socket, "blue")
	follow()
	say(openSocket(t, ctx, p), "green")
	setClosing(t, p)
	say(openSocket(t, ctx, p), "green")
	_, _, lingering, err := p.Generations()
	if err != nil || len(lingering) == 0 {
		t.Errorf("the worker that holds the websocket is not reported: %v, %v", lingering, err)
	}
}

func openSocket(t *testing.T, ctx context.Context, p *Proxy) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, "ws://"+p.config.Listen[0]+"/ws", &websocket.DialOptions{Host: "web.localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func openStream(t *testing.T, ctx context.Context, p *Proxy) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+p.config.Listen[0]+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "web.localhost"
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

func TestSite_servesAcmeChallengesFromTheFolder(t *testing.T) {
	t.Parallel()
	p := started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	dir := filepath.Join(p.paths.acme(), ".well-known", "acme-challenge")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "token"), "proof")
	if _, body := get(t, p, "web.localhost", "/.well-known/acme-challenge/token"); body != "proof" {
		t.Errorf("challenge answers %q", body)
	}
	if _, body := get(t, p, "web.localhost", "/.well-known/acme-challenge/other"); body != "blue" {
		t.Errorf("unknown challenge answers %q, want the app", body)
	}
}

func TestStream_deliversASingleEventAtOnce(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	a := startApp(t, "blue", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		<-ended
	})
	site, _, _ := blueGreen(t, "web")
	site.Blue = []string{a.addr}
	install(t, p, site)
	if line, err := openStream(t, ctx, p).ReadString('\n'); err != nil || line != "data: one\n" {
		t.Errorf("got %q, %v", line, err)
	}
}
