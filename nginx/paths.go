package nginx

import (
	"path/filepath"
	"strconv"
)

// paths names every file in zdd's nginx folder.
type paths struct{ dir string }

func (p paths) in(name string) string { return filepath.Join(p.dir, name) }

func (p paths) config() string       { return p.in("nginx.json") }
func (p paths) mainConf() string     { return p.in("nginx.conf") }
func (p paths) zddConf() string      { return p.in("zdd.conf") }
func (p paths) doorConf() string     { return p.in("door.conf") }
func (p paths) edgeConf() string     { return p.in("edge.conf") }
func (p paths) doorSiteConf() string { return p.in("door-site.conf") }
func (p paths) listenConf() string   { return p.in("listen.conf") }
func (p paths) tlsConf() string      { return p.in("listen-tls.conf") }
func (p paths) pid() string          { return p.in("nginx.pid") }
func (p paths) system() string       { return p.in("system.json") }
func (p paths) door() string         { return p.in("door.sock") }
func (p paths) closing() string      { return p.in("closing") }
func (p paths) generation() string   { return p.in("generation") }
func (p paths) markers() string      { return p.in("generations") }
func (p paths) sites() string        { return p.in("sites") }
func (p paths) live() string         { return p.in("live") }
func (p paths) switches() string     { return p.in("switch") }
func (p paths) copies() string       { return p.in("copies") }
func (p paths) acme() string         { return p.in("acme") }
func (p paths) tmp() string          { return p.in("tmp") }
func (p paths) logs() string         { return p.in("logs") }
func (p paths) errorLog() string     { return p.in("logs/error.log") }

func (p paths) marker(n int) string { return filepath.Join(p.markers(), strconv.Itoa(n)) }

func (p paths) site(app string) string   { return filepath.Join(p.sites(), app+".conf") }
func (p paths) former(app string) string { return filepath.Join(p.sites(), "."+app+".conf.former") }
func (p paths) flag(app string) string   { return filepath.Join(p.live(), app+".green") }
func (p paths) switchFile(app string) string {
	return filepath.Join(p.switches(), app+".conf")
}
