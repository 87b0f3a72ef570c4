package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"zdd/testdata/load"
)

// times are when the steps of a run of zdd --json ended, and how long they took.
type times struct {
	ended map[string]time.Time
	took  map[string]float64 // seconds
}

func (r result) times(b *testing.B) times {
	b.Helper()
	t := times{map[string]time.Time{}, map[string]float64{}}
	for line := range strings.Lines(r.stdout) {
		var event struct {
			Time         time.Time
			Step, Status string
			Seconds      float64
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			b.Fatal(err)
		}
		if event.Status == "done" {
			t.ended[event.Step], t.took[event.Step] = event.Time, event.Seconds
		}
	}
	return t
}

// BenchmarkDeploy prints, for a deploy of the sample app that nobody uses: the
// whole time, that of the steps in which the engine makes, starts and stops
// containers, and zdd's own overhead, which is the rest.
func BenchmarkDeploy(b *testing.B) {
	h := newHost(b)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	var whole, start, retire, drain float64
	for b.Loop() {
		t := h.must("deploy", h.app, image, "--json").times(b)
		whole += t.took["deploy"]
		start += t.took["start"]
		retire += t.took["retire"]
		drain += t.took["drain"]
	}
	b.ReportMetric(1000*whole/float64(b.N), "whole-ms")
	b.ReportMetric(1000*start/float64(b.N), "start-ms")
	b.ReportMetric(1000*retire/float64(b.N), "retire-ms")
	b.ReportMetric(1000*drain/float64(b.N), "drain-ms")
	b.ReportMetric(1000*(whole-start-retire)/float64(b.N), "overhead-ms")
}

// BenchmarkRollback prints how long it takes until the former release, whose
// containers are kept, gets the requests again.
func BenchmarkRollback(b *testing.B) {
	h := newHost(b)
	h.must("deploy", h.app, h.image("VERSION=v1"))
	h.must("deploy", h.app, h.image("VERSION=v2"))
	var live float64
	for b.Loop() {
		live += h.must("rollback", h.app, "--json").last(b)["live_seconds"].(float64)
	}
	b.ReportMetric(1000*live/float64(b.N), "live-ms")
}

// BenchmarkDetection prints the time from the moment when the app listens to
// the switch, for an app that takes a second to boot.
func BenchmarkDetection(b *testing.B) {
	h := newHost(b)
	image := h.image("VERSION=v1", "BOOT=1s")
	h.must("deploy", h.app, image)
	var lag time.Duration
	for b.Loop() {
		r := h.must("deploy", h.app, image, "--json")
		container := fmt.Sprintf("zdd-%s-%d-1", h.app, int(r.last(b)["serving"].(float64)))
		lag += r.times(b).ended["switch"].Sub(listening(b, h, container))
	}
	b.ReportMetric(lag.Seconds()*1000/float64(b.N), "lag-ms")
}

// listening is when the engine saw the app say that it listens.
func listening(b *testing.B, h *host, container string) time.Time {
	b.Helper()
	stamp := h.docker("logs", "--timestamps", container)[0]
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

// BenchmarkSwitch prints the time from the last answer of the former release to
// the first one of the next, under load, and what a deploy does to latency.
func BenchmarkSwitch(b *testing.B) {
	h := newHost(b)
	image := h.image()
	h.must("deploy", h.app, image, "--env", "VERSION=v0")
	run := h.load(load.Config{Clients: 16, Pause: flatOut})
	n := 0
	for b.Loop() {
		n++
		h.must("deploy", h.app, image, "--env", fmt.Sprintf("VERSION=v%d", n))
	}
	report := run.Stop()
	var gap time.Duration
	for i := 1; i <= n; i++ {
		between, ok := report.Gap(fmt.Sprintf("v%d", i-1), fmt.Sprintf("v%d", i))
		if !ok {
			b.Fatalf("v%d or v%d has answered nobody", i-1, i)
		}
		gap += max(between, 0)
	}
	b.ReportMetric(gap.Seconds()*1000/float64(n), "gap-ms")
	b.ReportMetric(report.Silence.Seconds()*1000, "longest-silence-ms")
	b.ReportMetric(report.Latency.P99.Seconds()*1000, "p99-ms")
	b.ReportMetric(float64(report.Answered)/report.Ended.Sub(report.Started).Seconds(), "requests/s")
	b.ReportMetric(float64(report.Lost), "lost")
}
