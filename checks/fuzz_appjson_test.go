package checks

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seedFiles gives a fuzzer what the other tests know, and the corpus.
func seedFiles(f *testing.F) {
	for _, tt := range appProblems {
		f.Add(webChecks(tt.text))
		f.Add(bytes.ReplaceAll(webChecks(tt.text), []byte(" "), []byte("\r\n")))
	}
	for _, text := range []string{
		"{", "{}", "\ufeff{\"healthchecks\":{\"web\":[{}]}}", `{"healthchecks":{"web":[{"type":"liveness"}],"worker":1},"checks":[]}`,
		`{"healthchecks":{"web":{"path":"/"}}}`, `{"healthchecks":[]}`, "{\"\xff\":1}", "{\"a\":'b',}", `{"a":"\ud800"}`, "[1,]", "\"", "// a",
		"/a\n#: header A: b\n#: delay 3\nWAIT=1", "https://a@b/ c", "#: command a 'b c'\n#: on-failure-command x\n#: tcp 5\n#: uptime 3\n#: warn",
		"//a%ff/{{ x", "/ \"q\"\n#: status 401\n#: match x\n#: json a = 1\n#: method post",
	} {
		f.Add([]byte(text))
	}
	names, err := filepath.Glob(filepath.Join("..", "..", "shared", "checks-corpus", "*.CHECKS"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
		file, _ := Parse("CHECKS", content)
		converted, _ := ToAppJSON(file)
		f.Add(converted)
	}
}

func FuzzParseAppJSON(f *testing.F) {
	seedFiles(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := ParseAppJSON("app.json", content)
		last := 1 + bytes.Count(content, []byte("\n")) + bytes.Count(content, []byte("\r"))
		if len(file.Checks) == 0 || file.Budget(file.Checks[0]) <= 0 {
			t.Errorf("%d checks and a budget of %v", len(file.Checks), file.Budget(file.Checks[0]))
		}
		for _, c := range file.Checks {
			if c.Line > last || c.Line > 0 && c.Pace == nil {
				t.Errorf("impossible check %+v", c)
			}
			if (c.Kind == KindHTTP) != strings.HasPrefix(c.Path, "/") || (c.Kind == KindCommand) != (c.Command != nil) || (c.Kind == KindUptime) != (c.Uptime > 0) {
				t.Errorf("check %+v, want what its kind asks", c)
			}
			if c.Raw == "" || strings.ContainsAny(c.Raw, "\x00\x1b\n") {
				t.Errorf("text %q of a check, want one to show", c.Raw)
			}
		}
		for _, p := range problems {
			if p.Line > last || p.Message == "" || strings.ContainsAny(p.Message+p.Suggestion, "\x00\n") || strings.ContainsAny(p.String(), "\x00\x1b\n") {
				t.Errorf("unfit problem %+v", p)
			}
		}
		if !slices.IsSortedFunc(problems, byLine) {
			t.Errorf("problems %v, want them in the order of lines", problems)
		}
		if Errors("app.json", problems) == nil && file.Checks[0].Line > 0 && !HasHealthchecks(content) {
			t.Error("HasHealthchecks = false of a file with checks")
		}
	})
}

func FuzzConvert(f *testing.F) {
	seedFiles(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := Read("a file", content)
		if Errors("a file", problems) != nil || len(problems) > MaxProblems/4 || len(file.Checks) > MaxProblems/4 {
			return // converting may add a problem to each check
		}
		for _, to := range formats {
			converted, _ := mustConvert(t, file, to)
			again, _ := to.read("converted", converted)
			for _, back := range formats {
				mustConvert(t, again, back)
			}
		}
	})
}
