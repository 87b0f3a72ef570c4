package checks

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun_decodesBodies(t *testing.T) {
	var zipped, zlibbed, bare bytes.Buffer
	for w, coder := range map[*bytes.Buffer]io.WriteCloser{&zipped: gzip.NewWriter(&zipped), &zlibbed: zlib.NewWriter(&zlibbed), &bare: must(flate.NewWriter(&bare, 9))} {
		_, _ = io.WriteString(coder, "welcome to the app")
		_ = coder.Close()
		if bytes.Contains(w.Bytes(), []byte("welcome to the app")) {
			t.Fatal("the text is there without decoding")
		}
	}
	var twice bytes.Buffer
	outer := gzip.NewWriter(&twice)
	_, _ = outer.Write(zlibbed.Bytes())
	_ = outer.Close()
	tests := []struct {
		encoding string
		body     []byte
		want     string
	}{
		{"gzip", zipped.Bytes(), ""},
		{"X-GZIP", zipped.Bytes(), ""},
		{"deflate", zlibbed.Bytes(), ""},
		{"deflate", bare.Bytes(), ""},
		{"deflate, gzip", twice.Bytes(), ""},
		{"identity", []byte("welcome to the app"), ""},
		{"br", []byte("welcome to the app"), `content encoding "br" was not asked for`},
		{"gzip", []byte("welcome to the app"), "gzip: invalid header"},
		{"gzip", zipped.Bytes()[:zipped.Len()/2], "unexpected EOF"},
		{"deflate", nil, "EOF"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i, " ", tt.encoding), func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", tt.encoding)
				_, _ = w.Write(tt.body)
			})
			report := verdict(t, patient(t, "/ welcome to the app"), Target{Name: "web-1", Address: address})
			if report.Passed() != (tt.want == "") || report.Results[0].Detail != tt.want {
				t.Errorf("Passed = %v, detail %q, want detail %q", report.Passed(), report.Results[0].Detail, tt.want)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRun_passesOnAnEndlessBodyAsSoonAsItMatches(t *testing.T) {
	address := misbehave(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nwel")
		_, _ = io.WriteString(c, "come")
		hold(c)
	})
	report := Run(t.Context(), patient(t, "/ welcome"), []Target{{Name: "web-1", Address: address}}, Options{})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestRun_searchesNoMoreThanEightMebibytes(t *testing.T) {
	var sent atomic.Int64
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for range 1 << 10 {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	report := verdict(t, patient(t, "/ welcome"), Target{Name: "web-1", Address: address})
	if want := "the text is not in the first 8 MiB"; report.Passed() || report.Results[0].Detail != want {
		t.Errorf("report = %v, want detail %q", report.Err(), want)
	}
	if each := sent.Load() / int64(report.Results[0].Attempts); each > 32<<20 {
		t.Errorf("%d bytes were taken each try", each)
	}
}

func TestRun_findsATextUpToTheLimitAndNotBehindIt(t *testing.T) {
	const text = "welcome"
	for _, tt := range []struct {
		before int
		want   bool
	}{{maxBody - len(text), true}, {maxBody - len(text) + 1, false}} {
		address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", tt.before)+text)
		})
		for _, line := range []string{"/ " + text, "/\n#: match " + text} {
			report := verdict(t, patient(t, line), Target{Name: "web-1", Address: address})
			if report.Passed() != tt.want {
				t.Errorf("%q after %d bytes: Passed = %v, want %v: %v", line, tt.before, report.Passed(), tt.want, report.Err())
			}
		}
	}
}

func TestRun_takesNoMoreOfAGzipBombThanItSearches(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	for range 64 { // MiB
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = w.Close()
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	for line, limit := range map[string]uint64{"/ welcome": 2 << 20, "/\n#: match welcome": 2 << 20, "/\n#: json welcome": 64 << 20} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		report := verdict(t, patient(t, line), Target{Name: "web-1", Address: address})
		runtime.ReadMemStats(&after)
		if report.Passed() || !strings.HasPrefix(report.Results[0].Tallies[0].What, "200 without") {
			t.Errorf("%q: report = %v", line, report.Err())
		}
		if each := (after.TotalAlloc - before.TotalAlloc) / uint64(report.Results[0].Attempts); each > limit {
			t.Errorf("%q: %d KiB were allocated each try, want at most %d", line, each>>10, limit>>10)
		}
	}
}

func TestRun_survivesJSONOfAnyDepth(t *testing.T) {
	deep := strings.Repeat("[", maxBody-1)
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, deep) })
	report := verdict(t, patient(t, "/", "#: json a"), Target{Name: "web-1", Address: address})
	if got := report.Results[0].Near; got != "a body that is not JSON" {
		t.Errorf("near = %q, want it to be no JSON", got)
	}
}

