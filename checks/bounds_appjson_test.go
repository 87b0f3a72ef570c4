package checks

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseAppJSON_isBounded(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString(strings.ReplaceAll(format, "N", strconv.Itoa(i)))
		}
		return b.String()
	}
	repeat := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s, n), ",") }
	web := func(text string) string { return string(webChecks(text)) }
	const few = "app.json line 102: more than 100 problems: the rest of the file was not read"
	tests := []struct {
		name, text string
		want       string // the first error, or nothing
	}{
		{"more than 10 MB", strings.Repeat("{\n", MaxSize/2+1), "app.json line 5242881: the file is larger than 10 MB"},
		{"10 MB of blanks", "{" + strings.Repeat(" ", MaxSize-2) + "}", ""},
		{"10 MB of line ends", "{" + strings.Repeat("\r\n", MaxSize/2-1) + "}", ""},
		{"10 MB of an open array", strings.Repeat("[", MaxSize), "app.json line 1: brackets within brackets more than 10,000 deep"},
		{"100,000 brackets", "{\"a\":\n" + strings.Repeat("[", 100_000), "app.json line 2: brackets within brackets more than 10,000 deep"},
		{"100,000 brackets that close", strings.Repeat("[\n", 100_000) + strings.Repeat("]", 100_000), "app.json line 10001: brackets within brackets more than 10,000 deep"},
		{"9,000 brackets in a check", web(`{"path": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}"), `app.json line 2: "path" is a text in double quotes, not ` + strings.Repeat("[", 60) + "…"},
		{"100,000 different checks", web(many(`{"path": "/N"}`, 100_000)), "app.json line 1002: more than 1000 checks"},
		{"a thousand checks", web(many(`{"path": "/N"}`, MaxChecks)), ""},
		{"100,000 checks for schedulers", web(many(`{"type": "liveness"}`, 100_000)), "app.json line 1002: more than 1000 checks"},
		{"100,000 equal checks", web(many(`{"path": "/"}`, 100_000)), few},
		{"100,000 numbers", web(many(`N`, 100_000)), `app.json line 2: a check is an object, which stands in { and }, not 0`},
		{"100,000 process types", `{"healthchecks": {` + many(`"wN": []`, 100_000) + `}}`, "app.json line 100: more than 100 problems: the rest of the file was not read"},
		{"100,000 other keys", `{` + many(`"wN": []`, 100_000) + `}`, ""},
		{"100,000 keys that are nearly known", `{` + many(`"healthchecN": 1`, 100_000) + `}`, "app.json line 100: more than 100 problems: the rest of the file was not read"},
		{"100,000 keys in a check", web(`{` + many(`"kN": []`, 100_000) + `}`), "app.json line 101: more than 100 problems: the rest of the file was not read"},
		{"100,000 times the same key", web(`{` + many(`"path": "/N"`, 100_000) + `}`), few},
		{"100,000 times healthchecks", `{` + many(`"healthchecks": {}`, 100_000) + `}`, "app.json line 101: more than 100 problems: the rest of the file was not read"},
		{"a content of 9 MB", web(`{"content": "` + strings.Repeat("x", 9<<20) + `"}`), `app.json line 2: "content" is longer than 1 MB`},
		{"a content of 9 MB in escapes", web(`{"content": "` + strings.Repeat(`\u0041`, 9<<20/6) + `"}`), `app.json line 2: "content" is longer than 1 MB`},
		{"nine contents of 1 MB", web(many(`{"content": "N`+strings.Repeat("x", MaxLine-1)+`"}`, 9)), ""},
		{"a path of 9 MB", web(`{"path": "/` + strings.Repeat("x", 9<<20) + `"}`), `app.json line 2: "path" is longer than 1 MB`},
		{"a key of 9 MB", web(`{"` + strings.Repeat("x", 9<<20) + `": 1}`), ""},
		{"a type of 9 MB", web(`{"type": "` + strings.Repeat("x", 9<<20) + `"}`), `app.json line 2: "type" is "startup", "readiness" or "liveness", not "` + strings.Repeat("x", 59) + "…"},
		{"a number of 9 MB", web(`{"wait": ` + strings.Repeat("1", 9<<20) + `}`), `app.json line 2: "wait" is a whole number from 0 to 86400, not ` + strings.Repeat("1", 60) + "…"},
		{"a command of 9 MB", web(`{"command": "` + strings.Repeat("x ", 9<<19) + `"}`), `app.json line 2: "command" is an array of words, not one text: no shell splits it`},
		{"a million words", web(`{"command": [` + repeat(`"",`, 1_000_000) + `]}`), `app.json line 2: "command" has more than 1000 words`},
		{"100,000 headers", web(`{"httpHeaders": [` + repeat(`{"name":"a"},`, 100_000) + `]}`), `app.json line 2: more than 1000 headers`},
		{"an object of 100,000 headers", web(`{"httpHeaders": {` + many(`"N": ""`, 100_000) + `}}`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content := []byte(tt.text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, problems := ParseAppJSON("app.json", content)
			elapsed := time.Since(began)
			runtime.ReadMemStats(&after)
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d kB read in %v, %d MB allocated", len(content)>>10, elapsed.Round(time.Millisecond), used>>20)
			if used > 50<<20 {
				t.Errorf("allocated %d MB, want less than 50", used>>20)
			}
			got := ""
			if err := Errors("app.json", problems); err != nil {
				got, _, _ = strings.Cut(err.Error(), "\n")
				got, _, _ = strings.Cut(got, "; perhaps")
			}
			if tt.want != "" && got != tt.want {
				t.Errorf("first error = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHasHealthchecks_isBounded(t *testing.T) {
	for _, content := range [][]byte{
		bytes.Repeat([]byte("["), MaxSize),
		bytes.Repeat([]byte(`{"healthchecks":`), 100_000),
		append(append([]byte(`{"a": "`), bytes.Repeat([]byte("x"), MaxSize-9)...), `"}`...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		HasHealthchecks(content)
		t.Logf("read in %v", time.Since(began).Round(time.Millisecond))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 50<<20 {
			t.Errorf("allocated %d MB, want less than 50", used>>20)
		}
	}
}
