package nginx

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// input is everything of a person's that reaches a file of nginx's.
type input struct {
	app, root, domain, wildcard, bodySize, proxy, certificate, snippet string

	listen  string
	timeout int64 // milliseconds
	options uint8
}

// What an input's options ask for.
const (
	withTLS = 1 << iota
	withRedirect
	withGzip
	withOwn
	withReload
	withProxies
	withSnippets
	withTwo // replicas
)

func (in input) has(option uint8) bool { return in.options&option != 0 }

// site is the site that deploy makes of the input.
func (in input) site() Site {
	s := Site{
		App: in.app, Domains: []string{in.domain, in.wildcard}, Blue: []string{"10.210.0.10:5000"}, Green: []string{"10.210.0.11:5000"},
		BodySize: in.bodySize, ReadTimeout: time.Duration(in.timeout) * time.Millisecond,
		HTTPSRedirect: in.has(withRedirect), Gzip: in.has(withGzip), Own: in.has(withOwn),
	}
	if in.has(withTwo) {
		s.Blue = append(s.Blue, "[fd00::1]:5000")
	}
	if in.has(withReload) {
		s.Strategy, s.Live = Reload, Green
	}
	if in.has(withTLS) {
		s.Certificate = &Certificate{in.root + "/apps/" + in.app + "/tls/" + in.certificate, in.root + "/apps/" + in.app + "/tls/server.key"}
	}
	if in.has(withProxies) {
		s.TrustedProxies = []string{in.proxy}
	}
	if in.has(withSnippets) {
		s.Snippets = []string{in.root + "/apps/" + in.app + "/nginx/" + in.snippet}
	}
	return s
}

// rendered are the files that nginx gets for a site: its own, and those of the
// root. Nothing is checked.
func rendered(t testing.TB, p *Proxy, s Site) map[string]string {
	t.Helper()
	var m material
	if s.Certificate != nil {
		m.certificate = p.paths.in("copies/" + s.App + ".0f." + filepath.Base(s.Certificate.CertFile))
		m.key = p.paths.in("copies/" + s.App + ".0f." + filepath.Base(s.Certificate.KeyFile))
	}
	for _, file := range s.Snippets {
		m.snippets = append(m.snippets, p.paths.in("copies/"+s.App+".0f."+filepath.Base(file)))
	}
	prog := &program{path: "/usr/sbin/nginx", version: minVersion}
	s = s.withDefaults()
	site, err := p.renderSite(s, m)
	if err != nil {
		t.Fatal(err)
	}
	main, err := p.mainFile(prog)
	if err != nil {
		t.Fatal(err)
	}
	door, err := p.renderDoor(7)
	if err != nil {
		t.Fatal(err)
	}
	base, err := p.baseFiles(prog)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"site": string(site), "switch": string(p.renderSwitch(s.App, s.Strategy, s.Live)),
		"nginx.conf": string(main.data), "door.conf": string(door),
	}
	for _, e := range base {
		files[filepath.Base(e.path)] = string(e.data)
	}
	return files
}

// harmless is the input with a plain word in the place of each text, and what
// puts the texts back into words that were read.
func (in input) harmless() (input, *strings.Replacer) {
	words := in
	words.app, words.root, words.domain, words.wildcard = "zz-app", "/zzroot", "zzdomain", "zzwildcard"
	words.bodySize, words.proxy, words.certificate, words.snippet = "zzsize", "zzproxy", "zzcertificate", "zzsnippet"
	return words, strings.NewReplacer(
		words.app, in.app, "zz_app", strings.ReplaceAll(in.app, "-", "_"), words.root, in.root,
		words.domain, strings.ToLower(in.domain), words.wildcard, strings.ToLower(in.wildcard),
		words.bodySize, in.bodySize, words.proxy, in.proxy, words.certificate, filepath.Base(in.certificate), words.snippet, filepath.Base(in.snippet))
}

func replaced(block []directive, r *strings.Replacer) []directive {
	var out []directive
	for _, d := range block {
		words := make([]string, len(d.Words))
		for i, word := range d.Words {
			words[i] = r.Replace(word)
		}
		out = append(out, directive{words, replaced(d.Block, r)})
	}
	return out
}

// newProxy is the proxy of the input's root.
func (in input) newProxy() (*Proxy, error) {
	return New(Config{Dir: in.root + "/nginx", Listen: []string{in.listen}, ListenTLS: []string{":8443"}})
}

// FuzzSite wants of every input that is accepted that no text of it changes the
// structure of what nginx reads: each file has the directives and blocks that it
// has with harmless words, and the texts stand in it as they are.
func FuzzSite(f *testing.F) {
	for _, in := range siteSeeds() {
		f.Add(in.app, in.root, in.domain, in.wildcard, in.bodySize, in.proxy, in.certificate, in.snippet, in.listen, in.timeout, in.options)
	}
	f.Fuzz(func(t *testing.T, app, root, domain, wildcard, bodySize, proxy, certificate, snippet, listen string, timeout int64, options uint8) {
		in := input{app, root, domain, wildcard, bodySize, proxy, certificate, snippet, listen, timeout, options}
		if strings.Contains(strings.Join([]string{app, root, domain, wildcard, bodySize, proxy, certificate, snippet}, " "), "zz") {
			return // the harmless words
		}
		in.check(t)
	})
}

