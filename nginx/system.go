package nginx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"zdd/durable"
)

// system is what Setup found out about the distribution's nginx, remembered in
// DIR/system.json. Managed mode has none: the zero value.
type system struct {
	User     string `json:"user"`
	Group    string `json:"group,omitempty"`
	ErrorLog string `json:"error_log"`
	Include  string `json:"include"` // the file that Setup added
	// Somebody else's server is the default for one of our listen addresses.
	ForeignDefault    bool `json:"foreign_default"`
	ForeignDefaultTLS bool `json:"foreign_default_tls"`
}

func (p *Proxy) loadSystem() (system, error) {
	var s system
	if p.config.Mode != System {
		return s, nil
	}
	data, err := os.ReadFile(p.paths.system())
	if err != nil {
		return s, &Unreachable{Reason: "zdd is not set up in the system's nginx (run zdd setup)", Err: err}
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading %q: %w", p.paths.system(), err)
	}
	return s, nil
}

// mayReloadUnseen tells whether a master may run that does not hold anything of
// ours yet: only before the first reload in system mode.
func (p *Proxy) mayReloadUnseen() bool { return p.config.Mode == System }

// checkSetup tells whether Setup's file is in place.
func (p *Proxy) checkSetup() error {
	s, err := p.loadSystem()
	if err != nil {
		return err
	}
	if there, err := os.ReadFile(s.Include); err != nil || string(there) != p.includeLine() {
		return &Unreachable{Reason: fmt.Sprintf("the system's nginx does not include %q (run zdd setup)", p.paths.zddConf()), Err: err}
	}
	return nil
}

// Setup makes the distribution's nginx include zdd's configuration: one file
// conf.d/zdd.conf beside its main configuration, and, where systemd runs, a
// drop-in that removes a stale door.sock before nginx starts. The result is
// tested, reloaded and proven; else it is undone. Run as root; nginx must run.
// May be repeated, and then takes a changed listen address over.
func (p *Proxy) Setup(ctx context.Context) error {
	if p.config.Mode != System {
		return errors.New("setting up the system's nginx: the config is for a managed one")
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return err
	}
	s, err := p.inspectSystem(ctx, prog)
	if err != nil {
		return err
	}
	if err := p.saveSystem(s); err != nil {
		return err
	}
	if err := p.layout(); err != nil {
		return err
	}
	line := p.includeLine()
	if there, err := readIfThere(s.Include); err != nil {
		return err
	} else if there != nil && string(there) != line {
		return &Invalid{Field: "file", Value: s.Include, Reason: fmt.Sprintf("it is there already and is not this root's; it says: %s", bytes.TrimSpace(there))}
	}
	if err := p.include(ctx, prog, edit{s.Include, []byte(line), 0o644}); err != nil {
		return fmt.Errorf("setting up the system's nginx: %w", err)
	}
	if err := p.systemd.install(ctx, p.paths.door()); err != nil {
		p.config.Warn(fmt.Sprintf("writing systemd's drop-in: %v (after a kill -9 of nginx, remove %q by hand)", err, p.paths.door()))
	}
	return p.config.save()
}

// includeLine is the content of the file that Setup adds.
func (p *Proxy) includeLine() string {
	return fmt.Sprintf("# Written by zdd setup; zdd setup --undo removes it.\ninclude %s;\n", p.paths.zddConf())
}

// include makes nginx load zdd's configuration. The first time there is no
// former configuration with a door to go back to: undoing is taking the file
// away and a plain reload.
func (p *Proxy) include(ctx context.Context, prog *program, file edit) error {
	ps, err := p.scan()
	if err != nil {
		return err
	}
	if ps.master != nil {
		return p.change(ctx, prog, nil, []edit{file})
	}
	n, err := p.nextGeneration(ps)
	if err != nil {
		return err
	}
	former, err := p.snapshot([]edit{file})
	if err != nil {
		return err
	}
	took, err := p.writeAndTest(ctx, prog, nil, []edit{file}, n)
	if err == nil {
		err = p.checkIncluded(ctx, prog)
	}
	if err != nil {
		return errors.Join(err, writeAll(former))
	}
	endPolite, err := p.beginPolite(ctx, prog)
	defer endPolite()
	if err == nil {
		err = p.reload(ctx, prog, n, took)
	}
	if err == nil {
		return nil
	}
	if err2 := writeAll(former); err2 != nil {
		return &Unrestored{Cause: err, Restore: err2}
	}
	var late *NotTaken
	if errors.As(err, &late) {
		if _, err2 := p.run(context.WithoutCancel(ctx), prog, "-s", "reload"); err2 != nil {
			return &Unrestored{Cause: err, Restore: err2}
		}
	}
	return err
}

