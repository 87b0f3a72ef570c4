package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestToAppJSON_writesWhatDiffersFromTheDefaults(t *testing.T) {
	file, problems := Parse("CHECKS", []byte(`WAIT=0
ATTEMPTS=3
TIMEOUT=5
/scripts/index.js $(function() & <b>
//shop.example.com/cart?x=1 it's
#: name the cart
https://shop.example.com/
#: header Accept: text/html
#: port 9000
#: wait 5
#: attempts 9
#: timeout 2
#: delay 1
#: warn
#: on-failure-command bin/dump 'a b'
#: on-failure-url https://hooks.example.com/
#: command bin/check "a b"
#: uptime 10
#: tcp 5432
#: tcp
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	content, notes := ToAppJSON(file)
	want := `{
  "healthchecks": {
    "web": [
      {
        "type": "startup",
        "name": "/scripts/index.js",
        "path": "/scripts/index.js",
        "content": "$(function() & <b>",
        "wait": 0
      },
      {
        "type": "startup",
        "name": "the cart",
        "path": "/cart?x=1",
        "content": "it's",
        "httpHeaders": [
          {
            "name": "Host",
            "value": "shop.example.com"
          }
        ],
        "wait": 0
      },
      {
        "type": "startup",
        "name": "/",
        "path": "/",
        "port": 9000,
        "httpHeaders": [
          {
            "name": "Host",
            "value": "shop.example.com"
          },
          {
            "name": "X-Forwarded-Proto",
            "value": "https"
          },
          {
            "name": "Accept",
            "value": "text/html"
          }
        ],
        "initialDelay": 1,
        "attempts": 9,
        "timeout": 2,
        "warn": true,
        "onFailure": {
          "command": [
            "bin/dump",
            "a b"
          ],
          "url": "https://hooks.example.com/"
        }
      },
      {
        "type": "startup",
        "name": "command bin/check 'a b'",
        "command": [
          "bin/check",
          "a b"
        ],
        "wait": 0
      },
      {
        "type": "startup",
        "name": "uptime 10",
        "uptime": 10,
        "wait": 0
      },
      {
        "type": "startup",
        "name": "tcp 5432",
        "listening": true,
        "port": 5432,
        "wait": 0
      },
      {
        "type": "startup",
        "name": "tcp",
        "listening": true,
        "wait": 0
      }
    ]
  }
}
`
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	if len(notes) > 0 {
		t.Errorf("notes %v", notes)
	}
}

func TestToAppJSON_notesWhatItCannotSay(t *testing.T) {
	note := func(line int, message string) Problem { return Problem{line, SeverityWarning, message, ""} }
	tests := []struct {
		name, text string
		left       int // checks
		want       []Problem
	}{
		{"status", "/a\n/b\n#: status 204", 1, []Problem{note(2, "app.json has no status, and this wants status 204: the check is left out")}},
		{"the usual status", "/a\n#: status 2xx", 1, nil},
		{"method", "/a\n#: method POST", 0, []Problem{note(1, "app.json has no method, and this wants POST: the check is left out")}},
		{"the usual method", "/a\n#: method GET", 1, nil},
		{"grpc", "#: grpc", 0, []Problem{note(1, "app.json cannot ask by gRPC: the check is left out")}},
		{"match and json", "\n/a\n#: match x\n#: json a", 1, []Problem{note(2, "app.json has no match: the check expects less there"), note(2, "app.json has no json: the check expects less there")}},
		{"no check", "WAIT=3", 0, []Problem{note(0, "the file contains no check, and neither does the app.json")}},
		{"a host that is no text", "//a%ff/", 0, []Problem{note(1, "its host is not valid UTF-8, which JSON must be: the check is left out")}},
		{"a long command", "#: command " + strings.Repeat("a ", 1001), 0, []Problem{note(1, "a command has more than 1000 words: the check is left out")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, problems := Parse("CHECKS", []byte(tt.text))
			if err := Errors("CHECKS", problems); err != nil {
				t.Fatal(err)
			}
			content, notes := ToAppJSON(file)
			if diff := cmp.Diff(tt.want, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if got := strings.Count(string(content), `"startup"`); got != tt.left {
				t.Errorf("%d checks, want %d:\n%s", got, tt.left, content)
			}
		})
	}
}

func TestToCHECKS_writesLinesThatOldReadersUnderstandWhereItCan(t *testing.T) {
	file, problems := ParseAppJSON("app.json", webChecks(`
{"name": "front", "description": "what everybody sees\n\nfirst", "path": "/", "content": "Welcome  all", "initialDelay": 2},
{"path": "/login", "port": 9000, "httpHeaders": [{"name": "Host", "value": "a.example"}, {"name": "Accept", "value": ""}]},
{"path": "/odd", "httpHeaders": [{"name": "Host", "value": "a@b"}]},
{"scheme": "https", "httpHeaders": [{"name": "Host", "value": "a.example"}], "attempts": 9, "timeout": 8, "wait": 7},
{"command": ["sh", "-c", "a | b"], "onFailure": {"command": ["bin/dump", "it's"], "url": "https://hooks.example.com/"}},
{"uptime": 10, "warn": true},
{"listening": true},
{"listening": true, "port": 5432}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	content, notes := ToCHECKS(file)
	want := `TIMEOUT=5
ATTEMPTS=3

# what everybody sees
#
# first
/ Welcome  all
#: name front
#: delay 2

#: //a.example/login
#: port 9000
#: header Accept:

#: /odd
#: header Host: a@b

https://a.example/
#: wait 7
#: timeout 8
#: attempts 9

#: command sh -c 'a | b'
#: on-failure-command bin/dump it\'s
#: on-failure-url https://hooks.example.com/

#: uptime 10
#: warn

#: tcp

#: tcp 5432
`
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	if len(notes) > 0 {
		t.Errorf("notes %v", notes)
	}
}

func TestToCHECKS_notesWhatItCannotSay(t *testing.T) {
	note := func(line int, message string) Problem { return Problem{line, SeverityWarning, message, ""} }
	tests := []struct {
		name, text, want string
		notes            []Problem
	}{
		{"a content with a line break", `{"content": "a.\nb"}`, "/\n#: match a\\.\\x{a}b\n", []Problem{note(2, "its content contains a line break, which no line of a CHECKS file can: it becomes a match")}},
		{"a content that ends in white space", `{"content": "a b "}`, "/\n#: match a b\\x{20}\n", []Problem{note(2, "its content begins or ends with white space, which no line of a CHECKS file can: it becomes a match")}},
		{"a content like a template", `{"content": "{{ x }}"}`, "/\n#: match \\{\\{ x \\}\\}\n", []Problem{note(2, "its content contains {{ … }}, which no line of a CHECKS file can: it becomes a match")}},
		{"a name of two lines", `{"name": "a\nb"}`, "/\n", []Problem{note(2, "its name contains a line break, which no line of a CHECKS file can: it is left out")}},
		{"a name with a blank before", `{"name": " a"}`, "/\n", []Problem{note(2, "its name begins or ends with white space, which no line of a CHECKS file can: it is left out")}},
		{"a header like a template", `{"httpHeaders": [{"name": "A", "value": "{{b}}"}]}`, "#: /\n", []Problem{note(2, "its header contains {{ … }}, which no line of a CHECKS file can: it is left out")}},
		{"a description like a template", `{"description": "{{b}}"}`, "/\n", []Problem{note(2, "the description contains {{ … }}: it is left out")}},
		{"a command of two lines", `{"command": ["sh", "-c", "a\nb"]}`, "", []Problem{note(2, "what it asks contains a line break, which no line of a CHECKS file can: the check is left out")}},
		{"a path with two slashes", `{"path": "//a"}`, "", []Problem{note(2, "the path begins with two slashes, which stand before a host in a CHECKS file: the check is left out")}},
		{"a path like a template, and a content", `{"path": "/?{{q}}", "content": " a"}`, "", []Problem{note(2, "what it asks contains {{ … }}, which no line of a CHECKS file can: the check is left out")}},
		{"checks for schedulers", "{\"type\": \"readiness\"},\n{},\n{\"type\": \"liveness\"}", "/\n", []Problem{
			note(2, "a CHECKS file has no checks of type readiness: the check is left out"),
			note(4, "a CHECKS file has no checks of type liveness: the check is left out")}},
		{"no check", "", "", []Problem{note(0, "the file contains no check, and neither does the CHECKS file")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, problems := ParseAppJSON("app.json", webChecks(tt.text))
			if err := Errors("app.json", problems); err != nil {
				t.Fatal(err)
			}
			content, notes := ToCHECKS(file)
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			_, text, _ := strings.Cut(string(content), "\n\n") // after the settings
			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestToCHECKS_findsAContentThatBecameAMatch(t *testing.T) {
	for _, content := range []string{" a.b*\n\t\\ü\u00a0", "\x01[x]{2}\r\n", "{{.}} "} {
		pattern := literalPattern(content)
		file, problems := Parse("CHECKS", []byte("/\n#: match "+pattern))
		if len(problems) > 0 || printable(pattern, len(pattern)) != pattern {
			t.Fatalf("pattern %q, want one to read: %v", pattern, problems)
		}
		found, err := match(newPage(strings.NewReader("before"+content+"after"), false, t.Context().Err), newProber(file, Target{}, Options{}, time.Time{}, nil).patterns[0])
		if err != nil || !found {
			t.Errorf("%s does not match %q: %v", pattern, content, err)
		}
	}
}
