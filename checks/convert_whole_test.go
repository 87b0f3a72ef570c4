package checks

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asked is what a file asks for and how patiently, however it is written.
func asked(file File) []Check {
	var all []Check
	for i, c := range file.Checks {
		if i > 0 && c.Line == 0 { // the default decides beside those that only warn
			continue
		}
		pace := file.pace(c)
		c.Line, c.Raw, c.URL, c.Name, c.Description, c.Pace = 0, "", "", "", "", &pace
		if slices.Equal(c.Status.orSuccess(), success) {
			c.Status = nil
		}
		if c.Method == "GET" {
			c.Method = ""
		}
		header := c.Header
		c.Header = nil
		for _, field := range header {
			if field == (HeaderField{forwardedProto, "https"}) {
				c.Scheme = "https"
				continue
			}
			c.Header = append(c.Header, field)
		}
		all = append(all, c)
	}
	return all
}

// format is one of the two formats, to write and to read.
type format struct {
	name  string
	write func(File) ([]byte, []Problem)
	read  func(string, []byte) (File, []Problem)
}

var formats = []format{{"app.json", ToAppJSON, ParseAppJSON}, {"CHECKS", ToCHECKS, Parse}}

// mustConvert writes the file, reads it again, and compares where nothing was
// lost. It returns what was written, and whether something was lost.
func mustConvert(t *testing.T, file File, to format) (content []byte, lost bool) {
	t.Helper()
	content, notes := to.write(file)
	got, problems := to.read(file.Source, content)
	if err := Errors(to.name, problems); err != nil {
		t.Fatalf("%s cannot be read: %v\n%s", to.name, err, content)
	}
	for _, note := range notes {
		if note.Severity != SeverityWarning || note.Message == "" || strings.ContainsAny(note.String(), "\x00\x1b\n") {
			t.Errorf("unfit note %+v", note)
		}
	}
	if len(notes) > 0 {
		return content, true
	}
	if diff := cmp.Diff(asked(file), asked(got)); diff != "" {
		t.Errorf("what %s asks (-want +got):\n%s\n%s", to.name, diff, content)
	}
	return content, false
}

func TestConvert_losesNothingOfTheCorpus(t *testing.T) {
	for _, name := range corpus(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, _ := Parse("CHECKS", content)
			text, lost := mustConvert(t, file, formats[0])
			if none := file.Checks[0].Line == 0; lost != none {
				t.Errorf("something was lost: %t, want %t", lost, none)
			}
			if file, _ = ParseAppJSON("app.json", text); !lost {
				mustConvert(t, file, formats[1])
			}
		})
	}
}

func TestConvert_losesNothingWithoutANote(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	whole := map[string]int{}
	const files = 3000
	for range files {
		file := generated(random)
		for _, to := range formats {
			if _, lost := mustConvert(t, file, to); !lost {
				whole[to.name]++
			}
			if t.Failed() {
				t.Fatalf("file %+v", file)
			}
		}
	}
	t.Logf("whole: %v of %d", whole, files)
	if whole["app.json"] < files/5 || whole["CHECKS"] < files/5 {
		t.Errorf("only %v of %d files were converted as a whole: this test compares too little", whole, files)
	}
}

// generated is a file as it could have been read, with much that is odd.
func generated(random *rand.Rand) File {
	one := func(texts ...string) string { return texts[random.Intn(len(texts))] }
	rarely := func() bool { return random.Intn(8) == 0 }
	seconds := func(least int) time.Duration { return time.Duration(least+random.Intn(4)) * time.Second }
	file := File{Source: "generated", Wait: seconds(0), Timeout: seconds(1), Attempts: 1 + random.Intn(3)}
	for i := range 1 + random.Intn(4) {
		c := Check{Line: i + 1, Kind: Kind(one("", "", "", "", "tcp", "command", "uptime"))}
		if rarely() {
			c.Kind = KindGRPC
		}
		switch c.Kind {
		case KindHTTP:
			c.Scheme, c.Host = one("http", "http", "https"), one("", "", "a.example", "[::1]:80", "a@b", "a%b", "é", "a/b", "\u00a0a", "a?b")
			c.Path = one("/", "/a?b=c", "/a?", "/%2F%c3", "/a:b@c", "/?q={{x}}", "//a", "/?q=\u00a0")
			c.Content = one("", "", "ok", "a  b", `"q"`, "# x", "{{ a", "}}", "a=b", "#: warn")
			if rarely() {
				c.Content = one(" a", "a\t", "a\nb", "\r", "{{a}}", "\u00a0", "\u0085x")
			}
			if rarely() {
				c.Header = []HeaderField{{"X-A", one("", "b: c", "#", "{{b}}", "\u00a0b", "b\u00a0")}, {forwardedProto, one("https", "http")}}
			}
			if rarely() {
				c.Port, c.Match = random.Intn(3), one("", "^a", "[b]+")
			}
			if rarely() {
				c.Method, c.Status = one("GET", "POST"), []Statuses{nil, success, {{204, 204}, {300, 399}}}[random.Intn(3)]
			}
			if rarely() {
				c.JSON = []Field{{"a.b", one("", "1", `"x"`)}}
			}
		case KindTCP, KindGRPC:
			c.Port = random.Intn(3)
		case KindCommand:
			c.Command = []string{"a", one("", "b c", "it's", `"`, "~", "#", "\\", "a\tb", "{{x}}", "é\u00a0", "$x", "*"), one("x", "", "\n", "\r", "\u00a0")}
		case KindUptime:
			c.Uptime = seconds(1)
		}
		c.Name, c.Description = one("", "", "a name", "/", "tcp", "a\nb", " a"), one("", "", "about it", ": it", "a\n\n#b", "\u00a0", "#: warn")
		if random.Intn(2) == 0 {
			c.Pace = &Pace{Delay: seconds(0), Wait: seconds(0), Timeout: seconds(1), Attempts: 1 + random.Intn(3)}
		}
		c.Warn = rarely()
		if rarely() {
			c.OnFailure = OnFailure{Command: []string{one("a b", "c")}, URL: one("", "https://a.example/?b")}
		}
		file.Checks = append(file.Checks, c)
	}
	return file
}

func BenchmarkConvert(b *testing.B) {
	file, _ := Parse("CHECKS", numbered(MaxChecks))
	for _, to := range formats {
		b.Run(fmt.Sprint("a thousand checks to ", to.name), func(b *testing.B) {
			for b.Loop() {
				to.write(file)
			}
		})
	}
}