// checkIncluded asks nginx whether it reads zdd's configuration.
func (p *Proxy) checkIncluded(ctx context.Context, prog *program) error {
	out, err := p.run(ctx, prog, "-T")
	if err != nil {
		return p.refused(out)
	}
	if !strings.Contains(out, "# configuration file "+p.paths.zddConf()+":") {
		return &Refused{Output: fmt.Sprintf("its http block does not include conf.d/*.conf; add \"include %s;\" there and set up again", p.paths.zddConf())}
	}
	return nil
}

// Unsetup is the counterpart of Setup. It is an error as long as there are sites.
func (p *Proxy) Unsetup(ctx context.Context) error {
	s, err := p.loadSystem()
	if err != nil {
		return err
	}
	sites, err := filepath.Glob(filepath.Join(p.paths.sites(), "*.conf"))
	if err != nil {
		return err
	}
	if len(sites) > 0 {
		return fmt.Errorf("taking zdd out of the system's nginx: %d apps are still in it", len(sites))
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return err
	}
	former, err := readIfThere(s.Include)
	if err != nil {
		return err
	}
	if err := durable.Remove(s.Include); err != nil {
		return err
	}
	if _, err := p.test(ctx, prog, nil); err != nil {
		return errors.Join(err, writeAll([]edit{{s.Include, former, 0o644}}))
	}
	ps, err := p.scan()
	if err != nil {
		return err
	}
	if ps.master != nil {
		if err := p.signalReload(ctx, prog); err != nil {
			return err
		}
		if err := p.poll(ctx, reloadBudget, "nginx still serves zdd's door", func(ps processes) bool { return ps.generation() == 0 }); err != nil {
			return err
		}
	}
	return errors.Join(p.systemd.remove(ctx), durable.Remove(p.paths.door()), durable.Remove(p.paths.system()), durable.Remove(p.paths.config()))
}

func (p *Proxy) saveSystem(s system) error {
	if err := os.MkdirAll(p.paths.dir, 0o710); err != nil {
		return err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(p.paths.system(), append(data, '\n'), 0o644)
}

// inspectSystem reads the whole configuration as nginx itself sees it (-T),
// without what zdd added.
func (p *Proxy) inspectSystem(ctx context.Context, prog *program) (system, error) {
	cmd := exec.CommandContext(ctx, prog.path, p.args("-T")...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return system{}, p.refused(string(exit.Stderr))
		}
		return system{}, &Unreachable{Reason: "reading nginx's configuration", Err: err}
	}
	conf := p.config.Conf
	if conf == "" {
		conf = prog.option("--conf-path")
	}
	dump := withoutFiles(string(out), p.paths.dir+"/")
	s := system{
		User: firstOf(prog.option("--user"), "nobody"), Group: prog.option("--group"),
		ErrorLog: prog.option("--error-log-path"), Include: filepath.Join(filepath.Dir(conf), "conf.d", "zdd.conf"),
	}
	if m := userLine.FindStringSubmatch(dump); m != nil {
		s.User, s.Group = m[1], m[2]
	}
	if m := errorLogLine.FindStringSubmatch(dump); m != nil {
		s.ErrorLog = m[1]
	}
	s.ForeignDefault = hasDefault(dump, listenForms(p.config.Listen))
	s.ForeignDefaultTLS = hasDefault(dump, listenForms(p.config.ListenTLS))
	return s, nil
}

var (
	userLine     = regexp.MustCompile(`(?m)^\s*user\s+([^\s;]+)(?:\s+([^\s;]+))?\s*;`)
	errorLogLine = regexp.MustCompile(`(?m)^\s*error_log\s+(/[^\s;]+)`)
	dumpedFile   = regexp.MustCompile(`(?m)^# configuration file (.*):$`)
	defaultLine  = regexp.MustCompile(`(?:^|[\s{;])listen\s+([^\s;]+)[^;]*\bdefault(?:_server)?\b`)
	comment      = regexp.MustCompile(`(?m)^\s*#.*$`)
)

// withoutFiles cuts the files below dir out of nginx's dump.
func withoutFiles(dump, dir string) string {
	var b strings.Builder
	marks := dumpedFile.FindAllStringSubmatchIndex(dump, -1)
	for i, m := range marks {
		end := len(dump)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		if !strings.HasPrefix(dump[m[2]:m[3]], dir) {
			b.WriteString(dump[m[0]:end])
		}
	}
	return b.String()
}

// hasDefault tells whether a server in the dump is the default for one of the
// addresses, in whatever form it is written.
func hasDefault(dump string, forms []string) bool {
	for _, m := range defaultLine.FindAllStringSubmatch(comment.ReplaceAllString(dump, ""), -1) {
		theirs := strings.TrimPrefix(m[1], "*:")
		theirs = strings.TrimPrefix(theirs, "0.0.0.0:")
		for _, form := range forms {
			if theirs == form {
				return true
			}
		}
	}
	return false
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
