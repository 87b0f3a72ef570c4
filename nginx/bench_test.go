package nginx

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkUpstream prints the requests a second of 64 clients that keep their
// connections, with what nginx keeps to the app: for half a second as zdd has
// it, for a minute, and not at all. Beside it stands how long a drain takes
// right after the last of them.
func BenchmarkUpstream(b *testing.B) {
	const as, none = "keepalive_timeout 500ms;", ""
	for _, idle := range []struct{ name, directive string }{
		{"idle=500ms", as}, {"idle=60s", "keepalive_timeout 60s;"}, {"idle=none", none},
	} {
		b.Run(idle.name, func(b *testing.B) {
			p := started(b)
			site, blue, _ := blueGreen(b, "web")
			install(b, p, site)
			if idle.directive != as {
				replaceInSite(b, p, site.App, func(text string) string {
					if idle.directive == none {
						text = strings.ReplaceAll(text, "    keepalive 64;\n", "")
					}
					return strings.ReplaceAll(text, as, idle.directive)
				})
			}
			b.ResetTimer()
			asked := 0
			for b.Loop() {
				asked += askALot(b, p, time.Second)
			}
			b.ReportMetric(float64(asked)/b.Elapsed().Seconds(), "requests/s")
			if idle.directive == as {
				drained, err := p.Drain(testContext(b), []string{blue.addr}, deadline)
				if err != nil || !drained.Closed {
					b.Fatal(drained, err)
				}
				b.ReportMetric(float64(drained.Waited.Milliseconds()), "drain-ms")
			}
		})
	}
}

// replaceInSite changes the text of an installed site, and makes nginx take it.
func replaceInSite(b *testing.B, p *Proxy, app string, change func(string) string) {
	b.Helper()
	prog, err := p.findProgram(testContext(b))
	if err != nil {
		b.Fatal(err)
	}
	former, err := readIfThere(p.paths.site(app))
	if err != nil {
		b.Fatal(err)
	}
	edits := []edit{{p.paths.site(app), []byte(change(string(former))), 0o644}}
	if err := p.change(testContext(b), prog, nil, edits); err != nil {
		b.Fatal(err)
	}
}

// askALot asks with 64 clients for that long, and returns how often.
func askALot(b *testing.B, p *Proxy, long time.Duration) int {
	b.Helper()
	const clients = 64
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	end := time.Now().Add(long)
	counts := make([]int, clients)
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for time.Now().Before(end) {
				request, err := http.NewRequest(http.MethodGet, "http://"+p.config.Listen[0]+"/", nil)
				if err != nil {
					b.Error(err)
					return
				}
				request.Host = "web.localhost"
				response, err := transport.RoundTrip(request)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				if closeErr := response.Body.Close(); err != nil || closeErr != nil || response.StatusCode != http.StatusOK {
					b.Errorf("status %d, %v, %v", response.StatusCode, err, closeErr)
					return
				}
				counts[n]++
			}
		})
	}
	all.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