func TestRun_keepsLittleOfALongBody(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", maxBody-1)) })
	report := verdict(t, patient(t, "/", "#: json a"), Target{Name: "web-1", Address: address})
	if body := report.Results[0].Answer.Body(); len(body) != maxKept || cap(body) > 2*maxKept {
		t.Errorf("%d bytes of %d are kept, want %d", len(body), cap(body), maxKept)
	}
}

func TestRun_undoesNoMoreEncodingsThanAnyAppUses(t *testing.T) {
	nested := []byte("welcome")
	for range maxCodings + 1 {
		var outer bytes.Buffer
		w := gzip.NewWriter(&outer)
		_, _ = w.Write(nested)
		_ = w.Close()
		nested = outer.Bytes()
	}
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", strings.Repeat("gzip, ", maxCodings)+"gzip")
		_, _ = w.Write(nested)
	})
	report := verdict(t, patient(t, "/ welcome"), Target{Name: "web-1", Address: address})
	if want := "5 content encodings, one within the other"; report.Results[0].Detail != want {
		t.Errorf("detail = %q, want %q", report.Results[0].Detail, want)
	}
}

// TestRun_passesAsSoonAsABodyThatNeverEndsMatches stalls at the very end of the
// match.
func TestRun_passesAsSoonAsABodyThatNeverEndsMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		passes  bool
	}{
		{"ready", true},
		{"^data: [a-z]+$", true},
		{"ready$", true},
		{"e?ready.$", false}, // the line is over
		{"^id: 1$", false},   // it may still become 12
		{"id: 1", true},
	} {
		address := misbehave(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\ndata: ready\nid: 1")
			hold(c)
		})
		file := fileOf(t, "WAIT=0\nTIMEOUT=1\nATTEMPTS=1\n/\n#: match "+tt.pattern)
		report := Run(t.Context(), file, []Target{{Name: "web-1", Address: address}}, Options{})
		if report.Passed() != tt.passes {
			t.Errorf("%s: passed = %v, want %v: %v", tt.pattern, report.Passed(), tt.passes, report.Err())
		}
	}
}

// TestRun_endsAMatchThatTakesTooLong has a pattern near the limit of what is
// accepted, and a body that it fits nowhere.
func TestRun_endsAMatchThatTakesTooLong(t *testing.T) {
	body := strings.Repeat("ab", maxBody/4)
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	file := fileOf(t, "WAIT=0\nTIMEOUT=1\nATTEMPTS=1\n/\n#: match "+strings.Repeat("(a?b?){60}", 4)+"c")
	started := time.Now()
	report := Run(t.Context(), file, []Target{{Name: "web-1", Address: address}}, Options{})
	if took := time.Since(started); report.Passed() || took > patience {
		t.Errorf("passed = %v after %v, want a failure soon after the budget of a second", report.Passed(), took)
	}
	if _, problems := Parse("CHECKS", []byte("/\n#: match "+strings.Repeat("(a?b?){900}", 8))); Errors("CHECKS", problems) == nil {
		t.Error("a pattern of thousands of steps is accepted")
	}
}

func TestMatch_givesUpEarlyLooksAtABodyOfSingleBytes(t *testing.T) {
	pattern, err := compileMatch("x{3}$")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("-", 4*earlyLooks) + "xxx\n"
	if found, err := match(newPage(&chunks{body, 1}, false, t.Context().Err), pattern); !found || err != nil {
		t.Errorf("found %v, err %v in the end, want a match", found, err)
	}
}

func TestRun_takesNoMatchFromABodyThatBrokeOff(t *testing.T) {
	for _, tt := range []struct{ pattern, want string }{
		{"^a$", "body that broke off"}, // the end is not known
		{`^a\z`, "body that broke off"},
		{"b", "body that broke off"},
	} {
		address := misbehave(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na") })
		report := verdict(t, patient(t, "/", "#: match "+tt.pattern), Target{Name: "web-1", Address: address})
		if got := report.Results[0].Summary(); !strings.Contains(got, tt.want) {
			t.Errorf("%s: summary = %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

func TestSearch_findsAMatchAcrossReads(t *testing.T) {
	text := "needle in a haystack"
	for size := 1; size <= len(text)+1; size++ {
		body := strings.Repeat("needle in ", 9000) + text + " and more"
		p := newPage(&chunks{body, size}, false, t.Context().Err)
		found, err := search(p.reader(), text)
		if !found || err != nil || !strings.HasPrefix(body, string(p.beginning())) {
			t.Errorf("chunks of %d: found %v, err %v", size, found, err)
		}
	}
	p := newPage(strings.NewReader("needle in a haystac"), false, t.Context().Err)
	found, err := search(p.reader(), text)
	if found || err != nil || string(p.beginning()) != "needle in a haystac" {
		t.Errorf("found %v, beginning %q, err %v in a body without it", found, p.beginning(), err)
	}
}

// chunks reads text in pieces of one size.
type chunks struct {
	text string
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if c.text == "" {
		return 0, io.EOF
	}
	n := copy(b, c.text[:min(c.size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}
