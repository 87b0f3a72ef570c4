package nginx

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"zdd/durable"
)

// upstreamIdle is how long nginx keeps an idle connection to an app. An open
// connection counts for the drain, so it is short; and nginx must close before
// the app does, or a POST meets a connection that the app is closing. The
// figures are in the package's comment.
const upstreamIdle = "500ms"

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"text": unitText, "word": unitWord, "program": unitProgram,
}).ParseFS(templateFiles, "templates/*"))

func render(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// material is what a site takes from files outside zdd's nginx folder, read once
// so that what is checked, compared and installed is the same.
type material struct {
	certificate, key string   // where their copies stand
	snippets         []string // likewise
	copies           []copied
}

// copied is a copy of a user's file. Its name holds the content's hash: a
// restored site finds the content that it was installed with, and a file that
// its user overwrites or removes cannot keep nginx from starting.
type copied struct {
	path string
	data []byte
}

// take remembers a copy of file for the app, and returns where it will stand.
func (m *material) take(p *Proxy, app, field, file string) (string, error) {
	data, err := durable.ReadRegular(file, durable.MaxUserFile)
	if err != nil {
		return "", &Invalid{Field: field, Value: file, Reason: err.Error()}
	}
	h := sha256.Sum256(data)
	name := fmt.Sprintf("%s.%s.%s", app, hex.EncodeToString(h[:])[:16], filepath.Base(file))
	path := filepath.Join(p.paths.copies(), name)
	m.copies = append(m.copies, copied{path, data})
	return path, nil
}

// load reads and checks the files that the site names.
func (p *Proxy) load(s Site) (material, error) {
	var m material
	var err error
	if c := s.Certificate; c != nil {
		if m.certificate, err = m.take(p, s.App, "certificate", c.CertFile); err != nil {
			return m, err
		}
		if m.key, err = m.take(p, s.App, "certificate key", c.KeyFile); err != nil {
			return m, err
		}
		if _, err := tls.X509KeyPair(m.copies[0].data, m.copies[1].data); err != nil {
			return m, &Invalid{Field: "certificate", Value: c.CertFile, Reason: fmt.Sprintf("with the key %q: %v", c.KeyFile, err)}
		}
	}
	for _, file := range s.Snippets {
		path, err := m.take(p, s.App, "snippet", file)
		if err != nil {
			return m, err
		}
		m.snippets = append(m.snippets, path)
	}
	return m, nil
}

// siteView is what the site template sees.
type siteView struct {
	Site
	Var          string // the app's name where nginx allows no dash
	SnippetFiles []string
	CertFile     string
	KeyFile      string
	Servers      []serverView
	Forwarded    []forwarded
	// Patience is how many seconds nginx tries other servers: each replica may
	// take its whole connect timeout of 1 s before the door is asked.
	Patience int
	Idle     string

	FlagFile, Door, Closing, Acme               string
	ListenConf, TLSConf, EdgeConf, DoorSiteConf string
}

type serverView struct{ Plain, TLS, Redirect bool }

// forwarded is one header that a trusted proxy may set: its value is kept when
// it matches Pattern, else nginx's own value stands.
type forwarded struct{ Header, Var, From, Pattern, Value, Else string }

var forwardedHeaders = []forwarded{
	{"X-Forwarded-For", "zdd_for", "$http_x_forwarded_for", ".+", "$zdd_given, $realip_remote_addr", "$remote_addr"},
	{"X-Forwarded-Proto", "zdd_proto", "$http_x_forwarded_proto", "https?", "$zdd_given", "$scheme"},
	{"X-Forwarded-Host", "zdd_host", "$http_x_forwarded_host", "[^,]+", "$zdd_given", "$http_host"},
	{"X-Forwarded-Port", "zdd_port", "$http_x_forwarded_port", "[0-9]{1,5}", "$zdd_given", "$server_port"},
	{"X-Request-Id", "zdd_id", "$http_x_request_id", "[0-9A-Za-z._-]{1,128}", "$zdd_given", "$request_id"},
}

// renderSite returns the bytes of sites/APP.conf. The site is valid and has its
// defaults.
func (p *Proxy) renderSite(s Site, m material) ([]byte, error) {
	v := siteView{
		Site: s, Var: strings.ReplaceAll(s.App, "-", "_"), SnippetFiles: m.snippets, CertFile: m.certificate, KeyFile: m.key, Forwarded: forwardedHeaders,
		Patience: max(len(s.Blue), len(s.Green)) + 1, Idle: upstreamIdle,
		FlagFile: p.paths.flag(s.App), Door: p.paths.door(), Closing: p.paths.closing(), Acme: p.paths.acme(),
		ListenConf: p.paths.listenConf(), TLSConf: p.paths.tlsConf(),
		EdgeConf: p.paths.edgeConf(), DoorSiteConf: p.paths.doorSiteConf(),
	}
	switch {
	case s.Certificate == nil:
		v.Servers = []serverView{{Plain: true}}
	case s.HTTPSRedirect:
		v.Servers = []serverView{{Plain: true, Redirect: true}, {TLS: true}}
	default:
		v.Servers = []serverView{{Plain: true, TLS: true}}
	}
	return render("site.conf", v)
}

// renderSwitch returns the bytes of switch/APP.conf, which users' own server
// blocks include.
func (p *Proxy) renderSwitch(app string, strategy Strategy, live Slot) []byte {
	var b strings.Builder
	b.WriteString("# Written by zdd: which slot is live. Proxy to http://$zdd_slot.\n")
	if strategy == Reload {
		fmt.Fprintf(&b, "set $zdd_slot %s-%s;\n", app, live)
		return []byte(b.String())
	}
	fmt.Fprintf(&b, "open_file_cache off;\nset $zdd_slot %s-blue;\nif (-f %s) { set $zdd_slot %s-green; }\n",
		app, p.paths.flag(app), app)
	return []byte(b.String())
}

// header is what the first lines of an installed site say about it.
type header struct {
	Strategy Strategy
	Slot     Slot // for Reload only
}

var headerLine = regexp.MustCompile(`(?m)^# zdd: app=(\S+) strategy=(flag|reload) slot=(blue|green|-)$`)

// parseHeader reads what renderSite wrote.
func parseHeader(app string, site []byte) (header, error) {
	m := headerLine.FindSubmatch(site)
	if m == nil || string(m[1]) != app {
		return header{}, fmt.Errorf("site of %q: zdd's header line is missing", app)
	}
	h := header{Strategy: Strategy(m[2])}
	if h.Strategy == Reload {
		h.Slot = Slot(m[3])
		if !h.Slot.valid() {
			return header{}, fmt.Errorf("site of %q: no slot in zdd's header line", app)
		}
	}
	return h, nil
}
