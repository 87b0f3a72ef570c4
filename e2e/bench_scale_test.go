package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkScale prints what many apps in a root and a long history cost: how
// long the status of all takes and what processor time, and the overhead of a
// deploy (as BenchmarkDeploy counts it) and zdd's processor time for it. Each is
// the median. All apps but one are files alone, so that of their containers the
// status has to say that they are gone; nginx has the sites of all.
func BenchmarkScale(b *testing.B) {
	h := newHost(b)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image, "--keep", "2")
	for _, size := range []struct{ apps, history int }{{1, 0}, {1, 10000}, {100, 10000}, {1000, 10000}} {
		b.Run(fmt.Sprintf("apps=%d/history=%d", size.apps, size.history), func(b *testing.B) {
			h := *h
			h.t = b
			h.lengthenHistory(size.history)
			h.populate(size.apps - 1)
			// Another site, for nginx to be reloaded with those of all.
			h.must("deploy", h.app, image, "--domain", fmt.Sprintf("%s.n%d.test", h.app, size.apps+size.history))
			var status, statusCPU, overhead, deployCPU []float64
			for b.Loop() {
				cmd := h.command("status", "--json")
				begun := time.Now()
				r := ended(b, cmd)
				status = append(status, time.Since(begun).Seconds())
				statusCPU = append(statusCPU, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
				if n := strings.Count(r.stdout, "\n"); r.code != 0 || n != size.apps {
					b.Fatalf("exit %d, status of %d apps, want %d\n%s", r.code, n, size.apps, r.stderr)
				}
				cmd = h.command("deploy", h.app, image, "--json")
				r = ended(b, cmd)
				if r.code != 0 {
					b.Fatalf("exit %d\n%s", r.code, r.stderr)
				}
				t := r.times(b)
				overhead = append(overhead, t.took["deploy"]-t.took["start"]-t.took["retire"])
				deployCPU = append(deployCPU, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
			}
			b.ReportMetric(1000*median(status), "status-ms")
			b.ReportMetric(1000*median(statusCPU), "status-cpu-ms")
			b.ReportMetric(1000*median(overhead), "overhead-ms")
			b.ReportMetric(1000*median(deployCPU), "deploy-cpu-ms")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// lengthenHistory makes the history of the host's app n entries long.
func (h *host) lengthenHistory(n int) {
	h.t.Helper()
	path := filepath.Join(h.root, "apps", h.app, "history.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	missing := max(0, n-bytes.Count(content, []byte("\n")))
	content = append(bytes.Repeat(append(line, '\n'), missing), content...)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// addressBook is addresses.json.
type addressBook struct {
	Subnet   netip.Prefix                       `json:"subnet"`
	Reserved netip.Prefix                       `json:"reserved"`
	Apps     map[string]map[string][]netip.Addr `json:"apps"`
	Freed    json.RawMessage                    `json:"freed,omitempty"`
}

// editBook changes the address book, with no command of zdd at work.
func (h *host) editBook(change func(*addressBook)) {
	h.t.Helper()
	path := filepath.Join(h.root, "addresses.json")
	var book addressBook
	content, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(content, &book)); err != nil {
		h.t.Fatal(err)
	}
	change(&book)
	if content, err = json.MarshalIndent(book, "", "  "); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// populate adds n apps that are copies of the host's app, under other names and
// addresses: files, and no containers. They are taken away with the test.
func (h *host) populate(n int) {
	h.t.Helper()
	h.editBook(func(book *addressBook) {
		mine := book.Apps[h.app]
		next := mine["green"][0]
		for i := range n {
			name := fmt.Sprintf("%s-%d", h.app, i)
			blue := next.Next()
			next = blue.Next()
			book.Apps[name] = map[string][]netip.Addr{"blue": {blue}, "green": {next}}
			h.copyApp(name, strings.NewReplacer(h.app, name, mine["blue"][0].String(), blue.String(), mine["green"][0].String(), next.String()))
		}
	})
	h.t.Cleanup(func() {
		h.editBook(func(book *addressBook) {
			for name := range book.Apps {
				if name != h.app {
					delete(book.Apps, name)
					h.dropCopy(name)
				}
			}
		})
	})
}

// copyApp makes the files of an app out of those of the host's.
func (h *host) copyApp(name string, words *strings.Replacer) {
	h.t.Helper()
	state, _ := h.onDisk()
	release := fmt.Sprintf("releases/%d.json", state.Live)
	mine, its := filepath.Join(h.root, "apps", h.app), filepath.Join(h.root, "apps", name)
	files := map[string]string{
		filepath.Join(mine, "state.json"): filepath.Join(its, "state.json"),
		filepath.Join(mine, "app.yaml"):   filepath.Join(its, "app.yaml"),
		filepath.Join(mine, release):      filepath.Join(its, release),
	}
	for _, folder := range []string{"sites", "switch"} {
		files[filepath.Join(h.root, "nginx", folder, h.app+".conf")] = filepath.Join(h.root, "nginx", folder, name+".conf")
	}
	if err := os.MkdirAll(filepath.Join(its, "releases"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	for from, to := range files {
		content, err := os.ReadFile(from)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(words.Replace(string(content))), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *host) dropCopy(name string) {
	h.t.Helper()
	for _, path := range []string{"apps/" + name, "nginx/sites/" + name + ".conf", "nginx/switch/" + name + ".conf"} {
		if err := os.RemoveAll(filepath.Join(h.root, path)); err != nil {
			h.t.Error(err)
		}
	}
}
