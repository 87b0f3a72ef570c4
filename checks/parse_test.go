package checks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse_readsAWholeFile(t *testing.T) {
	file, problems := Parse("CHECKS", []byte("\ufeff# how to tell\r\n\r\nWAIT=8 # before each\r\n  /scripts/index.js \t $(function()  {  \r\n"+
		"ATTEMPTS=6\r\n//shop.example.com:81/a?b=c#d\tit's # \"here\" 🎉\r\nTIMEOUT=2\r\nhttps://example.com"))

	want := File{
		Source: "CHECKS", Wait: 8 * time.Second, Timeout: 2 * time.Second, Attempts: 6,
		Settings: []Setting{{Line: 3, Name: "WAIT", Value: 8}, {Line: 5, Name: "ATTEMPTS", Value: 6}, {Line: 7, Name: "TIMEOUT", Value: 2}},
		Checks: []Check{
			{Line: 4, Raw: "/scripts/index.js \t $(function()  {", URL: "/scripts/index.js", Scheme: "http", Path: "/scripts/index.js", Content: "$(function()  {"},
			{Line: 6, Raw: "//shop.example.com:81/a?b=c#d\tit's # \"here\" 🎉", URL: "//shop.example.com:81/a?b=c#d", Scheme: "http", Host: "shop.example.com:81", Path: "/a?b=c", Content: "it's # \"here\" 🎉"},
			{Line: 8, Raw: "https://example.com", URL: "https://example.com", Scheme: "https", Host: "example.com", Path: "/"},
		},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if err := Errors("CHECKS", problems); err != nil {
		t.Errorf("unexpected errors: %v", err)
	}
}

func TestParse_readsEachFormOfACheck(t *testing.T) {
	tests := []struct {
		line                        string
		scheme, host, path, content string
	}{
		{"/", "http", "", "/", ""},
		{"/a", "http", "", "/a", ""},
		{"/a?b=c&d ok", "http", "", "/a?b=c&d", "ok"},
		{"/a?", "http", "", "/a?", ""},
		{"/a b  c ", "http", "", "/a", "b  c"},
		{"/a\tb\tc", "http", "", "/a", "b\tc"},
		{"/caf%C3%A9/é", "http", "", "/caf%C3%A9/%C3%A9", ""},
		{"//example.com", "http", "example.com", "/", ""},
		{"//example.com?x=1 y", "http", "example.com", "/?x=1", "y"},
		{"//example.com//b", "http", "example.com", "//b", ""},
		{"//[::1]:80/b", "http", "[::1]:80", "/b", ""},
		{"http://example.com/b .", "http", "example.com", "/b", "."},
		{"https://example.com/b", "https", "example.com", "/b", ""},
		{"https:/b", "https", "", "/b", ""},
		{"/ lone {{ brace", "http", "", "/", "lone {{ brace"},
		{"/ #1 in Europe", "http", "", "/", "#1 in Europe"},
		{"/ [a-z]+$", "http", "", "/", "[a-z]+$"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			file, problems := Parse("CHECKS", []byte(tt.line))
			if err := Errors("CHECKS", problems); err != nil {
				t.Fatal(err)
			}
			raw := strings.TrimSpace(tt.line)
			want := []Check{{Line: 1, Raw: raw, URL: strings.FieldsFunc(raw, isBlank)[0], Scheme: tt.scheme, Host: tt.host, Path: tt.path, Content: tt.content}}
			if diff := cmp.Diff(want, file.Checks); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

func TestParse_saysWhatItCannotUse(t *testing.T) {
	const e, w = SeverityError, SeverityWarning
	tests := []struct {
		text string // one problem in line 1; a good check is added in line 2
		want Problem
	}{
		{`HTTP /healthz`, Problem{1, w, `"HTTP /healthz" is not a check: a check begins with / or // or http`, "/healthz"}},
		{`web / "Laravel"`, Problem{1, w, `"web / "Laravel"" is not a check: a check begins with / or // or http`, "/ Laravel"}},
		{`example.com ok`, Problem{1, w, `"example.com ok" is not a check: a check begins with / or // or http`, "//example.com/ ok"}},
		{`example.com:81/a/b`, Problem{1, w, `"example.com:81/a/b" is not a check: a check begins with / or // or http`, "//example.com:81/a/b"}},
		{`api/health ok then`, Problem{1, w, `"api/health ok then" is not a check: a check begins with / or // or http`, "/api/health ok then"}},
		{`Shell`, Problem{1, w, `"Shell" is neither a check nor a setting`, ""}},
		{`DOKKU_CHECKS_WAIT=20`, Problem{1, w, `"DOKKU_CHECKS_WAIT" is no setting, and was not used`, "WAIT=20"}},
		{`WIAT=5`, Problem{1, w, `"WIAT" is no setting, and was not used`, "WAIT=5"}},
		{`ATEMPTS=5`, Problem{1, w, `"ATEMPTS" is no setting, and was not used`, "ATTEMPTS=5"}},
		{`wait=5`, Problem{1, w, `"wait" is no setting, and was not used`, "WAIT=5"}},
		{`PORT=5`, Problem{1, w, `"PORT" is no setting: there are WAIT, TIMEOUT and ATTEMPTS`, ""}},
		{`WAIT = 5`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: WAIT was not used`, "WAIT=5"}},
		{`export WAIT=5`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: WAIT was not used`, "WAIT=5"}},
		{`WAIT: "5"`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: WAIT was not used`, "WAIT=5"}},
		{`WAIT=5s`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: WAIT was not used`, "WAIT=5"}},
		{`WAIT=5#five`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: WAIT was not used`, "WAIT=5"}},
		{`TIMEOUT=2 m`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: TIMEOUT was not used`, "TIMEOUT=120"}},
		{`TIMEOUT=300ms`, Problem{1, w, `a setting is written NAME=NUMBER, without spaces or units: TIMEOUT was not used`, "TIMEOUT=1"}},
		{`WAIT=5000`, Problem{1, w, `WAIT is in seconds; 5000 was probably meant as milliseconds`, "WAIT=5"}},
		{`WAIT=soon`, Problem{1, e, `WAIT needs a whole number, not "soon"`, ""}},
		{`WAIT=`, Problem{1, e, `WAIT needs a whole number, not ""`, ""}},
		{`WAIT=-1`, Problem{1, e, `WAIT needs a whole number, not "-1"`, ""}},
		{`WAIT=99999999999999999999`, Problem{1, e, `WAIT is larger than 86400`, ""}},
		{`ATTEMPTS=0`, Problem{1, e, `ATTEMPTS is 0: it must be at least 1`, ""}},
		{`TIMEOUT=0`, Problem{1, e, `TIMEOUT is 0: it must be at least 1`, ""}},
		{`/healthz expected_code=200`, Problem{1, w, `"expected_code=200" looks like an option, but it is the text that the answer must contain`, "/healthz"}},
		{`/a "b c"`, Problem{1, w, `the quotes are part of the expected text`, "/a b c"}},
		{`/a ok # really`, Problem{1, w, `a # after a check begins no comment: it is part of the expected text`, "/a ok"}},
		{`/a # really`, Problem{1, w, `a # after a check begins no comment: it is part of the expected text`, "/a"}},
		{`/a ^ok`, Problem{1, w, `the expected text is taken literally, not as a regular expression`, ""}},
		{`/a html`, Problem{1, w, `error pages contain "html" too: the check can pass by accident`, ""}},
		{`/a <!DOCTYPE html>`, Problem{1, w, `error pages contain "<!DOCTYPE html>" too: the check can pass by accident`, ""}},
		{`/#/login Welcome`, Problem{1, w, `the part after # is for browsers: it is never sent to the app`, "/ Welcome"}},
		{`/ {{ var "NAME" }}`, Problem{1, e, `templates in {{ … }} are not supported: write the value itself`, ""}},
		{`//{{ var "HOST" }}/`, Problem{1, e, `templates in {{ … }} are not supported: write the value itself`, ""}},
		{`WAIT={{ var "W" }}`, Problem{1, e, `templates in {{ … }} are not supported: write the value itself`, ""}},
		{`/100%`, Problem{1, e, `"/100%" cannot be requested: invalid URL escape "%"`, ""}},
		{`///a`, Problem{1, e, `"///a" has no host after //`, ""}},
		{`//`, Problem{1, e, `"//" has no host after //`, ""}},
		{`//user:secret@example.com/`, Problem{1, e, `"//user:secret@example.com/" contains a user name: credentials are not supported`, ""}},
		{`//a"b/`, Problem{1, e, `"a"b" is not a host name`, ""}},
		{"/a caf\xe9", Problem{1, e, `the line is not valid UTF-8`, ""}},
		{"/a\x00", Problem{1, e, `a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8`, ""}},
		{"/a " + strings.Repeat("x", MaxLine), Problem{1, e, `the line is longer than 1 MB`, ""}},
	}
	for _, tt := range tests {
		t.Run(printable(tt.text, 40), func(t *testing.T) {
			_, problems := Parse("CHECKS", []byte(tt.text+"\n/good"))
			if diff := cmp.Diff([]Problem{tt.want}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_warnsOfRepetitions(t *testing.T) {
	file, problems := Parse("CHECKS", []byte("/a bee\nWAIT=1\n/a\tbee\n/a sea\nWAIT=3\n"))
	want := []Problem{
		{3, SeverityWarning, "the same check stands in line 1", ""},
		{5, SeverityWarning, "WAIT stands in line 2 already; the last one counts", ""},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if file.Wait != 3*time.Second {
		t.Errorf("Wait = %v, want that of the last line", file.Wait)
	}
}

func TestParse_usesTheDefaultWhenTheFileHasNoCheck(t *testing.T) {
	for _, text := range []string{"", "\n", "# later\n", "WAIT=5\nTIMEOUT=30\n", "DOKKU_CHECKS_WAIT=20", "WAIT=5\nweb / \"Laravel\"", "# x\nShell"} {
		t.Run(text, func(t *testing.T) {
			file, problems := Parse("CHECKS", []byte(text))
			if diff := cmp.Diff(Default().Checks, file.Checks); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
			if err := Errors("CHECKS", problems); err != nil {
				t.Error(err)
			}
			want := Problem{0, SeverityWarning, "the file contains no check: the default is used, / answers with a status below 500", ""}
			if last := problems[len(problems)-1]; last != want {
				t.Errorf("last problem = %v, want %v", last, want)
			}
		})
	}
}

func TestParse_refusesWhatIsNoChecksFileAtAll(t *testing.T) {
	_, problems := Parse("CHECKS", []byte("\nFROM scratch\nlorem ipsum\n"))
	var invalid *Invalid
	if err := Errors("CHECKS", problems); !errors.As(err, &invalid) {
		t.Fatalf("Errors = %v, want an *Invalid", err)
	}
	want := "CHECKS line 2: this is not a CHECKS file: no line of it is a check, a setting or a comment"
	if diff := cmp.Diff(want, invalid.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestParse_isBounded(t *testing.T) {
	repeat := func(s string, n int) []byte { return bytes.Repeat([]byte(s), n) }
	tests := []struct {
		name    string
		content []byte
		want    string // the first error, or nothing
	}{
		{"10 MB of zeros", make([]byte, MaxSize), "CHECKS line 1: a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8"},
		{"more than 10 MB", repeat("/a\n", MaxSize/3+1), "CHECKS line 3495254: the file is larger than 10 MB"},
		{"100,000 comments", repeat("# nothing\n", 100_000), ""},
		{"100,000 checks", repeat("/a\n", 100_000), "CHECKS line 102: more than 100 problems: the rest of the file was not read"},
		{"100,000 words", repeat("word\n", 100_000), "CHECKS line 1: this is not a CHECKS file: no line of it is a check, a setting or a comment"},
		{"10 MB of line ends", repeat("\r\n", MaxSize/2), ""},
		{"10 MB in one line", repeat("x", MaxSize), "CHECKS line 1: the line is longer than 1 MB"},
		{"1001 different checks", numbered(MaxChecks + 1), "CHECKS line 1001: more than 1000 checks"},
		{"a thousand checks", numbered(MaxChecks), ""},
		{"UTF-16", []byte("\xff\xfe/\x00a\x00"), "CHECKS line 1: a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, problems := Parse("CHECKS", tt.content)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 50<<20 {
				t.Errorf("allocated %d MB, want less than 50", used>>20)
			}
			got := ""
			if err := Errors("CHECKS", problems); err != nil {
				got, _, _ = strings.Cut(err.Error(), "\n")
			}
			if got != tt.want {
				t.Errorf("first error = %q, want %q", got, tt.want)
			}
		})
	}
}

func numbered(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "/page/%d welcome\n", i)
	}
	return b.Bytes()
}

func TestParse_takesEveryKindOfLineEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		file, problems := Parse("CHECKS", []byte("/a one"+end+end+"/b two"+end))
		if len(problems) > 0 {
			t.Errorf("line end %q: problems %v", end, problems)
		}
		var got []string
		for _, c := range file.Checks {
			got = append(got, fmt.Sprintf("%d %s %s", c.Line, c.Path, c.Content))
		}
		if diff := cmp.Diff([]string{"1 /a one", "3 /b two"}, got); diff != "" {
			t.Errorf("line end %q (-want +got):\n%s", end, diff)
		}
	}
}

// corpus names real files. They are of others, so they are not part of the
// repository, and a test without them is skipped.
func corpus(t *testing.T) []string {
	t.Helper()
	folder := os.Getenv("ZDD_CHECKS_CORPUS")
	if folder == "" {
		folder = filepath.Join("..", "..", "shared", "checks-corpus")
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.CHECKS"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("no corpus here: set ZDD_CHECKS_CORPUS to a folder of *.CHECKS files")
	}
	return names
}

func TestParse_readsEveryFileOfTheCorpus(t *testing.T) {
	for _, name := range corpus(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, problems := Parse("CHECKS", content)
			if err := Errors("CHECKS", problems); err != nil {
				t.Error(err)
			}
			checkLikeLines, understood := 0, 0
			for _, line := range strings.Split(string(content), "\n") {
				if strings.HasPrefix(line, "/") {
					checkLikeLines++
				}
			}
			for _, c := range file.Checks {
				if c.Line > 0 {
					understood++
				}
			}
			if understood != checkLikeLines {
				t.Errorf("%d checks, want one for each of the %d lines that begin with a slash", understood, checkLikeLines)
			}
			for _, p := range problems {
				t.Log(p)
			}
		})
	}
}
