package checks

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func BenchmarkParse_100Lines(b *testing.B) {
	var text strings.Builder
	text.WriteString("# checks\nWAIT=5\nTIMEOUT=30\nATTEMPTS=6\n")
	for i := range 96 {
		fmt.Fprintf(&text, "//shop.example.com/page/%d?lang=en   Welcome to page %d\n", i, i)
	}
	content := []byte(text.String())
	b.ReportAllocs()
	for b.Loop() {
		if file, problems := Parse("CHECKS", content); len(file.Checks) != 96 || len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

// BenchmarkRun_50ChecksOn10Replicas reports what the gate adds to the slowest
// answer; the replicas run in the same process and are part of the cost.
func BenchmarkRun_50ChecksOn10Replicas(b *testing.B) {
	const slowest = 100 * time.Millisecond
	var targets []Target
	for i := range 10 {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/49" {
				<-time.After(slowest)
			}
			fmt.Fprint(w, "welcome")
		}))
		b.Cleanup(server.Close)
		targets = append(targets, Target{Name: fmt.Sprint("web-", i), Address: server.Listener.Addr().String()})
	}
	file := Default()
	file.Checks = nil
	for i := range 50 {
		file.Checks = append(file.Checks, Check{Line: i + 1, Scheme: "http", Path: fmt.Sprint("/", i), Content: "welcome"})
	}
	var added time.Duration
	for b.Loop() {
		report := Run(b.Context(), file, targets, Options{})
		if err := report.Err(); err != nil {
			b.Fatal(err)
		}
		added += report.Elapsed - slowest
	}
	b.ReportMetric(float64(added.Microseconds())/1000/float64(b.N), "ms-added/op")
}

// BenchmarkRun_DetectionLag reports the time from an app's first possible
// answer to its pass, for a boot of one second.
func BenchmarkRun_DetectionLag(b *testing.B) {
	var sum, worst time.Duration
	for b.Loop() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		address := listener.Addr().String()
		_ = listener.Close()
		booted := make(chan time.Time, 1)
		time.AfterFunc(time.Second, func() {
			listener, err := net.Listen("tcp", address)
			booted <- time.Now()
			if err != nil {
				return // the run fails
			}
			server := &http.Server{Handler: http.NotFoundHandler()}
			b.Cleanup(func() { _ = server.Close() })
			_ = server.Serve(listener)
		})
		report := Run(b.Context(), Default(), []Target{{Name: "web-1", Address: address}}, Options{})
		if err := report.Err(); err != nil {
			b.Fatal(err)
		}
		lag := report.Results[0].FirstPass.Sub(<-booted)
		sum, worst = sum+lag, max(worst, lag)
	}
	b.ReportMetric(float64(sum.Microseconds())/1000/float64(b.N), "ms-lag/op")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
}
