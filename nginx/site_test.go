package nginx

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func validSite() Site {
	return Site{App: "web", Blue: []string{"10.210.0.10:5000"}, Green: []string{"10.210.0.11:5000"}}
}

func TestValidate_refusesWhatCouldEscapeIntoNginxsSyntax(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(*Site){
		"app with a slash":            func(s *Site) { s.App = "../web" },
		"app with a brace":            func(s *Site) { s.App = "web{" },
		"app in upper case":           func(s *Site) { s.App = "Web" },
		"empty app":                   func(s *Site) { s.App = "" },
		"app of 41 letters":           func(s *Site) { s.App = strings.Repeat("a", 41) },
		"app with a final newline":    func(s *Site) { s.App = "web\n" },
		"domain with a semicolon":     func(s *Site) { s.Domains = []string{"a.com; return 200"} },
		"domain with a variable":      func(s *Site) { s.Domains = []string{"$host"} },
		"domain as a regex":           func(s *Site) { s.Domains = []string{"~.*"} },
		"domain with a newline":       func(s *Site) { s.Domains = []string{"a.com\nreturn"} },
		"domain with an inner star":   func(s *Site) { s.Domains = []string{"a.*.com"} },
		"star alone":                  func(s *Site) { s.Domains = []string{"*"} },
		"empty domain":                func(s *Site) { s.Domains = []string{""} },
		"domain of the door":          func(s *Site) { s.Domains = []string{"web.slot.zdd"} },
		"international domain":        func(s *Site) { s.Domains = []string{"bücher.example"} },
		"domain that is too long":     func(s *Site) { s.Domains = []string{strings.Repeat("a.", 130) + "com"} },
		"no green address":            func(s *Site) { s.Green = nil },
		"address by name":             func(s *Site) { s.Blue = []string{"localhost:80"} },
		"address with a semicolon":    func(s *Site) { s.Blue = []string{"10.0.0.1:80; }"} },
		"address without a port":      func(s *Site) { s.Blue = []string{"10.0.0.1"} },
		"port zero":                   func(s *Site) { s.Blue = []string{"10.0.0.1:0"} },
		"address with a zone":         func(s *Site) { s.Blue = []string{"[fe80::1%eth0;]:80"} },
		"one address in both slots":   func(s *Site) { s.Green = s.Blue },
		"unknown strategy":            func(s *Site) { s.Strategy = "dns" },
		"reload without a slot":       func(s *Site) { s.Strategy = Reload },
		"body size with a semicolon":  func(s *Site) { s.BodySize = "1m;" },
		"negative timeout":            func(s *Site) { s.ReadTimeout = -time.Second },
		"timeout below a millisecond": func(s *Site) { s.ReadTimeout = time.Microsecond },
		"redirect without TLS":        func(s *Site) { s.HTTPSRedirect = true },
		"trusted proxy by name":       func(s *Site) { s.TrustedProxies = []string{"proxy"} },
		"trusted proxy with a brace":  func(s *Site) { s.TrustedProxies = []string{"10.0.0.0/8 1; }"} },
		"certificate with a space":    func(s *Site) { s.Certificate = &Certificate{"/a b.crt", "/a.key"} },
		"key with a semicolon":        func(s *Site) { s.Certificate = &Certificate{"/a.crt", "/a.key;"} },
		"relative snippet":            func(s *Site) { s.Snippets = []string{"a.conf"} },
		"snippet with a variable":     func(s *Site) { s.Snippets = []string{"/$host.conf"} },
		"snippet as a glob":           func(s *Site) { s.Snippets = []string{"/etc/*.conf"} },
		"snippet with dots":           func(s *Site) { s.Snippets = []string{"/etc/../a.conf"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := validSite()
			break_(&s)
			var invalid *Invalid
			if err := s.Validate(); !asError(err, &invalid) {
				t.Errorf("got %v, want *Invalid", err)
			}
		})
	}
}

func TestValidate_acceptsWhatIsFine(t *testing.T) {
	t.Parallel()
	s := validSite()
	s.Domains = []string{"example.com", "*.Example.com", "xn--bcher-kva.example", "localhost", "10.0.0.1", "a-b.c1.org"}
	s.Blue, s.Green = []string{"10.0.0.1:80", "[fd00::1]:80"}, []string{"10.0.0.2:80"}
	s.BodySize, s.ReadTimeout = "0", 1500*time.Millisecond
	s.TrustedProxies = []string{"10.0.0.0/8", "::1", "2001:db8::/32"}
	s.Snippets = []string{"/etc/nginx/web.conf"}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestNew_refusesAConfigThatNginxCouldMisread(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"relative folder":       {Dir: "nginx", Listen: []string{":80"}},
		"folder with a space":   {Dir: "/a b", Listen: []string{":80"}},
		"folder with a brace":   {Dir: "/a}", Listen: []string{":80"}},
		"folder with a colon":   {Dir: "/a:b", Listen: []string{":80"}},
		"too long for a socket": {Dir: "/" + strings.Repeat("a", 100), Listen: []string{":80"}},
		"no address":            {Dir: "/a"},
		"address by name":       {Dir: "/a", Listen: []string{"localhost:80"}},
		"address with options":  {Dir: "/a", Listen: []string{"127.0.0.1:80 default_server"}},
		"port zero":             {Dir: "/a", Listen: []string{":0"}},
		"TLS on the HTTP port":  {Dir: "/a", Listen: []string{":80"}, ListenTLS: []string{":80"}},
		"unknown mode":          {Dir: "/a", Mode: "cloud", Listen: []string{":80"}},
		"relative conf":         {Dir: "/a", Mode: System, Conf: "nginx.conf", Listen: []string{":80"}},
	} {
		t.Run(name, func(t *testing.T) {
			var invalid *Invalid
			if _, err := New(c); !asError(err, &invalid) {
				t.Errorf("got %v, want *Invalid", err)
			}
		})
	}
}

func TestRenderSite_isWhatTheGoldenFileSays(t *testing.T) {
	t.Parallel()
	full := validSite()
	full.Domains = []string{"example.com", "*.example.com"}
	full.Blue = append(full.Blue, "10.210.0.12:5000")
	full.Certificate = &Certificate{"/etc/ssl/web.crt", "/etc/ssl/web.key"}
	full.HTTPSRedirect, full.Gzip = true, true
	full.TrustedProxies = []string{"10.0.0.0/8"}
	reload := validSite()
	reload.Strategy, reload.Live = Reload, Green
	own := validSite()
	own.Own = true
	for name, s := range map[string]Site{"plain": validSite(), "full": full, "reload": reload, "own": own} {
		t.Run(name, func(t *testing.T) {
			p, err := New(Config{Dir: "/var/lib/zdd/nginx", Listen: []string{":80"}, ListenTLS: []string{":443"}})
			if err != nil {
				t.Fatal(err)
			}
			var m material
			if s.Certificate != nil {
				m.certificate, m.key = p.paths.copies()+"/web.00ff.server.crt", p.paths.copies()+"/web.00ff.server.key"
				m.snippets = []string{p.paths.copies() + "/web.00ff.extra.conf"}
			}
			got, err := p.renderSite(s.withDefaults(), m)
			if err != nil {
				t.Fatal(err)
			}
			golden := "testdata/site-" + name + ".conf"
			if *update {
				writeFile(t, golden, string(got))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("rendered site (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListenForms_meanEveryAddressWhenNoHostIsGiven(t *testing.T) {
	t.Parallel()
	l, err := parseListen(":80")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"80", "[::]:80"}, l.forms(true)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"80"}, l.forms(false)); diff != "" {
		t.Error(diff)
	}
}
