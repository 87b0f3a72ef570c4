package load

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A book holds which requests were sent, and which of them have no answer of
// their own. The others are not kept by name: ids are numbered.
type book struct {
	sent map[string]int  // client → requests, with the ids client-1 to client-N
	open map[string]bool // ids
}

// A Comparison holds the two ends against each other, by request id, each list
// sorted.
type Comparison struct {
	// Unprocessed were answered, although the app knows nothing of them.
	Unprocessed []string
	// Twice were processed more than once: somebody sent them again.
	Twice []string
	// Unanswered were processed, and the client has no answer.
	Unanswered []string
}

// Clean reports whether both ends agree on every request.
func (c Comparison) Clean() bool {
	return len(c.Unprocessed)+len(c.Twice)+len(c.Unanswered) == 0
}

// String tells how many requests are in each list, and the first ones.
func (c Comparison) String() string {
	first := func(ids []string) string {
		return strings.TrimSuffix(fmt.Sprintf("%d %s", len(ids), strings.Join(ids[:min(len(ids), 5)], " ")), " ")
	}
	return fmt.Sprintf("answered but not processed: %s; processed twice: %s; processed but not answered: %s",
		first(c.Unprocessed), first(c.Twice), first(c.Unanswered))
}

// Processed reads the files that the sample apps wrote into dir: how often
// each request was processed, by id. A line that a killed app left unfinished
// is not counted.
func Processed(dir string) (map[string]int, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.ids"))
	if err != nil {
		return nil, fmt.Errorf("listing processed requests: %w", err)
	}
	times := map[string]int{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading processed requests: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if id, _, ok := strings.Cut(line, " "); ok && strings.HasSuffix(line, "\n") {
				times[id]++
			}
		}
	}
	return times, nil
}

// Compare holds a stopped run's report against what the apps wrote into dir.
// Requests of other runs are ignored.
func (r Report) Compare(dir string) (Comparison, error) {
	times, err := Processed(dir)
	if err != nil {
		return Comparison{}, err
	}
	return r.CompareWith(times), nil
}

// CompareWith is Compare with what [Processed] has read already: once for
// several runs.
func (r Report) CompareWith(times map[string]int) Comparison {
	var c Comparison
	for client, sent := range r.book.sent {
		for seq := 1; seq <= sent; seq++ {
			id := client + "-" + strconv.Itoa(seq)
			n, open := times[id], r.book.open[id]
			if n == 0 && !open {
				c.Unprocessed = append(c.Unprocessed, id)
			}
			if n > 1 {
				c.Twice = append(c.Twice, id)
			}
			if n > 0 && open {
				c.Unanswered = append(c.Unanswered, id)
			}
		}
	}
	slices.Sort(c.Unprocessed)
	slices.Sort(c.Twice)
	slices.Sort(c.Unanswered)
	return c
}
