package nginx

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// wantedFiles is how many descriptors each worker of a managed nginx may have:
// two per request in flight, and websockets stay.
const wantedFiles = 65536

// edit is one file that a change writes; nil data removes it.
type edit struct {
	path string
	data []byte
	perm fs.FileMode
}

// baseView is what the templates of the base files see.
type baseView struct {
	DoorConf, Sites string

	PlainDefault, TLSDefault bool
	Listen, ListenTLS        []string
	MinTimeout               bool
}

// baseFiles renders everything in Dir that depends on no app, for the program's
// version, except door.conf, whose generation changes with every reload.
func (p *Proxy) baseFiles(prog *program) ([]edit, error) {
	v, err := p.baseView(prog)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"zdd.conf": p.paths.zddConf(), "edge.conf": p.paths.edgeConf(), "door-site.conf": p.paths.doorSiteConf(),
	}
	var edits []edit
	for name, path := range files {
		data, err := render(name, v)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit{path, data, 0o644})
	}
	return append(edits,
		edit{p.paths.listenConf(), p.renderListen(v.Listen), 0o644},
		edit{p.paths.tlsConf(), renderListenTLS(v.ListenTLS, prog), 0o644}), nil
}

func (p *Proxy) baseView(prog *program) (baseView, error) {
	tls, err := p.anyTLS()
	if err != nil {
		return baseView{}, err
	}
	system, err := p.loadSystem()
	if err != nil {
		return baseView{}, err
	}
	v := baseView{
		DoorConf: p.paths.doorConf(), Sites: p.paths.sites(),
		Listen: listenForms(p.config.Listen), ListenTLS: listenForms(p.config.ListenTLS),
		PlainDefault: !system.ForeignDefault, TLSDefault: tls && !system.ForeignDefaultTLS,
		MinTimeout: prog.atLeast(1, 27, 4),
	}
	if prog.atLeast(1, 25, 1) {
		v.ListenTLS = suffix(v.ListenTLS, " ssl")
	} else {
		v.ListenTLS = suffix(v.ListenTLS, " ssl http2")
	}
	return v, nil
}

// mainView is what the template of a managed nginx.conf sees.
type mainView struct {
	User, Pid, ErrorLog, Tmp, ZddConf string
	TempPaths                         []string
	Files, Connections                int
}

// mainFile renders nginx.conf of a managed nginx. It is written only before a
// start: the user, the limits and the number of workers stay what they are
// across reloads, whoever calls from whatever shell.
func (p *Proxy) mainFile(prog *program) (edit, error) {
	v := mainView{
		Pid: p.paths.pid(), ErrorLog: p.paths.errorLog(), Tmp: p.paths.tmp(), ZddConf: p.paths.zddConf(),
		TempPaths: prog.tempPaths(), Files: wantedFiles,
	}
	if os.Geteuid() == 0 {
		var err error
		if v.User, err = managedUser(); err != nil {
			return edit{}, err
		}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return edit{}, fmt.Errorf("reading the limit of open files: %w", err)
	}
	v.Files = int(min(limit.Max, wantedFiles))
	v.Connections = v.Files / 4
	data, err := render("nginx.conf", v)
	return edit{p.paths.mainConf(), data, 0o644}, err
}

// renderDoor returns the bytes of door.conf, the only file that names the
// generation.
func (p *Proxy) renderDoor(generation int) ([]byte, error) {
	return render("door.conf", struct {
		Door, Marker string
		Generation   int
	}{p.paths.door(), p.paths.marker(generation), generation})
}

// renderListen returns listen.conf, which sites include, so that a changed
// address needs no new sites.
func (p *Proxy) renderListen(forms []string) []byte {
	var b strings.Builder
	for _, form := range forms {
		fmt.Fprintf(&b, "listen %s;\n", form)
	}
	port := ""
	if len(p.config.ListenTLS) > 0 {
		if l, err := parseListen(p.config.ListenTLS[0]); err == nil && l.port != 443 {
			port = fmt.Sprintf(":%d", l.port)
		}
	}
	fmt.Fprintf(&b, "set $zdd_https_port %q;\n", port)
	return []byte(b.String())
}

func renderListenTLS(forms []string, prog *program) []byte {
	var b strings.Builder
	for _, form := range forms {
		fmt.Fprintf(&b, "listen %s;\n", form)
	}
	if prog.atLeast(1, 25, 1) {
		b.WriteString("http2 on;\n")
	}
	return []byte(b.String())
}

// anyTLS tells whether an installed site has a certificate. It looks only at
// the sites of apps that have copies, as all with a certificate do.
func (p *Proxy) anyTLS() (bool, error) {
	copies, err := os.ReadDir(p.paths.copies())
	if err != nil {
		return false, ignoreMissing(err)
	}
	former := ""
	for _, e := range copies {
		app, _, ok := strings.Cut(e.Name(), ".")
		if !ok || app == former {
			continue
		}
		former = app
		data, err := readIfThere(p.paths.site(app))
		if err != nil {
			return false, err
		}
		if bytes.Contains(data, []byte("include "+p.paths.tlsConf()+";")) {
			return true, nil
		}
	}
	return false, nil
}

func listenForms(addrs []string) []string {
	_, err := os.Stat("/proc/net/if_inet6")
	var forms []string
	for _, addr := range addrs {
		if l, err2 := parseListen(addr); err2 == nil {
			forms = append(forms, l.forms(err == nil)...)
		}
	}
	return forms
}

func suffix(list []string, s string) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = item + s
	}
	return out
}
