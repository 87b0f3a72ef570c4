package checks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// webChecks is an app.json with these checks, from line 2 on.
func webChecks(text string) []byte {
	return []byte(`{"healthchecks": {"web": [` + "\n" + text + "\n]}}")
}

func TestParseAppJSON_readsAWholeFile(t *testing.T) {
	file, problems := ParseAppJSON("app.json", []byte("\ufeff"+`{
  "name": "shop", "scripts": {"dokku": {"predeploy": "true"}},
  "healthchecks": {
    "web": [
      {
        "type": "startup", "name": "front", "description": "the page that everybody sees",
        "path": "/cart?x=1", "scheme": "https", "port": 9000, "content": " $(function()\n",
        "httpHeaders": [{"name": "host", "value": "shop.example.com"}, {"name": "accept", "value": " text/html "}],
        "initialDelay": 3, "attempts": 7, "timeout": 2, "wait": 0, "warn": true,
        "onFailure": {"command": ["bin/dump", "a b"], "url": "https://hooks.example.com/x"}
      },
      {"type": "liveness", "path": 5},
      {"command": ["bin/check", "--name", "it's"]},`+"\r\n"+`      {"uptime": 10}, {"listening": true, "port": 5432},
      {"content": "Welcome"},
      {"path": null, "listening": false, "uptime": 0, "command": [ ], "port": 0, "httpHeaders": [{"name": "X-Forwarded-Proto", "value": "https"}]}
    ]
  }
}`))

	pace := &Pace{Wait: 5 * time.Second, Timeout: 5 * time.Second, Attempts: 3}
	want := File{
		Source: "app.json", Wait: 5 * time.Second, Timeout: 5 * time.Second, Attempts: 3,
		Checks: []Check{
			{
				Line: 5, Raw: "https://shop.example.com/cart?x=1  $(function()\\x0a", URL: "https://shop.example.com/cart?x=1", Name: "front",
				Description: "the page that everybody sees", Scheme: "https", Host: "shop.example.com", Path: "/cart?x=1", Port: 9000,
				Content: " $(function()\n", Header: []HeaderField{{"Accept", "text/html"}}, Warn: true,
				Pace:      &Pace{Delay: 3 * time.Second, Timeout: 2 * time.Second, Attempts: 7},
				OnFailure: OnFailure{Command: []string{"bin/dump", "a b"}, URL: "https://hooks.example.com/x"},
			},
			{Line: 13, Raw: `command bin/check --name it\'s`, Kind: KindCommand, Command: []string{"bin/check", "--name", "it's"}, Pace: pace},
			{Line: 14, Raw: "uptime 10", Kind: KindUptime, Uptime: 10 * time.Second, Pace: pace},
			{Line: 14, Raw: "tcp 5432", Kind: KindTCP, Port: 5432, Pace: pace},
			{Line: 15, Raw: "/ Welcome", URL: "/", Scheme: "http", Path: "/", Content: "Welcome", Pace: pace},
			{Line: 16, Raw: "https:/", URL: "https:/", Scheme: "https", Path: "/", Pace: pace},
		},
		Unused: []Unused{{Line: 12, Type: "liveness"}},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
}

// appProblems are checks, of which the first has a problem in line 2 and the
// second, added by the test, has none.
var appProblems = []struct {
	text string
	want Problem
}{
	{`"/healthz"`, Problem{2, SeverityError, `a check is an object, which stands in { and }, not "/healthz"`, `{"path": "/healthz"},`}},
	{`{"type": "http"}`, Problem{2, SeverityError, `"type" says when a check is asked, not how: there is no type "http"; a "path", "command", "uptime" or "listening" says how`, `{"type": "startup"},`}},
	{`{"type": "starup"}`, Problem{2, SeverityError, `"type" is "startup", "readiness" or "liveness", not "starup"`, `{"type": "startup"},`}},
	{`{"type": 1}`, Problem{2, SeverityError, `"type" is "startup", "readiness" or "liveness", not 1`, ""}},
	{`{"path": "healthz"}`, Problem{2, SeverityError, `"path" must begin with a slash, not be "healthz": another Host is one of the "httpHeaders"`, `{"path": "/healthz"},`}},
	{`{"path": "http://a.example/b?c"}`, Problem{2, SeverityError, `"path" must begin with a slash, not be "http://a.example/b?c": another Host is one of the "httpHeaders"`, `{"path": "/b?c"},`}},
	{`{"path": "/healthz all good"}`, Problem{2, SeverityError, `"path" contains a blank: the text that the answer must contain is "content"`, `{"path": "/healthz", "content": "all good"},`}},
	{`{"path": "/100%"}`, Problem{2, SeverityError, `"/100%" cannot be requested: invalid URL escape "%"`, ""}},
	{`{"path": "/a\nb"}`, Problem{2, SeverityError, `"/a\x0ab" cannot be requested: net/url: invalid control character in URL`, ""}},
	{`{"path": "//a.example/"}`, Problem{2, SeverityWarning, `"path" names no host, even with two slashes: another Host is one of the "httpHeaders"`, ""}},
	{`{"path": "/#/login"}`, Problem{2, SeverityWarning, `the part after # is for browsers: it is never sent to the app`, `{"path": "/"},`}},
	{`{"path": 5}`, Problem{2, SeverityError, `"path" is a text in double quotes, not 5`, ""}},
	{`{"path": "/\u0000"}`, Problem{2, SeverityError, `"path" contains a NUL character`, ""}},
	{`{"scheme": "tcp"}`, Problem{2, SeverityError, `"scheme" is "http" or "https", not "tcp"`, ""}},
	{`{"port": "9000"}`, Problem{2, SeverityError, `"port" is a number from 1 to 65535, not "9000"`, `{"port": 9000},`}},
	{`{"port": 65536}`, Problem{2, SeverityError, `"port" is a number from 1 to 65535, not 65536`, ""}},
	{`{"port": -1}`, Problem{2, SeverityError, `"port" is a number from 1 to 65535, not -1`, ""}},
	{`{"command": "bin/check --fast"}`, Problem{2, SeverityError, `"command" is an array of words, not one text: no shell splits it`, `{"command": ["bin/check", "--fast"]},`}},
	{`{"command": "curl -f localhost || exit 1"}`, Problem{2, SeverityError, `"command" is an array of words, not one text: no shell splits it`, `{"command": ["sh", "-c", "curl -f localhost || exit 1"]},`}},
	{`{"command": {}}`, Problem{2, SeverityError, `"command" is an array of words, not {}`, ""}},
	{`{"command": ["a", 1]}`, Problem{2, SeverityError, `a word of "command" is a text in double quotes, not 1`, ""}},
	{`{"uptime": "10"}`, Problem{2, SeverityError, `"uptime" is a whole number, without quotes or a unit, not "10"`, `{"uptime": 10},`}},
	{`{"uptime": -1}`, Problem{2, SeverityError, `"uptime" is a whole number from 1 to 86400, not -1`, ""}},
	{`{"listening": "true"}`, Problem{2, SeverityError, `"listening" is true or false, not "true"`, `{"listening": true},`}},
	{`{"listening": 5000}`, Problem{2, SeverityError, `"listening" is true or false, not 5000`, ""}},
	{`{"warn": "yes"}`, Problem{2, SeverityError, `"warn" is true or false, not "yes"`, ""}},
	{`{"wait": "5"}`, Problem{2, SeverityError, `"wait" is a whole number, without quotes or a unit, not "5"`, `{"wait": 5},`}},
	{`{"wait": "2 m"}`, Problem{2, SeverityError, `"wait" is a whole number, without quotes or a unit, not "2 m"`, `{"wait": 120},`}},
	{`{"wait": 2.5}`, Problem{2, SeverityError, `"wait" is a whole number, without quotes or a unit, not 2.5`, `{"wait": 3},`}},
	{`{"wait": true}`, Problem{2, SeverityError, `"wait" is a whole number, without quotes or a unit, not true`, ""}},
	{`{"wait": -1}`, Problem{2, SeverityError, `"wait" is a whole number from 0 to 86400, not -1`, ""}},
	{`{"wait": 1e30}`, Problem{2, SeverityError, `"wait" is a whole number from 0 to 86400, not 1e30`, ""}},
	{`{"wait": 5000}`, Problem{2, SeverityWarning, `"wait" is in seconds; 5000 was probably meant as milliseconds`, `{"wait": 5},`}},
	{`{"timeout": 1000}`, Problem{2, SeverityWarning, `"timeout" is in seconds; 1000 was probably meant as milliseconds`, `{"timeout": 1},`}},
	{`{"timeout": 0}`, Problem{2, SeverityError, `"timeout" is a whole number from 1 to 86400, not 0`, ""}},
	{`{"attempts": 0}`, Problem{2, SeverityError, `"attempts" is a whole number from 1 to 86400, not 0`, ""}},
	{`{"initialDelay": 1500}`, Problem{2, SeverityWarning, `"initialDelay" is in seconds; 1500 was probably meant as milliseconds`, `{"initialDelay": 2},`}},
	{`{"path": "/", "command": ["a"]}`, Problem{2, SeverityError, `"command" and "path" (line 2) exclude one another: make two checks of them`, ""}},
	{`{"uptime": 1, "listening": true}`, Problem{2, SeverityError, `"listening" and "uptime" (line 2) exclude one another: make two checks of them`, ""}},
	{`{"command": ["a"], "content": "ok"}`, Problem{2, SeverityError, `"content" is for a check of a path: it says nothing about this one`, ""}},
	{`{"listening": true, "scheme": "http"}`, Problem{2, SeverityWarning, `"scheme" is for a check of a path: it says nothing about this one`, ""}},
	{`{"uptime": 5, "httpHeaders": []}`, Problem{2, SeverityWarning, `"httpHeaders" is for a check of a path: it says nothing about this one`, ""}},
	{`{"uptime": 5, "port": 5000}`, Problem{2, SeverityWarning, `"port" is for a check of a path or listening: it says nothing about this one`, ""}},
	{`{"httpHeaders": {"A": "b"}}`, Problem{2, SeverityError, `"httpHeaders" is an array of objects with name and value, not {"A": "b"}`, `{"httpHeaders": [{"name": "A", "value": "b"}]},`}},
	{`{"httpHeaders": ["A: b"]}`, Problem{2, SeverityError, `a header is written {"name": "X-Name", "value": "…"}, not "A: b"`, ""}},
	{`{"httpHeaders": [{"value": "b"}]}`, Problem{2, SeverityError, `a header has a "name"`, ""}},
	{`{"httpHeaders": [{"name": "A B"}]}`, Problem{2, SeverityError, `"A B" is no name of a header`, ""}},
	{`{"httpHeaders": [{"name": "A", "value": "b", "of": 1}]}`, Problem{2, SeverityWarning, `"of" means nothing in a header, and was not used`, ""}},
	{`{"onFailure": {"command": "notify me"}}`, Problem{2, SeverityError, `"command" is an array of words, not one text: no shell splits it`, `{"onFailure": {"command": ["notify", "me"]}},`}},
	{`{"onFailure": "https://a.example/"}`, Problem{2, SeverityError, `"onFailure" is an object with a "command" or a "url", not "https://a.example/"`, `{"onFailure": {"url": "https://a.example/"}},`}},
	{`{"onFailure": {"url": "a.example"}}`, Problem{2, SeverityError, `"a.example" is no URL of http or https`, ""}},
	{`{"onFailure": {"email": "a"}}`, Problem{2, SeverityWarning, `"email" means nothing in "onFailure", and was not used`, ""}},
	{`{"wait": 1, "wait": 2}`, Problem{2, SeverityWarning, `"wait" stands in line 2 already; the last one counts`, ""}},
	{`{"httpheaders": []}`, Problem{2, SeverityWarning, `"httpheaders" is written "httpHeaders"`, `{"httpHeaders": []},`}},
	{`{"interval": "3s"}`, Problem{2, SeverityWarning, `"interval" means nothing in a check: it is written "wait"`, `{"wait": 3},`}},
	{`{"start_period": 3}`, Problem{2, SeverityWarning, `"start_period" means nothing in a check: it is written "initialDelay"`, `{"initialDelay": 3},`}},
	{`{"gracePeriod": 3}`, Problem{2, SeverityWarning, `"gracePeriod" means nothing in a check: it is written "initialDelay"`, `{"initialDelay": 3},`}},
	{`{"retries": 3}`, Problem{2, SeverityWarning, `"retries" means nothing in a check: it is written "attempts"`, `{"attempts": 3},`}},
	{`{"atempts": 3}`, Problem{2, SeverityWarning, `"atempts" means nothing in a check: it is written "attempts"`, `{"attempts": 3},`}},
	{`{"endpoint": "/up"}`, Problem{2, SeverityError, `"endpoint" means nothing in a check: it is written "path"`, `{"path": "/up"},`}},
	{`{"url": "http://localhost:5000/up"}`, Problem{2, SeverityError, `"url" means nothing in a check: it is written "path"`, `{"path": "/up"},`}},
	{`{"path": "/up", "url": "/up"}`, Problem{2, SeverityWarning, `"url" means nothing in a check: it is written "path"`, `{"path": "/up", "path": "/up"},`}},
	{`{"expectedStatus": 204}`, Problem{2, SeverityWarning, `app.json has no "expectedStatus": a CHECKS file has, in a line #: status …`, ""}},
	{`{"method": "POST"}`, Problem{2, SeverityWarning, `app.json has no "method": a CHECKS file has, in a line #: method …`, ""}},
	{`{"colour": "blue"}`, Problem{2, SeverityWarning, `"colour" means nothing in a check, and was not used`, ""}},
	{`{"content": "<html>"}`, Problem{2, SeverityWarning, `error pages contain "<html>" too: the check can pass by accident`, ""}},
	{`{"content": "^ok$"}`, Problem{2, SeverityWarning, `the expected text is taken literally, not as a regular expression`, ""}},
	{`{"path": "/good"}`, Problem{3, SeverityWarning, `the same check stands in line 2`, ""}},
}

func TestParseAppJSON_saysWhatIsWrongWithACheck(t *testing.T) {
	for _, tt := range appProblems {
		t.Run(tt.text, func(t *testing.T) {
			file, problems := ParseAppJSON("app.json", webChecks(tt.text+",\n"+`{"path": "/good"}`))
			if diff := cmp.Diff([]Problem{tt.want}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			want := 2
			if tt.want.Severity == SeverityError {
				want = 1
			}
			if len(file.Checks) != want || file.Checks[want-1].Path != "/good" {
				t.Errorf("checks %+v, want %d, and the good one last", file.Checks, want)
			}
		})
	}
}

func TestParseAppJSON_saysWhatIsWrongWithTheRest(t *testing.T) {
	none := Problem{0, SeverityWarning, "the file contains no check: the default is used, / answers with a status below 500", ""}
	wrong := func(line int, message, suggestion string) []Problem {
		return []Problem{{line, SeverityError, message, suggestion}}
	}
	odd := func(line int, message, suggestion string) []Problem {
		return []Problem{{line, SeverityWarning, message, suggestion}, none}
	}
	tests := []struct {
		name, text string
		want       []Problem
	}{
		{"nothing about checks", `{"name": "shop"}`, []Problem{none}},
		{"null", `{"healthchecks": null}`, []Problem{none}},
		{"no checks", `{"healthchecks": {"web": []}}`, []Problem{none}},
		{"another process type", "{\"healthchecks\": {\n\"worker\": [{}]}}", odd(2, `the checks of "worker" are not run: zdd runs one process type, web`, "")},
		{"only checks for schedulers", "{\"healthchecks\": {\"web\": [\n{\"path\": \"/\",\n  \"type\": \"readiness\" },\n{\"type\": \"liveness\"}]}}",
			odd(3, `only checks of type "startup" gate a deploy, and there is none: the others are for schedulers that watch a running app`, `"type": "startup" },`)},
		{"checks at the top", "{\n  \"checks\": {}}", odd(2, `"checks" means nothing in an app.json: its checks are "healthchecks"`, `"healthchecks": {}}`)},
		{"a misspelt top", "{\n  \"healthcheck\": {\n\"web\": []}}", odd(2, `"healthcheck" means nothing in an app.json, and was not used`, `"healthchecks": {`)},
		{"an array", "{\"healthchecks\": [\n{}]}", wrong(1, `"healthchecks" is an object with an array for each process type, not an array`, `"healthchecks": {"web": [`)},
		{"a text", `{"healthchecks": "/"}`, wrong(1, `"healthchecks" is an object with an array for each process type, not "/"`, "")},
		{"one check", `{"healthchecks": {"web": {"path": "/"}}}`, wrong(1, `"web" is an array of checks, not a check: put it into [ and ]`, `{"healthchecks": {"web": [{"path": "/"}]}}`)},
		{"a path", `{"healthchecks": {"web": "/"}}`, wrong(1, `"web" is an array of checks, not "/"`, "")},
		{"no process type", `{"healthchecks": {"path": "/"}}`, wrong(1, `"path" stands where a process type belongs: {"web": [{"path": …}]}`, "")},
		{"no object", `5`, wrong(1, "an app.json is an object, which stands in { and }", "")},
		{"NUL", "{\n\x00", wrong(2, "a NUL byte: this is a binary file, or text in UTF-16 and not in UTF-8", "")},
		{"no UTF-8", "{\n\"a\": \"\ufffd\",\r\"caf\xe9\": 1}", wrong(3, "the line is not valid UTF-8", "")},
		{"a comma too many", "{\"a\": [\n  1,\n]}", wrong(2, "a comma before a closing bracket: JSON has none after the last entry", "1")},
		{"a comma too few", "{\"a\": 1\n\n\"b\": 2}", wrong(1, "a comma is missing at the end of the entry", `{"a": 1,`)},
		{"a comma too few in an array", "[{}\n{}]", wrong(1, "a comma is missing at the end of the entry", `[{},`)},
		{"a comment", "{\n// why\n}", wrong(2, `JSON has no comments: a check can have a "description"`, "")},
		{"another comment", "{\n# why\n}", wrong(2, `JSON has no comments: a check can have a "description"`, "")},
		{"single quotes", "{\n'a': 1}", wrong(2, "in JSON keys and texts stand in double quotes", "")},
		{"no quotes", "{\n\na: 1}", wrong(3, "in JSON keys and texts stand in double quotes", "")},
		{"an open quote", "{\"a\": \"b\n}", wrong(1, `a line break or a tab in a string: its closing quote is missing, or it is written \n or \t`, "")},
		{"an end too early", "{\n\"a\": [\n\n", wrong(2, "the file ends in the middle of the JSON: a bracket or a quote is not closed", "")},
		{"more than JSON", "{}\n{}", wrong(2, "text after the end of the JSON", "")},
		{"another word", "{\n\"a\": True}", wrong(2, "this is not JSON: invalid character 'T' looking for beginning of value", "")},
		{"nothing", "", wrong(1, "the file ends in the middle of the JSON: a bracket or a quote is not closed", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, problems := ParseAppJSON("app.json", []byte(tt.text))
			if diff := cmp.Diff(tt.want, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			want := Default()
			want.Source, want.Unused = "app.json", file.Unused
			if diff := cmp.Diff(want, file); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAppJSON_namesTheLinesOfQuestionsThatExcludeOneAnother(t *testing.T) {
	_, problems := ParseAppJSON("app.json", webChecks("{\n\"uptime\": 5,\n\"wait\": 1,\n\"path\": \"/\"}"))
	want := []Problem{{5, SeverityError, `"path" and "uptime" (line 3) exclude one another: make two checks of them`, ""}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestParseAppJSON_takesTheLastOfTwoKeys(t *testing.T) {
	file, _ := ParseAppJSON("app.json", []byte(`{"healthchecks": 1, "healthchecks": {"web": [{"path": "/a", "PATH": "/b", "path": null}]}}`))
	if got := file.Checks[0].Path; got != "/b" {
		t.Errorf("path %q, want that of the last one that is not null", got)
	}
}

func TestParseAppJSON_suggestsTheEntryAloneInAFileWithoutLineEnds(t *testing.T) {
	filler := strings.Repeat("x", 500)
	_, problems := ParseAppJSON("app.json", []byte(`{"a":"`+filler+`","healthchecks":{"web":[{"wait":"5s"}]},"b":"`+filler+`"}`))
	if len(problems) != 1 || problems[0].Suggestion != `"wait": 5` {
		t.Errorf("problems %v, want one that suggests \"wait\": 5", problems)
	}
}

func TestHasHealthchecks_tellsAnAppJSONThatIsAboutChecks(t *testing.T) {
	tests := map[string]bool{
		`{"name": "a"}`:               false,
		`{"healthchecks": null}`:      false,
		`{"a": {"healthchecks": {}}}`: false,
		`"healthchecks"`:              false,
		``:                            false,
		`{"a": `:                      false,
		`{"healthchecks": {}}`:        true,
		"\ufeff{\"Healthchecks\": 1}": true,
		`{"healthchecks": {},}`:       true, // what is wrong is then said
	}
	for text, want := range tests {
		if got := HasHealthchecks([]byte(text)); got != want {
			t.Errorf("HasHealthchecks(%s) = %t, want %t", text, got, want)
		}
	}
}

func TestLineTable_countsLinesAsTheReaderOfCHECKSFilesDoes(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r", "\n\r\r\n"} {
		for length := range 7 {
			text := strings.Repeat(strings.Repeat("x", length)+end, 3000)
			table, offset := newLineTable(text), 0
			for number, line := range textLines([]byte(text)) {
				if got := table.at(offset); got != number {
					t.Fatalf("line %d of %q begins in line %d", number, fmt.Sprintf("%.20s", text), got)
				}
				offset += len(line)
				for _, e := range []string{"\r\n", "\n", "\r"} {
					if strings.HasPrefix(text[offset:], e) {
						offset += len(e)
						break
					}
				}
			}
		}
	}
}
