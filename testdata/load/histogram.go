package load

import (
	"math"
	"time"
)

// step is the ratio of two neighbouring buckets: a percentile is exact to 2 %.
const step = 1.02

// A histogram holds durations in buckets that grow by step from 1 µs on, so
// that millions of requests take no memory.
type histogram struct {
	buckets [1200]int // the last one begins at 1 µs × step^1199, about five hours
	n       int
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > time.Microsecond {
		i = int(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(step))
	}
	h.buckets[min(i, len(h.buckets)-1)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) latency() Latency {
	return Latency{P50: h.quantile(0.5), P99: h.quantile(0.99), Max: h.max}
}

// quantile is the upper end of the bucket in which the q-th part ends; 0 if
// nothing was added.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(math.Ceil(q * float64(h.n)))
	for i, n := range h.buckets {
		if left -= n; n > 0 && left <= 0 {
			upper := time.Duration(float64(time.Microsecond) * math.Pow(step, float64(i+1)))
			return min(upper, h.max)
		}
	}
	return h.max
}
