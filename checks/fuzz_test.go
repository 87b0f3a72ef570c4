package checks

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"WAIT=5\nATTEMPTS=6\n/api/health\n", "/ app is ready", "/                 spaces\n", "WAIT=8 #Wait\n/check_deploy.txt ok",
		"#a\n/checks\t\tOK\n", "//shop.example.com/ CTU", "DOKKU_CHECKS_WAIT=20", "web / \"Laravel\"", "Shell\n\nWAIT=1",
		"\xef\xbb\xbf/a\r\n\r/b", "/\x00", "/ \xff", "/ {{ var \"X\" }}", "https://[::1]:x/%zz", "http:", "=", "WAIT==", "'/'", "\" \"", "/a \"\"",
		"#: tcp 5432\n#: port 1", "#: grpc a.B\n#: name x", "#: command a 'b c'\n#: warn", "#: uptime 20\n#: delay 1\n#: wait 0\n#: timeout 3\n#: attempts 2",
		"/\n#: status 2xx,401\n#: method post\n#: header Host: a\n#: header A: b", "/ a\n#: match ^b$\n#: json c.d = \"e\"\n#: port 81",
		"#: /a b\n#: on-failure-command c\n#: on-failure-url https://d/", "#:\n# : x\n#:status 204", "/\n#: method HEAD\n#: match x", "#: Statsu 204",
		"/%zz\n#: status 1", "Shell\n#: status 204", "TIMEOUT=86400\nATTEMPTS=86400\nWAIT=86400\n/",
	} {
		f.Add([]byte(seed))
	}
	corpus, _ := filepath.Glob(filepath.Join("..", "..", "shared", "checks-corpus", "*.CHECKS"))
	for _, name := range corpus {
		if content, err := os.ReadFile(name); err == nil {
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := Parse("CHECKS", content)
		last := 1 + bytes.Count(content, []byte("\n")) + bytes.Count(content, []byte("\r"))
		if len(file.Checks) == 0 {
			t.Error("no check")
		}
		for _, c := range file.Checks {
			if file.Budget(c) <= 0 {
				t.Errorf("budget of %v for %+v", file.Budget(c), c)
			}
			if c.Line > last || strings.TrimSpace(c.Content) != c.Content {
				t.Errorf("impossible check %+v", c)
			}
			if c.Kind == KindHTTP && (!strings.HasPrefix(c.Path, "/") || c.Line > 0 && c.Raw != c.URL && !strings.HasSuffix(c.Raw, c.Content)) {
				t.Errorf("check is not as written: %+v", c)
			}
		}
		for _, p := range problems {
			if p.Line > last || p.Message == "" || strings.ContainsAny(p.String(), "\x00\x1b\n") {
				t.Errorf("unfit problem %+v", p)
			}
		}
	})
}

// FuzzJudge takes any bytes for an answer: no check of them may panic, hang, or
// tell of it in a text that harms a terminal.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{
		ok + "Content-Length: 7\r\n\r\nwelcome", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nwel\r\n0\r\n\r\n", ok + "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
		ok + "Content-Encoding: deflate\r\n\r\n\x78\x9c\x4b\x4c\x04\x00", "HTTP/1.1 302 Found\r\nLocation: //b/\x1b\r\n\r\n", "HTTP/1.1 307 \r\nLocation: /a\r\n\r\n",
		"HTTP/1.1 103 Early\r\n\r\n" + ok + "\r\n{\"a\": {\"b\": 1}}", ok + "\r\n{\"a\": [1, \"\\u001b\"]}", "HTTP/1.1 999 \x1b\r\n\r\n\x1b[31m", "<html>", "\x15\x03\x01\x00\x02\x02\x46",
	} {
		f.Add([]byte(seed), "welcome", "^w.l", "a.b", "1")
	}
	f.Add([]byte(ok+"\r\n{\"a\": [1]}"), "", "", "a.#(b==1)#|@this", "[1]")
	f.Fuzz(func(t *testing.T, raw []byte, text, pattern, path, value string) {
		check := Check{Line: 1, Raw: "/", Scheme: "http", Path: "/", Content: text, Match: pattern}
		if path != "" {
			check.JSON = []Field{{Path: path, Want: value}}
		}
		served := roundTripper(func(r *http.Request) (*http.Response, error) {
			return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
		})
		file := File{Source: "CHECKS", Timeout: patience, Attempts: 1, Checks: []Check{check}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		report := Run(ctx, file, []Target{{Name: "web-1", Address: "10.0.0.1:5000", Host: "app.example.com", Transport: served}}, Options{
			Observe: func(Progress) { cancel() }, // the first try has ended
		})
		if report.Elapsed > patience/2 {
			t.Errorf("took %v", report.Elapsed)
		}
		report.Cause = nil
		if !report.Passed() {
			assertScreen(t, unfit(t, report).Error())
		}
	})
}

func FuzzHealthResponse(f *testing.F) {
	for _, seed := range []string{"\x00\x00\x00\x00\x02\x08\x01", "\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x05\x12\x01x\x08\x02", "\x01\x00\x00\x00\x00", "\x00\xff\xff\xff\xff\x08"} {
		f.Add([]byte(seed), "0", "unknown%20service")
	}
	f.Fuzz(func(t *testing.T, body []byte, code, message string) {
		serving, err := healthResponse(body)
		r := answer(http.StatusOK, "")
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Trailer = http.Header{"Grpc-Status": {code}, "Grpc-Message": {message}}
		got := judgeHealth(r, body)
		if passed := got.kind == passes; passed != (code == "0" && err == nil && serving == 1) {
			t.Errorf("passed = %v with status %q and health %d, %v", passed, code, serving, err)
		}
		var result Result
		result.add(got, time.Now())
		if !result.OK && got.kind != passes {
			assertScreen(t, unfit(t, Report{Source: "CHECKS", Results: []Result{result}}).Error())
		}
	})
}
