package nginx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"zdd/durable"
)

// Mode says whose nginx it is.
type Mode string

const (
	// Managed is an nginx of zdd's own: its master runs under Dir. Needs no root.
	Managed Mode = "managed"
	// System is the distribution's nginx, which includes Dir/zdd.conf.
	System Mode = "system"
)

// DefaultProgram is looked up on PATH, then in the sbin folders, which are not
// on the PATH of ordinary users everywhere.
const DefaultProgram = "nginx"

// maxSocketPath is the longest path of a unix socket (sockaddr_un, less the
// final zero byte; see unix(7)).
const maxSocketPath = 107

// Config says where nginx's files are and what it listens on. It is remembered
// in Dir/nginx.json by Ensure and Setup.
type Config struct {
	// Dir is the absolute path of zdd's nginx folder (ROOT/nginx). It stands in
	// nginx's configuration: letters, digits and . _ / @ + , = ~ - only.
	Dir string `json:"-"`
	// Mode is Managed when empty.
	Mode Mode `json:"mode"`
	// Listen is where apps answer by HTTP: "127.0.0.1:8080", "[::1]:8080", or
	// ":80" for every IPv4 and, where the host has it, IPv6 address. At least one.
	Listen []string `json:"listen"`
	// ListenTLS is the same for HTTPS. Without it no site may have a certificate.
	// nginx listens there only while a site has a certificate.
	ListenTLS []string `json:"listen_tls,omitempty"`
	// Program is the nginx program: a name or a path; "" means DefaultProgram.
	Program string `json:"program,omitempty"`
	// Conf is, in system mode, the main configuration file; "" means the one that
	// the program was built with. Not used in managed mode.
	Conf string `json:"conf,omitempty"`
	// Warn is told what the operator should know but what stops nothing; may be nil.
	Warn func(string) `json:"-"`
}

// Proxy is zdd's view of one nginx. It holds no connection and no process: any
// number of values, in any number of programs, may stand for the same nginx.
type Proxy struct {
	config  Config
	paths   paths
	systemd systemd
}

// New checks the config and returns a Proxy for it. It touches nothing on disk.
// A value that may not stand in nginx's configuration is an *Invalid.
func New(c Config) (*Proxy, error) {
	if c.Mode == "" {
		c.Mode = Managed
	}
	if c.Program == "" {
		c.Program = DefaultProgram
	}
	if c.Warn == nil {
		c.Warn = func(string) {}
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Proxy{config: c, paths: paths{c.Dir}, systemd: defaultSystemd}, nil
}

// LoadConfig returns the config that the last Ensure or Setup remembered in dir.
// The error is fs.ErrNotExist when there is none.
func LoadConfig(dir string) (Config, error) {
	c := Config{Dir: dir}
	data, err := os.ReadFile(paths{dir}.config())
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("reading %q: %w", paths{dir}.config(), err)
	}
	return c, nil
}

// Config returns the config, with defaults filled in.
func (p *Proxy) Config() Config { return p.config }

func (c Config) save() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	old, err := os.ReadFile(paths{c.Dir}.config())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(old) == string(data) {
		return nil
	}
	return durable.WriteFile(paths{c.Dir}.config(), data, 0o644)
}

func (c Config) check() error {
	if c.Mode != Managed && c.Mode != System {
		return &Invalid{Field: "nginx mode", Value: string(c.Mode), Reason: `must be "managed" or "system"`}
	}
	if err := checkPath("nginx folder", c.Dir); err != nil {
		return err
	}
	// A colon would end the socket's path in proxy_pass http://unix:PATH:URI.
	if strings.Contains(c.Dir, ":") {
		return &Invalid{Field: "nginx folder", Value: c.Dir, Reason: "must not contain a colon"}
	}
	if n := len(paths{c.Dir}.door()); n > maxSocketPath {
		return &Invalid{Field: "nginx folder", Value: c.Dir,
			Reason: fmt.Sprintf("too long for a unix socket in it: %d bytes, at most %d", n, maxSocketPath)}
	}
	if c.Conf != "" {
		if err := checkPath("nginx configuration", c.Conf); err != nil {
			return err
		}
	}
	if len(c.Listen) == 0 {
		return &Invalid{Field: "listen address", Reason: "at least one is needed"}
	}
	for _, list := range [][]string{c.Listen, c.ListenTLS} {
		for _, addr := range list {
			if _, err := parseListen(addr); err != nil {
				return err
			}
		}
	}
	for _, addr := range c.ListenTLS {
		for _, plain := range c.Listen {
			if addr == plain {
				return &Invalid{Field: "listen address", Value: addr, Reason: "cannot be both HTTP and HTTPS"}
			}
		}
	}
	return nil
}

var safePath = regexp.MustCompile(`^/[A-Za-z0-9._/@+,=~:-]*$`)

func checkPath(field, path string) error {
	switch {
	case !filepath.IsAbs(path):
		return &Invalid{Field: field, Value: path, Reason: "must be an absolute path"}
	case filepath.Clean(path) != path:
		return &Invalid{Field: field, Value: path, Reason: "must not contain . or .. parts or a final slash"}
	case !safePath.MatchString(path):
		return &Invalid{Field: field, Value: path,
			Reason: "contains characters that mean something to nginx; letters, digits and . _ / @ + , = ~ : - are allowed"}
	}
	return nil
}

// listen is one parsed listen address. A host that is not valid means any.
type listen struct {
	host netip.Addr
	port uint16
}

func parseListen(addr string) (listen, error) {
	bad := &Invalid{Field: "listen address", Value: addr, Reason: `must look like "127.0.0.1:8080", "[::1]:8080" or ":80"`}
	if port, ok := strings.CutPrefix(addr, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return listen{}, bad
		}
		return listen{port: uint16(n)}, nil
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return listen{}, bad
	}
	return listen{host: ap.Addr(), port: ap.Port()}, nil
}

// forms returns the address as nginx's listen directive wants it: any address
// is two sockets where the host has IPv6.
func (l listen) forms(ipv6 bool) []string {
	if l.host.IsValid() {
		return []string{netip.AddrPortFrom(l.host, l.port).String()}
	}
	forms := []string{fmt.Sprint(l.port)}
	if ipv6 {
		forms = append(forms, fmt.Sprintf("[::]:%d", l.port))
	}
	return forms
}
