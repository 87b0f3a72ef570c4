package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"zdd/testdata/load"
)

// warned is how long answers say that their connection closes before zdd
// reloads an nginx below 1.27.4 (the polite phase of package nginx). Whoever
// asks again sooner is told, and must lose nothing.
const warned = 500 * time.Millisecond

// fleet is several sorts of clients at once, each a run of its own.
type fleet struct {
	h      *host
	secure string // where its nginx listens for TLS
	trust  trust
	sorts  []*clients
}

// clients are one sort of them.
type clients struct {
	name string
	*load.Run
}

// put starts clients of a sort, on the host's app unless the config says
// another Host; they are stopped with the test. They count what no server below
// nginx 1.27.4 can prevent as exposed; see load.Config.
func (f *fleet) put(name string, config load.Config) *clients {
	f.h.t.Helper()
	config.Address, config.Exposed, config.Timeout = f.h.addr, warned, patience
	if config.Host == "" {
		config.Host = f.h.app + ".localhost"
	}
	if config.TLS != nil {
		config.Address = f.secure
	}
	run, err := load.Start(f.h.t.Context(), config)
	if err != nil {
		f.h.t.Fatal(err)
	}
	f.h.t.Cleanup(func() { run.Stop() })
	sort := &clients{name, run}
	f.sorts = append(f.sorts, sort)
	return sort
}

// phase begins a phase for all clients.
func (f *fleet) phase(name string) {
	for _, sort := range f.sorts {
		sort.Phase(name)
	}
}

// allow adds to the releases that may answer.
func (f *fleet) allow(versions []string, sorts ...*clients) {
	for _, sort := range sorts {
		sort.Allow(versions...)
	}
}

// awaitAnswers waits until the clients have n answers to each kind of request in
// the phase.
func (f *fleet) awaitAnswers(phase string, n int) {
	f.h.t.Helper()
	for _, sort := range f.sorts {
		eventually(f.h.t, fmt.Sprintf("%q have %d answers of each kind", sort.name, n), func() bool {
			report := sort.Report()
			now, _ := report.Phase(phase)
			for kind := range report.Kinds {
				if kind != load.Websocket && now.Kinds[kind].Answered < n {
					return false
				}
			}
			return report.Kinds[load.Websocket].Sent == 0 || report.Messages >= n
		})
	}
}

// assertNothingLost stops all clients, and wants each sort to have lost nothing, by
// what it saw and by what the apps wrote down. It returns the reports by sort.
func (f *fleet) assertNothingLost() map[string]load.Report {
	f.h.t.Helper()
	reports := map[string]load.Report{}
	for _, sort := range f.sorts {
		reports[sort.name] = sort.Stop()
	}
	processed, err := load.Processed(f.h.ids)
	if err != nil {
		f.h.t.Fatal(err)
	}
	sent, lost, exposed := 0, 0, 0
	for name, report := range reports {
		compared := report.CompareWith(processed)
		if report.Lost != 0 || report.Unchecked != 0 || report.Answered == 0 || !compared.Clean() {
			f.h.t.Errorf("%s: requests were lost:\n%s\n%s", name, report, compared)
		}
		sent += report.Sent
		lost += report.Lost
		exposed += report.Exposed
	}
	f.h.t.Logf("%d requests sent, %d lost; besides, %d were sent on a connection that the reload of a changed site had closed", sent, lost, exposed)
	return reports
}

// table tells how long answers took, by phase, clients and kind.
func (f *fleet) table(phases []string, reports map[string]load.Report) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "phase\tclients\tkind\tanswered\tlost\texposed\tturned away\tcut\tp50 ms\tp99 ms\tlongest ms")
	for _, phase := range phases {
		for _, sort := range f.sorts {
			p, _ := reports[sort.name].Phase(phase)
			for _, kind := range load.Kinds() {
				c, ok := p.Kinds[kind]
				if !ok {
					continue
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", phase, sort.name, kind, c.Answered, c.Lost, c.Exposed,
					c.TurnedAway, c.Cut, milliseconds(c.Latency.P50), milliseconds(c.Latency.P99), milliseconds(c.Latency.Max))
			}
		}
	}
	w.Flush()
	return text.String()
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", 1000*d.Seconds()) }

// trust holds whom the clients believe: the certificates that the app has had,
// each of which signs itself.
type trust struct {
	mu    sync.Mutex
	pools []*x509.CertPool
}

func (c *trust) add(pool *x509.CertPool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools = append(c.pools, pool)
}

// config is that of a client. It verifies by itself, since whom it believes
// changes while it asks.
func (c *trust) config() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: c.verify}
}

func (c *trust) verify(state tls.ConnectionState) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pool := range c.pools {
		_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: state.ServerName})
		if err == nil {
			return nil
		}
	}
	return err
}

// TestTrust_believesOnlyWhatItWasTold keeps the clients from believing anybody.
func TestTrust_believesOnlyWhatItWasTold(t *testing.T) {
	h := &host{t: t, root: t.TempDir(), app: "web"}
	served := func() tls.ConnectionState {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(h.root+"/apps/web/tls/server.crt", h.root+"/apps/web/tls/server.key")
		if err != nil {
			t.Fatal(err)
		}
		return tls.ConnectionState{ServerName: "web.localhost", PeerCertificates: []*x509.Certificate{pair.Leaf}}
	}
	var c trust
	c.add(h.certificate(1))
	first := served()
	second := h.certificate(2)
	next := served()
	if c.verify(first) != nil || c.verify(next) == nil {
		t.Errorf("the first certificate: %v, the second: %v; want only the second to be refused", c.verify(first), c.verify(next))
	}
	c.add(second)
	if c.verify(first) != nil || c.verify(next) != nil {
		t.Errorf("the first certificate: %v, the second: %v; want both to be believed", c.verify(first), c.verify(next))
	}
}