// check reports whether the input is accepted.
func (in input) check(t testing.TB) bool {
	p, err := in.newProxy()
	if err != nil {
		return false
	}
	site := in.site()
	if site.Validate() != nil {
		return false
	}
	// Empty and equal texts have forms of their own, which harmless words have not.
	if in.bodySize == "" || strings.EqualFold(in.domain, in.wildcard) {
		return true
	}
	words, texts := in.harmless()
	plain, err := words.newProxy()
	if err != nil {
		t.Fatal(err)
	}
	want := rendered(t, plain, words.site())
	for name, text := range rendered(t, p, site) {
		got, err := parseConf(text)
		if err != nil {
			t.Errorf("%s of %+v cannot be read: %v\n%s", name, in, err, text)
			continue
		}
		shape, err := parseConf(want[name])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(replaced(shape, texts), got); diff != "" {
			t.Errorf("%s of %+v (-want +got):\n%s", name, in, diff)
		}
	}
	return true
}

// siteSeeds are inputs as they should be, and each text of them with what
// means something to nginx.
func siteSeeds() []input {
	good := input{
		app: "web", root: "/srv/zdd", domain: "www.Example.com", wildcard: "*.example.com", bodySize: "20m", proxy: "10.0.0.0/8",
		certificate: "server.crt", snippet: "a.conf", listen: "127.0.0.1:8080", timeout: 60000,
	}
	seeds := []input{good}
	for option := range 8 {
		in := good
		in.options = 1<<option | withTLS
		seeds = append(seeds, in)
	}
	all := good
	all.options = 0xff &^ withOwn
	odd := all
	odd.app, odd.root, odd.proxy, odd.listen, odd.bodySize = "a-b-1", "/srv/a@b+c,d=e~f", "2001:db8::/32", "[::1]:8080", "0"
	seeds = append(seeds, all, odd)
	for _, bad := range []string{
		"a;b", "a b", "a\nb", "a\r\nb", "a}b", "a{b", "a$b", "${host}", `a\`, `a"b`, "a'b", "a#b", "a\x00b", "a\u00fcb", "\u2028", "a\tb", "",
		"~^.*$", "_", "..", "../../etc", "/etc/passwd", "a/b", "*", "*.*.a", "-a", "a-", "web\n", "web\nx", "1m\n", "1m\nx", "a.test\n", "10.0.0.1\n", "default_server", "1m; return 200", "10.0.0.1; default 1", "fe80::1%eth0",
		"a.test;}server{server_name b.test", "\xff\xfe", strings.Repeat("a", 300),
	} {
		for _, field := range []func(*input) *string{
			func(in *input) *string { return &in.app }, func(in *input) *string { return &in.domain }, func(in *input) *string { return &in.wildcard },
			func(in *input) *string { return &in.bodySize }, func(in *input) *string { return &in.proxy }, func(in *input) *string { return &in.certificate },
			func(in *input) *string { return &in.snippet }, func(in *input) *string { return &in.listen },
		} {
			in := all
			*field(&in) = bad
			seeds = append(seeds, in)
		}
		in := all
		in.root = "/srv/" + bad
		seeds = append(seeds, in)
	}
	return seeds
}

// TestSite_passesNginxItselfWhereItIsAccepted holds the parser of these tests
// against nginx: what is accepted is a configuration that nginx takes.
func TestSite_passesNginxItselfWhereItIsAccepted(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	prog, err := p.findProgram(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.layout(); err != nil {
		t.Fatal(err)
	}
	main, err := p.mainFile(prog)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, in := range siteSeeds() {
		in.options &^= withTLS | withRedirect | withSnippets // whose files are not there
		if site := in.site(); site.Validate() == nil && !tried[fmt.Sprint(site)] {
			tried[fmt.Sprint(site)] = true
			edits, err := p.siteEdits(site.withDefaults(), material{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.writeAndTest(testContext(t), prog, site.Domains, append(edits, main), 1); err != nil {
				t.Errorf("%+v: %v", in, err)
			}
			if err := writeAll(p.absent(site.App)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(tried) < 8 {
		t.Errorf("%d sites were tried", len(tried))
	}
}

// TestSite_keepsASnippetWithinItsServerBlock: a snippet is its user's, and may
// say anything, but for its own app alone.
func TestSite_keepsASnippetWithinItsServerBlock(t *testing.T) {
	t.Parallel()
	p := started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	site.Snippets = []string{filepath.Join(publicDir(t), "extra.conf")}
	for _, text := range []string{"} server { server_name b.test; ", "}", "location /a {", "gzip on", `add_header A "b;`} {
		writeFile(t, site.Snippets[0], text)
		var refused *Refused
		if _, err := p.Install(testContext(t), site); !errors.As(err, &refused) {
			t.Errorf("the snippet %q: %v, want *Refused", text, err)
		}
	}
	if err := p.Prove(testContext(t), "web", Blue); err != nil {
		t.Error(err)
	}
}
