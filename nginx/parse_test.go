package nginx

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A directive is one of nginx's configuration: its words, and its block if it
// has one.
type directive struct {
	Words []string
	Block []directive `json:",omitempty"`
}

// parser reads nginx's configuration as ngx_conf_read_token and ngx_conf_parse
// do (src/core/ngx_conf_file.c). It is a second opinion for the tests: what it
// says is held against nginx itself.
type parser struct{ rest string }

func parseConf(text string) ([]directive, error) {
	p := &parser{text}
	block, closed, err := p.block()
	if err == nil && closed {
		err = errors.New("unexpected }")
	}
	return block, err
}

// block reads directives up to the end, or up to the } that closes a block.
func (p *parser) block() (block []directive, closed bool, err error) {
	var words []string
	for {
		word, end, err := p.token()
		switch {
		case err != nil:
			return nil, false, err
		case end == 0:
			words = append(words, word)
		case end == ';' && len(words) > 0:
			block, words = append(block, directive{Words: words}), nil
		case end == '{' && len(words) > 0:
			inner, closed, err := p.block()
			if err == nil && !closed {
				err = errors.New("expecting }")
			}
			if err != nil {
				return nil, false, err
			}
			block, words = append(block, directive{words, inner}), nil
		case len(words) > 0 || end == ';' || end == '{':
			return nil, false, fmt.Errorf("unexpected %q after %q", end, words)
		default: // } or the end
			return block, end == '}', nil
		}
	}
}

// ended is the end of the text.
const ended = 'E'

// token is the next word, or one of ; { } and ended.
func (p *parser) token() (word string, end byte, err error) {
	for p.rest != "" {
		switch c := p.rest[0]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			p.rest = p.rest[1:]
		case c == '#':
			_, p.rest, _ = strings.Cut(p.rest, "\n")
		case strings.IndexByte(";{}", c) >= 0:
			p.rest = p.rest[1:]
			return "", c, nil
		case c == '"' || c == '\'':
			p.rest = p.rest[1:]
			return p.quoted(c)
		default:
			return p.bare(), 0, nil
		}
	}
	return "", ended, nil
}

// bare reads a word without quotes. "${" begins no block.
func (p *parser) bare() string {
	i := 0
	for ; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == '\\' {
			i++
			continue
		}
		if c == '$' && strings.HasPrefix(p.rest[i:], "${") {
			i++
			continue
		}
		if strings.IndexByte(" \t\r\n;{", c) >= 0 {
			break
		}
	}
	i = min(i, len(p.rest))
	word := unescape(p.rest[:i])
	p.rest = p.rest[i:]
	return word
}

func (p *parser) quoted(quote byte) (string, byte, error) {
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case quote:
			word := unescape(p.rest[:i])
			p.rest = p.rest[i+1:]
			if p.rest != "" && strings.IndexByte(" \t\r\n;{)", p.rest[0]) < 0 {
				return "", 0, fmt.Errorf("unexpected %q after a quote", p.rest[0])
			}
			return word, 0, nil
		}
	}
	return "", 0, errors.New("a quote that does not end")
}

var escapes = regexp.MustCompile(`\\["'\\trn]`)

func unescape(s string) string {
	return escapes.ReplaceAllStringFunc(s, func(e string) string {
		switch e[1] {
		case 't':
			return "\t"
		case 'r':
			return "\r"
		case 'n':
			return "\n"
		}
		return e[1:]
	})
}

// TestParser_readsWordsAsNginxDoes lets nginx complain of unknown directives:
// it shows what it took for the word.
func TestParser_readsWordsAsNginxDoes(t *testing.T) {
	t.Parallel()
	unknown := regexp.MustCompile(`(?s)unknown directive "(.*)" in /`)
	dir := publicDir(t)
	for _, text := range []string{
		`zdd-a;`, `"zdd b" c;`, `'zdd;c';`, `"zdd\"d";`, `zdd\;e;`, `zdd\ f;`, `zdd"g;`, `zdd#h;`, `zdd${i};`, `zdd$j{}`, `zdd}k;`, `"zdd\nl";`,
		"# zdd-m\nzdd-n;", "zdd\u00fco;", `zdd\p;`, "\"zdd\nq\";", `"zdd{r}";`, "zdds\tt;", `zdd\\t;`, `"zdd'u";`, `zdd${v;`, `zddw{`, `zdd-x {} }`,
		`zdd-y`, `"zdd-z`, `"zdd"a;`, `;`, `{}`, `}`, `zdd-b };`, `zdd-c "d" e;`,
	} {
		path := filepath.Join(dir, "nginx.conf")
		writeFile(t, path, text)
		out, err := exec.Command("nginx", "-t", "-p", dir, "-e", "stderr", "-c", path).CombinedOutput()
		if err == nil {
			t.Fatalf("%s: nginx accepts it:\n%s", text, out)
		}
		parsed, parseErr := parseConf(text)
		m := unknown.FindSubmatch(out)
		switch {
		case m == nil && parseErr == nil:
			t.Errorf("%s: read as %v, and nginx says: %s", text, parsed, out)
		case m == nil:
		// An error behind the first word is nothing that nginx comes to see.
		case parseErr == nil && (len(parsed) == 0 || parsed[0].Words[0] != string(m[1])):
			t.Errorf("%s: read as %q, and by nginx as %q", text, parsed, m[1])
		}
	}
}
