package nginx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"zdd/durable"
)

// defaultDir is ROOT/nginx of the usual root.
const defaultDir = "/var/lib/zdd/nginx"

// unitView is what the template of a managed nginx's unit sees.
type unitView struct {
	Dir, Pid, Door, Closing, Program string

	Args  []string
	Files int
}

// unitName is the unit of a managed nginx; roots that are not the usual one have
// one each.
func (p *Proxy) unitName() string {
	if p.config.Dir == defaultDir {
		return "zdd-nginx.service"
	}
	sum := sha256.Sum256([]byte(p.config.Dir))
	return "zdd-nginx-" + hex.EncodeToString(sum[:4]) + ".service"
}

// SetupUnit lets systemd start a managed nginx at boot: it writes its unit into
// the folder units, DefaultUnitDir where that is "", and enables it there. A
// running nginx goes on as it is; from its next start on systemd runs it. nginx's
// configuration is written and tested first, so that it starts without any app.
// Run as root. May be repeated.
//
// Errors: *Unreachable, *Refused; *Invalid in system mode, where the
// distribution has its own unit.
func (p *Proxy) SetupUnit(ctx context.Context, units string) (name string, err error) {
	if p.config.Mode != Managed {
		return "", &Invalid{Field: "nginx mode", Value: string(p.config.Mode), Reason: "the distribution's own unit starts it"}
	}
	if os.Geteuid() != 0 {
		return "", &Invalid{Field: "user", Value: fmt.Sprint(os.Geteuid()), Reason: "only root may add a unit to systemd"}
	}
	prog, err := p.findProgram(ctx)
	if err != nil {
		return "", err
	}
	if err := p.prepareStart(ctx, prog); err != nil {
		return "", err
	}
	unit, err := p.renderUnit(prog)
	if err != nil {
		return "", err
	}
	if err := p.systemd.at(units).enable(ctx, p.unitName(), unit); err != nil {
		return "", fmt.Errorf("writing the unit of nginx: %w", err)
	}
	return p.unitName(), p.config.save()
}

// RemoveUnit is the counterpart of SetupUnit; that there is no unit is no error.
// An nginx that systemd has started goes on.
func (p *Proxy) RemoveUnit(ctx context.Context, units string) error {
	if err := p.systemd.at(units).disable(ctx, p.unitName()); err != nil {
		return fmt.Errorf("removing the unit of nginx: %w", err)
	}
	return nil
}

// HasUnit tells whether the unit of SetupUnit is in the administrator's folder.
func (p *Proxy) HasUnit() bool { return p.systemd.has(p.unitName()) }

// prepareStart writes what a start needs, unless nginx runs.
func (p *Proxy) prepareStart(ctx context.Context, prog *program) error {
	if err := p.layout(); err != nil {
		return err
	}
	ps, err := p.scan()
	if err != nil || ps.master != nil {
		return err
	}
	_, _, err = p.writeForStart(ctx, prog, ps)
	return err
}

func (p *Proxy) renderUnit(prog *program) ([]byte, error) {
	path, err := filepath.Abs(prog.path)
	if err != nil {
		return nil, err
	}
	// systemd's own rule for programs, however they are quoted.
	if strings.ContainsAny(path, "\"'\\") {
		return nil, &Invalid{Field: "nginx program", Value: path, Reason: "has a quote or a backslash in its path, so that systemd cannot run it"}
	}
	return render("nginx.service", unitView{
		Dir: p.paths.dir, Pid: p.paths.pid(), Door: p.paths.door(), Closing: p.paths.closing(),
		Program: path, Args: p.args(), Files: wantedFiles,
	})
}

// unitText escapes what stands by itself in a unit: % begins a specifier, see
// systemd.unit(5).
func unitText(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// unitProgram quotes the program of a command line, see systemd.service(5).
func unitProgram(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(path) + `"`
}

// unitWord quotes an argument of a command line, in which $ begins a variable.
func unitWord(s string) string { return strings.ReplaceAll(unitProgram(s), "$", "$$") }

// underSystemd tells whether systemd runs here and has the unit of SetupUnit.
// Then it starts and stops nginx; zdd asks it to.
func (p *Proxy) underSystemd() bool {
	return p.config.Mode == Managed && p.systemd.runs() && p.HasUnit()
}

// startUnit lets systemd start nginx.
func (p *Proxy) startUnit(ctx context.Context, _ *program) error {
	name := p.unitName()
	if out, err := exec.CommandContext(ctx, p.systemd.control, "start", name).CombinedOutput(); err != nil {
		return &Unreachable{Reason: fmt.Sprintf("starting %s: %s (see: journalctl -u %s)", name, strings.TrimSpace(string(out)), name), Err: err}
	}
	return nil
}

// stopUnit lets systemd stop the nginx that it runs, if it runs it.
func (p *Proxy) stopUnit(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, p.systemd.control, "stop", p.unitName()).CombinedOutput(); err != nil {
		return fmt.Errorf("stopping %s: %w: %s", p.unitName(), err, out)
	}
	return nil
}

// at is the systemd whose administrator's units are in the folder. Another one
// than this host's does not run: it is an image's, say.
func (s systemd) at(units string) systemd {
	if units == "" || units == s.units {
		return s
	}
	return systemd{units: units}
}

func (s systemd) runs() bool {
	if s.running == "" {
		return false
	}
	_, err := os.Stat(s.running)
	return err == nil
}

func (s systemd) unit(name string) string { return filepath.Join(s.units, name) }
func (s systemd) wanted(name string) string {
	return filepath.Join(s.units, "multi-user.target.wants", name)
}

func (s systemd) has(name string) bool {
	_, err := os.Stat(s.unit(name))
	return err == nil
}

// enable writes a unit and links it, as systemctl enable does; that also works
// where systemd does not run, and before its first start.
func (s systemd) enable(ctx context.Context, name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.wanted(name)), 0o755); err != nil {
		return err
	}
	if err := durable.WriteFile(s.unit(name), text, 0o644); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join("..", name), s.wanted(name)); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return s.rereadIfRunning(ctx)
}

// disable undoes enable. The folder of links is not zdd's and stays.
func (s systemd) disable(ctx context.Context, name string) error {
	if _, err := os.Lstat(s.unit(name)); errors.Is(err, os.ErrNotExist) {
		return ignoreMissing(os.Remove(s.wanted(name)))
	}
	if err := errors.Join(durable.Remove(s.wanted(name)), durable.Remove(s.unit(name))); err != nil {
		return err
	}
	return s.rereadIfRunning(ctx)
}

func (s systemd) rereadIfRunning(ctx context.Context) error {
	if !s.runs() {
		return nil
	}
	return s.reread(ctx)
}
