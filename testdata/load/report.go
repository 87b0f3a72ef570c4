package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what the clients saw. Durations are nanoseconds in JSON.
type Report struct {
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	// Sent counts requests of all kinds, a websocket as one. Answered are those
	// with their own right answer, Lost those without. What is in neither was
	// in flight, or was Cut.
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	Lost     int `json:"lost"`
	// Unchecked are the answers of a release that was not allowed. They are in
	// Lost too.
	Unchecked int `json:"unchecked"`
	// Cut counts the websockets that the server closed, and with
	// [Config.CutStreams] the streams that ended early.
	Cut int `json:"cut"`
	// TurnedAway are the requests of which an HTTP/2 server said, by GOAWAY or
	// REFUSED_STREAM, that it did not look at them: a client may ask again, and
	// these do so under another id. [Report.Compare] shows whether it lied.
	TurnedAway int `json:"turned_away"`
	// Exposed are the requests that were lost as [Config.Exposed] describes.
	Exposed int `json:"exposed"`
	// Messages is the number of websocket messages that came back.
	Messages int `json:"messages"`
	// Connections is how many connections were opened, Announced how many of
	// them the server closed after it had said so. Websockets are not in them.
	Connections int `json:"connections"`
	Announced   int `json:"announced"`

	Kinds    map[Kind]Count `json:"kinds"`
	Reasons  map[string]int `json:"reasons"`  // how many losses have which
	Losses   []Loss         `json:"losses"`   // the first ones
	Versions []Version      `json:"versions"` // posts only, by first answer
	Latency  Latency        `json:"latency"`  // posts only
	Phases   []Phase        `json:"phases"`   // those that [Run.Phase] began
	// Silence is the longest time between two neighbouring answers to posts.
	Silence time.Duration `json:"silence_ns"`

	book book
}

// A Count is the part of one kind of request in a report or a phase.
type Count struct {
	Sent       int     `json:"sent"`
	Answered   int     `json:"answered"`
	Lost       int     `json:"lost"`
	Cut        int     `json:"cut"`
	TurnedAway int     `json:"turned_away"`
	Exposed    int     `json:"exposed"`
	Latency    Latency `json:"latency"`
}

// A Phase is what happened in a part of a run. A request counts as sent in the
// phase in which it began, and as all else in the one in which it ended.
type Phase struct {
	Name  string         `json:"name"`
	Kinds map[Kind]Count `json:"kinds"`
}

// A Version is a release that answered posts, and when.
type Version struct {
	Name    string    `json:"name"`
	Answers int       `json:"answers"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// A Loss is one lost request. Version is the release that answered wrongly, if
// one did; After is the time from its first byte to its end.
type Loss struct {
	Time    time.Time     `json:"time"`
	Kind    Kind          `json:"kind"`
	ID      string        `json:"id"`
	Version string        `json:"version,omitempty"`
	Reason  string        `json:"reason"`
	Detail  string        `json:"detail,omitempty"`
	After   time.Duration `json:"after_ns"`
}

// Latency is how long answers took, beyond the time that the request asks for,
// from the first byte sent (and the connection opened, where one was) to the
// last byte read; of websockets it is that of each message. P50 and P99 are
// exact to 2 %.
type Latency struct {
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Version returns what the release did; false if it answered no post.
func (r Report) Version(name string) (Version, bool) {
	i := slices.IndexFunc(r.Versions, func(v Version) bool { return v.Name == name })
	if i < 0 {
		return Version{}, false
	}
	return r.Versions[i], true
}

// Gap is the time from the last answer of one release to the first one of the
// next; negative where they overlap, false where one of them never answered.
// Both names must have served once only: a release that comes back by a
// rollback needs another name.
func (r Report) Gap(former, next string) (time.Duration, bool) {
	a, ok := r.Version(former)
	b, also := r.Version(next)
	return b.First.Sub(a.Last), ok && also
}

// Phase returns what happened in the phase; false if there was none of the name.
func (r Report) Phase(name string) (Phase, bool) {
	i := slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == name })
	if i < 0 {
		return Phase{}, false
	}
	return r.Phases[i], true
}

// String is the report for a person: the figures, and the first losses.
func (r Report) String() string {
	b := &strings.Builder{}
	took := r.Ended.Sub(r.Started)
	rate := float64(r.Answered) / max(took.Seconds(), 0.001)
	fmt.Fprintf(b, "%d requests in %.1f s (%.0f a second): %d answered, %d lost, %d by a release not allowed\n",
		r.Sent, took.Seconds(), rate, r.Answered, r.Lost, r.Unchecked)
	tell(b, "  ", r.Kinds)
	for _, p := range r.Phases {
		fmt.Fprintf(b, "  %s:\n", p.Name)
		tell(b, "    ", p.Kinds)
	}
	fmt.Fprintf(b, "  longest silence %s; %d connections, %d of them closed by the server as announced\n",
		short(r.Silence), r.Connections, r.Announced)
	for _, v := range r.Versions {
		fmt.Fprintf(b, "  release %-10s %8d answers from %s to %s\n",
			v.Name, v.Answers, v.First.Format("15:04:05.000"), v.Last.Format("15:04:05.000"))
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		fmt.Fprintf(b, "  lost %d: %s\n", r.Reasons[reason], reason)
	}
	for _, l := range r.Losses {
		fmt.Fprintf(b, "    %s %s %s after %s: %s %s\n",
			l.Time.Format("15:04:05.000"), l.Kind, l.ID, short(l.After), l.Reason, l.Detail)
	}
	return b.String()
}

// tell writes a line for each kind.
func tell(b *strings.Builder, indent string, counts map[Kind]Count) {
	for _, k := range Kinds() {
		c, ok := counts[k]
		if !ok {
			continue
		}
		fmt.Fprintf(b, "%s%-10s %8d sent %8d answered %4d lost %4d cut", indent, k, c.Sent, c.Answered, c.Lost, c.Cut)
		if c.TurnedAway > 0 {
			fmt.Fprintf(b, " %4d turned away", c.TurnedAway)
		}
		if c.Exposed > 0 {
			fmt.Fprintf(b, " %4d exposed", c.Exposed)
		}
		if l := c.Latency; l.Max > 0 {
			fmt.Fprintf(b, "  took %s (p50) %s (p99) %s (longest)", short(l.P50), short(l.P99), short(l.Max))
		}
		b.WriteString("\n")
	}
}

func short(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}
