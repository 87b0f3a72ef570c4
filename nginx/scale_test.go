package nginx

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"testing"

	"github.com/prometheus/procfs"
)

// TestSite_costsARequestTheSameWithManyApps holds that nginx finds a slot
// without looking at the other apps. The obvious form of a site, "set $slot …;
// proxy_pass http://$slot", searches all upstreams on each request: with the
// number of apps here that was 193 µs of processor time in place of 103.
func TestSite_costsARequestTheSameWithManyApps(t *testing.T) {
	const apps, most = 3000, 1.5
	alone, among := started(t), started(t)
	site, _, _ := blueGreen(t, "zz-last")
	install(t, alone, site)
	for n := range apps {
		other := Site{App: fmt.Sprintf("app%d", n), Blue: []string{fmt.Sprintf("127.1.%d.%d:1", n/250, n%250)}, Green: []string{fmt.Sprintf("127.2.%d.%d:1", n/250, n%250)}}
		content, err := among.renderSite(other.withDefaults(), material{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(among.paths.site(other.App), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Thousands of sites take nginx a while when others use the machine too.
	ctx, cancel := context.WithTimeout(t.Context(), 10*deadline)
	defer cancel()
	if _, err := among.Install(ctx, site); err != nil {
		t.Fatal(err)
	}

	// In turns, and the least of each, for others use the machine too.
	const rounds = 6
	few, many := math.Inf(1), math.Inf(1)
	for range rounds {
		few = min(few, requestCost(t, alone, site.App))
		many = min(many, requestCost(t, among, site.App))
	}
	t.Logf("a request takes nginx %.0f µs of processor time, and %.0f µs with %d more apps", few, many, apps)
	if many > most*few {
		t.Errorf("a request takes %.1f times as long with %d more apps, want at most %.1f", many/few, apps, most)
	}
}

// requestCost is the processor time that the workers take for a request, in
// microseconds. The kernel counts it in hundredths of a second.
func requestCost(t *testing.T, p *Proxy, app string) float64 {
	t.Helper()
	const requests = 3000
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	before := workerTime(t, p)
	for range requests {
		request, err := http.NewRequest(http.MethodGet, "http://"+p.config.Listen[0]+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = app + ".localhost"
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", response.StatusCode, err)
		}
	}
	return (workerTime(t, p) - before) * 1e6 / requests
}

// workerTime is the processor time that the workers have taken, in seconds.
func workerTime(t *testing.T, p *Proxy) float64 {
	t.Helper()
	ps, err := p.scan()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, worker := range ps.workers {
		proc, err := procfs.NewProc(worker.pid)
		if err != nil {
			continue // an older worker that has ended
		}
		stat, err := proc.Stat()
		if err != nil {
			continue
		}
		total += stat.CPUTime()
	}
	return total
}
