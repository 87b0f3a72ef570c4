package checks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pageCheck is a check of the path /, written in line 1.
func pageCheck(change func(*Check)) Check {
	c := Check{Line: 1, Raw: "/", URL: "/", Scheme: "http", Path: "/"}
	change(&c)
	return c
}

func TestParse_readsEachAddition(t *testing.T) {
	tests := []struct {
		name, text string
		want       Check
	}{
		{"a path that old readers do not see", "#: //example.com/a  ok then", Check{Line: 1, Raw: "//example.com/a  ok then", URL: "//example.com/a", Scheme: "http", Host: "example.com", Path: "/a", Content: "ok then"}},
		{"tcp", "#: tcp", Check{Line: 1, Raw: "tcp", Kind: KindTCP}},
		{"tcp with a port", "#: tcp 5432", Check{Line: 1, Raw: "tcp 5432", Kind: KindTCP, Port: 5432}},
		{"grpc", "#:grpc", Check{Line: 1, Raw: "grpc", Kind: KindGRPC}},
		{"grpc of a service", "#:\tgrpc\t shop.v1.Cart", Check{Line: 1, Raw: "grpc\t shop.v1.Cart", Kind: KindGRPC, Service: "shop.v1.Cart"}},
		{"command", `#: command bin/ready --name "a b" 'c'`, Check{Line: 1, Raw: `command bin/ready --name "a b" 'c'`, Kind: KindCommand, Command: []string{"bin/ready", "--name", "a b", "c"}}},
		{"uptime", "#: uptime 20", Check{Line: 1, Raw: "uptime 20", Kind: KindUptime, Uptime: 20 * time.Second}},
		{"status", "/\n#: status 204", pageCheck(func(c *Check) { c.Status = Statuses{{204, 204}} })},
		{"status without a space", "/\n#:status 204", pageCheck(func(c *Check) { c.Status = Statuses{{204, 204}} })},
		{"status of many forms", "/\n#: status 2XX, 301-303 401,5xx-5xx", pageCheck(func(c *Check) { c.Status = Statuses{{200, 299}, {301, 303}, {401, 401}, {500, 599}} })},
		{"method", "/\n#: method post", pageCheck(func(c *Check) { c.Method = "POST" })},
		{"header", "/\n#: header x-token:  a: b \n#: header Accept:", pageCheck(func(c *Check) { c.Header = []HeaderField{{"X-Token", "a: b"}, {"Accept", ""}} })},
		{"header Host", "/\n#: header host: example.com:81", pageCheck(func(c *Check) { c.Host = "example.com:81" })},
		{"match", "/\n#: match ^ok \\d+ = # 1$", pageCheck(func(c *Check) { c.Match = `^ok \d+ = # 1$` })},
		{"json", "/\n#: json db.status = \"up = 1\"\n#: json n=1\n#: json version", pageCheck(func(c *Check) { c.JSON = []Field{{"db.status", `"up = 1"`}, {"n", "1"}, {"version", ""}} })},
		{"port", "/\n#: port 9000", pageCheck(func(c *Check) { c.Port = 9000 })},
		{"name", "/\n#: name the front page", pageCheck(func(c *Check) { c.Name = "the front page" })},
		{"on-failure-command", "/\n#: on-failure-command notify 'it broke'", pageCheck(func(c *Check) { c.OnFailure.Command = []string{"notify", "it broke"} })},
		{"on-failure-url", "/\n#: on-failure-url https://example.com/hook?a=b", pageCheck(func(c *Check) { c.OnFailure.URL = "https://example.com/hook?a=b" })},
		{"a pace, the rest of the file's", "/\n#: delay 3\n#: timeout 4", pageCheck(func(c *Check) {
			c.Pace = &Pace{Delay: 3 * time.Second, Wait: DefaultWait, Timeout: 4 * time.Second, Attempts: DefaultAttempts}
		})},
		{"a pace with settings below", "/\n#: wait 0\n#: attempts 7\nTIMEOUT=11\nATTEMPTS=9", pageCheck(func(c *Check) { c.Pace = &Pace{Timeout: 11 * time.Second, Attempts: 7} })},
		{"HEAD without content", "/\n#: method HEAD", pageCheck(func(c *Check) { c.Method = "HEAD" })},
		{"the last of two", "/\n#: method PUT\n#: method GET\n#: port 1\n#: port 2", pageCheck(func(c *Check) { c.Method, c.Port = "GET", 2 })},
		{"the mark alone", "/\n#:\n#: \t", pageCheck(func(*Check) {})},
		{"comments that look like it", "/\n# : status 204\n#; status 204\n ## : x", pageCheck(func(*Check) {})},
		{"CR LF and blanks around", "/\r\n \t#: status 204 \r\n", pageCheck(func(c *Check) { c.Status = Statuses{{204, 204}} })},
		{"comments and blank lines between", "/\n\n# why\n#: port 1", pageCheck(func(c *Check) { c.Port = 1 })},
		{"a setting between", "/\nWAIT=5\n#: port 1", pageCheck(func(c *Check) { c.Port = 1 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, problems := Parse("CHECKS", []byte(tt.text))
			if len(problems) > 0 {
				t.Errorf("problems %v", problems)
			}
			if diff := cmp.Diff([]Check{tt.want}, file.Checks); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_saysWhatIsWrongWithAnAddition(t *testing.T) {
	wrong := func(line int, message string) Problem { return Problem{line, SeverityError, message, ""} }
	tests := []struct {
		name, text string
		want       Problem
	}{
		{"an unknown word", "/\n#: colour blue", wrong(2, `"colour" means nothing after #:`)},
		{"a misspelt option", "/\n#: Statsu 204", Problem{2, SeverityError, `"Statsu" means nothing after #:`, "#: status 204"}},
		{"an option with a colon", "/\n#: status: 204", Problem{2, SeverityError, `"status:" means nothing after #:`, "#: status 204"}},
		{"a misspelt check", "/\n#: gprc a.B", Problem{2, SeverityError, `"gprc" means nothing after #:`, "#: grpc a.B"}},
		{"an option before any check", "#: status 204\n/", wrong(1, `"status" says more about the check above it, but there is none`)},
		{"no UTF-8", "/\n#: name caf\xe9", wrong(2, "the line is not valid UTF-8")},
		{"a URL", "#: /100%", wrong(1, `"/100%" cannot be requested: invalid URL escape "%"`)},
		{"tcp", "#: tcp http", wrong(1, `"http" is no port: it must be a number from 1 to 65535`)},
		{"grpc", "#: grpc a b", wrong(1, `grpc takes the name of one service, not "a b"`)},
		{"command", "#: command", wrong(1, "command wants a command")},
		{"command with an open quote", "#: command echo 'a", wrong(1, `command "echo 'a": Unterminated single-quoted string`)},
		{"uptime", "#: uptime", wrong(1, `uptime wants a whole number from 1 to 86400, not ""`)},
		{"uptime of 0", "#: uptime 0", wrong(1, `uptime wants a whole number from 1 to 86400, not "0"`)},
		{"no status", "/\n#: status", wrong(2, "a status is missing: write it like 204, 2xx or 200-299")},
		{"status", "/\n#: status 2x", wrong(2, `"2x" is no status: write it like 204, 2xx or 200-299`)},
		{"status 99", "/\n#: status 099", wrong(2, `"099" is no status: write it like 204, 2xx or 200-299`)},
		{"status 600", "/\n#: status 600", wrong(2, `"600" is no status: write it like 204, 2xx or 200-299`)},
		{"status backwards", "/\n#: status 299-200", wrong(2, `"299-200" is no status: write it like 204, 2xx or 200-299`)},
		{"method", "/\n#: method", wrong(2, `"" is no method that a check can use`)},
		{"method of two words", "/\n#: method GET POST", wrong(2, `"GET POST" is no method that a check can use`)},
		{"method connect", "/\n#: method connect", wrong(2, `"connect" is no method that a check can use`)},
		{"header", "/\n#: header X-Token", wrong(2, `a header is written NAME: VALUE, not "X-Token"`)},
		{"header name", "/\n#: header X Token: a", wrong(2, `"X Token" is no name of a header`)},
		{"header value", "/\n#: header X: \x1b[31m", wrong(2, `the value of the header "X" contains characters that no header may have`)},
		{"header of the connection", "/\n#: header transfer-encoding: chunked", wrong(2, `the header "transfer-encoding" is about the connection: a check cannot set it`)},
		{"header Host", "/\n#: header Host: a b", wrong(2, `"a b" is not a host name`)},
		{"header Host without one", "/\n#: header Host:", wrong(2, `"" is not a host name`)},
		{"match", "/\n#: match", wrong(2, "match wants a regular expression")},
		{"match of nonsense", "/\n#: match a(", wrong(2, `"a(" is no regular expression: missing closing )`)},
		{"json", "/\n#: json = 1", wrong(2, `json wants a field: json db.status = "up"`)},
		{"json without value", "/\n#: json a =", wrong(2, `the value of the field "a" is missing`)},
		{"json with ==", "/\n#: json a == 1", wrong(2, `json compares with one =, not with "== 1"`)},
		{"port", "/\n#: port 65536", wrong(2, `"65536" is no port: it must be a number from 1 to 65535`)},
		{"name", "/\n#: name", wrong(2, "name wants a name")},
		{"delay", "/\n#: delay 5s", wrong(2, `delay wants a whole number from 0 to 86400, not "5s"`)},
		{"wait", "/\n#: wait -1", wrong(2, `wait wants a whole number from 0 to 86400, not "-1"`)},
		{"timeout", "/\n#: timeout 0", wrong(2, `timeout wants a whole number from 1 to 86400, not "0"`)},
		{"attempts", "/\n#: attempts 86401", wrong(2, `attempts wants a whole number from 1 to 86400, not "86401"`)},
		{"warn", "/\n#: warn true", wrong(2, `warn stands alone, not with "true"`)},
		{"on-failure-command", "/\n#: on-failure-command", wrong(2, "on-failure-command wants a command")},
		{"on-failure-url", "/\n#: on-failure-url example.com", wrong(2, `"example.com" is no URL of http or https`)},
		{"status of tcp", "#: tcp\n#: status 200", wrong(2, "status is for a check of a URL, not for one of kind tcp")},
		{"method of grpc", "#: grpc\n#: method GET", wrong(2, "method is for a check of a URL, not for one of kind grpc")},
		{"header of command", "#: command a\n#: header A: b", wrong(2, "header is for a check of a URL, not for one of kind command")},
		{"match of uptime", "#: uptime 1\n#: match a", wrong(2, "match is for a check of a URL, not for one of kind uptime")},
		{"json of tcp", "#: tcp\n#: json a", wrong(2, "json is for a check of a URL, not for one of kind tcp")},
		{"port of uptime", "#: uptime 1\n#: port 1", wrong(2, "port is for a check over the network")},
		{"HEAD with content", "/a ok\n#: method HEAD\n#: name x", wrong(1, "an answer to HEAD has no body in which anything could be found")},
		{"HEAD with a match", "/a\n#: match b\n#: method head\n/b", wrong(1, "an answer to HEAD has no body in which anything could be found")},
		{"options below a mistaken check", "/good\n/100%\n#: status 204\n#: timeout 3\n#: match a", wrong(2, `"/100%" cannot be requested: invalid URL escape "%"`)},
		{"options below a mistaken addition", "/good\n#: tcp x\n#: port 3", wrong(2, `"x" is no port: it must be a number from 1 to 65535`)},
		{"a mistaken option below a mistaken check", "#: tcp 1\n#: port x\n#: name y", wrong(2, `"x" is no port: it must be a number from 1 to 65535`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := Parse("CHECKS", []byte(tt.text))
			if diff := cmp.Diff([]Problem{tt.want}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_givesNoOptionToACheckFurtherUp(t *testing.T) {
	for _, between := range []string{"HTTP /healthz", "Shell", "web / \"Laravel\""} {
		file, problems := Parse("CHECKS", []byte("/first\n"+between+"\n#: status 204\n"))
		want := Problem{3, SeverityError, `"status" says more about the check above it, but there is none`, ""}
		if !slices.Contains(problems, want) {
			t.Errorf("below %q: problems %v, want %v", between, problems, want)
		}
		if _, problems := Parse("CHECKS", []byte("/100%\n"+between+"\n#: status 204\n")); !slices.Contains(problems, want) {
			t.Errorf("below %q and a mistaken check: problems %v, want %v", between, problems, want)
		}
		if len(file.Checks) != 1 || file.Checks[0].Status != nil {
			t.Errorf("below %q: checks %+v, want /first as it stands", between, file.Checks)
		}
	}
}

func TestParse_leavesOldReadersTheRestOfTheFile(t *testing.T) {
	lines := strings.Split(`WAIT=3
/ Welcome
#: status 200-404
#: header X-A: b
#: tcp 5432
#: timeout 3
//shop.example.com/cart items
TIMEOUT=8
#: /only/here ok
#: warn
#:
https://example.com
#: command bin/ready
ATTEMPTS=6`, "\n")
	whole, problems := Parse("CHECKS", []byte(strings.Join(lines, "\n")))
	if len(problems) > 0 || len(whole.Checks) != 6 {
		t.Fatalf("%d checks, problems %v", len(whole.Checks), problems)
	}
	for i, line := range lines {
		if strings.HasPrefix(line, additionMark) {
			lines[i] = "# seen by an old reader" // which keeps the numbers of the lines
		}
	}
	old, problems := Parse("CHECKS", []byte(strings.Join(lines, "\n")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var plain []Check
	for _, c := range whole.Checks {
		if c.Kind == KindHTTP && c.Path != "/only/here" {
			c.Status, c.Header = nil, nil
			plain = append(plain, c)
		}
	}
	whole.Checks = plain
	if diff := cmp.Diff(old, whole); diff != "" {
		t.Errorf("file (-without additions +with them):\n%s", diff)
	}
}

func TestParse_tellsChecksWithDifferentOptionsApart(t *testing.T) {
	_, problems := Parse("CHECKS", []byte("/a be\n#: match c d\n/a be c\n#: match d\n/a be\n#: port 1\n/a be\n#: match c d\n"))
	want := []Problem{{7, SeverityWarning, "the same check stands in line 1", ""}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestFile_hasABudgetHoweverLargeItsSettings(t *testing.T) {
	file := Default()
	file.Wait, file.Timeout, file.Attempts = MaxSetting*time.Second, MaxSetting*time.Second, MaxSetting
	if budget := file.Budget(file.Checks[0]); budget != maxBudget {
		t.Errorf("Budget = %v, want %v", budget, maxBudget)
	}
}

// TestParse_letsTheDefaultDecideWhereEveryCheckOnlyWarns holds it for both
// formats: such a file would let a release pass that listens nowhere.
func TestParse_letsTheDefaultDecideWhereEveryCheckOnlyWarns(t *testing.T) {
	for _, text := range []string{
		"/healthz\n#: warn",
		`{"healthchecks": {"web": [{"type": "startup", "path": "/healthz", "warn": true}]}}`,
	} {
		file, problems := Read("file", []byte(text))
		if len(file.Checks) != 2 || !file.Checks[0].Warn || file.Checks[1].Warn || file.Checks[1].Path != "/" {
			t.Errorf("%s: checks %+v, want the one that warns and the default", text, file.Checks)
		}
		if diff := cmp.Diff([]Problem{{0, SeverityWarning, onlyWarns, ""}}, problems); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", text, diff)
		}
	}
}

func TestPlainPath_knowsNamesAndIndexesAlone(t *testing.T) {
	for path, want := range map[string]bool{
		"a": true, "a.b.0.c-d_e": true, `a\.b.c`: true, `\@type`: true, "größe": true,
		"@this": false, "a|b": false, "[a,a]": false, "{a}": false, "a.#": false, "a.#(b==1)": false, "a*": false,
		"..0": false, "a..b": false, strings.Repeat("a", maxPath+1): false,
	} {
		if err := plainPath(path); (err == nil) != want {
			t.Errorf("%q: %v, want it taken: %v", path, err, want)
		}
	}
}
