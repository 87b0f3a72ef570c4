package nginx

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// analyze asks systemd itself what it thinks of a unit. Whatever it says counts.
func analyze(t *testing.T, unit string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("this test needs systemd-analyze, of Debian's package systemd: %v", err)
	}
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return string(out)
}

func TestUnit_isOneThatSystemdAcceptsWhateverThePathsAre(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	odd := filepath.Join(publicDir(t), `an %n odd $HOME folder`)
	if err := errors.Join(os.Mkdir(odd, 0o755), os.Symlink(nginx, filepath.Join(odd, "nginx"))); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"nginx", filepath.Join(odd, "nginx")} {
		p := proxyIn(t, Config{Dir: filepath.Join(publicDir(t), "nginx"), Listen: []string{freePort(t)}, Program: program})
		units := filepath.Join(publicDir(t), "units")
		p.systemd = systemd{units: units}
		name, err := p.SetupUnit(testContext(t), "")
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(units, name)
		if said := analyze(t, unit); said != "" {
			t.Errorf("systemd about the unit for %q: %s", program, said)
		}
		link := filepath.Join(units, "multi-user.target.wants", name)
		if target, err := filepath.EvalSymlinks(link); err != nil || target != unit {
			t.Errorf("%q leads to %q, %v, want the unit", link, target, err)
		}
		// What it says must depend on the unit, or its silence is worth nothing.
		broken := strings.Replace(string(mustRead(t, unit)), "ExecStart=", "ExecStart=/nonexistent", 1)
		writeFile(t, unit, broken)
		if said := analyze(t, unit); !contains(said, "nonexistent") {
			t.Errorf("systemd about a unit without a program: %q", said)
		}
	}
}

func TestSetupUnit_refusesAProgramThatSystemdCannotRun(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	for _, path := range []string{`/a"b/nginx`, `/a'b/nginx`, `/a\b/nginx`} {
		var invalid *Invalid
		if _, err := p.renderUnit(&program{path: path}); !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want *Invalid", path, err)
		}
	}
}

func TestUnitWord_quotesWhatMeansSomethingToSystemd(t *testing.T) {
	t.Parallel()
	const path = `/a b/%i/$HOME/"q"/\n`
	if got, want := unitWord(path), `"/a b/%%i/$$HOME/\"q\"/\\n"`; got != want {
		t.Errorf("argument %s, want %s", got, want)
	}
	if got, want := unitProgram(path), `"/a b/%%i/$HOME/\"q\"/\\n"`; got != want {
		t.Errorf("program %s, want %s", got, want)
	}
	if got, want := unitText(path), `/a b/%%i/$HOME/"q"/\n`; got != want {
		t.Errorf("text %s, want %s", got, want)
	}
}

func TestUnitName_isOneForEachRoot(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for _, dir := range []string{"/var/lib/zdd/nginx", "/srv/a/nginx", "/srv/b/nginx"} {
		p, err := New(Config{Dir: dir, Listen: []string{":80"}})
		if err != nil {
			t.Fatal(err)
		}
		names[dir] = p.unitName()
	}
	if names["/var/lib/zdd/nginx"] != "zdd-nginx.service" || names["/srv/a/nginx"] == names["/srv/b/nginx"] {
		t.Errorf("names %v", names)
	}
}

// standIn is a systemd that runs the lines of units, as far as a managed nginx
// needs it: the real one wants to be the first process of its machine.
type standIn struct {
	systemd
	log string
}

func newStandIn(t *testing.T, p *Proxy) standIn {
	t.Helper()
	dir := publicDir(t)
	s := standIn{
		systemd{running: dir, units: filepath.Join(dir, "units"), control: filepath.Join(dir, "systemctl")},
		filepath.Join(dir, "log"),
	}
	script := fmt.Sprintf(`#!/bin/sh
echo "$*" >>%[1]s
unit=%[2]s/$2
run() { eval "$(sed -n "s/^$1=//p" "$unit" | sed 's/%%%%/%%/g; s/\$\$/$/g')"; }
case $1 in
start)
	run ExecCondition || exit 0
	run ExecStartPre && run ExecStart ;;
stop)
	if pid=$(cat %[3]s 2>/dev/null); then
		kill -s QUIT "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	fi ;;
esac
`, s.log, s.units, p.paths.pid())
	if err := os.WriteFile(s.control, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p.systemd = s.systemd
	return s
}

func (s standIn) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(s.control, args...).CombinedOutput(); err != nil {
		t.Fatalf("systemctl %v: %v\n%s", args, err, out)
	}
}

// asked is what systemd was asked for since the last call.
func (s standIn) asked(t *testing.T) []string {
	t.Helper()
	said := strings.Split(strings.TrimSpace(string(mustRead(t, s.log))), "\n")
	writeFile(t, s.log, "")
	return said
}

func master(t *testing.T, p *Proxy) int {
	t.Helper()
	ps, err := p.scan()
	if err != nil {
		t.Fatal(err)
	}
	if ps.master == nil {
		return 0
	}
	return ps.master.pid
}

// killAll ends nginx as a machine that loses its power does.
func killAll(t *testing.T, p *Proxy) {
	t.Helper()
	ps, err := p.scan()
	if err != nil || ps.master == nil {
		t.Fatalf("%+v, %v", ps, err)
	}
	if err := ps.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nginx's end", func() bool {
		ps, err := p.scan()
		return err == nil && ps.master == nil && len(ps.orphans) == 0
	})
}

func TestUnit_startsAnIdleRootAtBootAndAgreesWithZdd(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), newProxy(t)
	host := newStandIn(t, p)
	name, err := p.SetupUnit(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"daemon-reload"}, host.asked(t)); diff != "" {
		t.Errorf("systemd was asked (-want +got):\n%s", diff)
	}
	if pid := master(t, p); pid != 0 {
		t.Fatalf("setup started nginx, process %d", pid)
	}
	host.run(t, "start", name) // as at boot
	booted := master(t, p)
	if booted == 0 {
		t.Fatal("the unit started no nginx")
	}
	if status, _ := get(t, p, "any.example.com", "/"); status != 404 {
		t.Errorf("without apps it answers %d, want 404", status)
	}
	if started, err := p.Ensure(ctx); err != nil || started {
		t.Errorf("zdd started it again: %v, %v", started, err)
	}
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	host.run(t, "start", name) // where it runs already
	if now := master(t, p); now != booted {
		t.Errorf("process %d runs in the place of %d", now, booted)
	}
	if err := p.Prove(ctx, "web", Blue); err != nil {
		t.Errorf("the door after a second start: %v", err)
	}

	killAll(t, p)
	host.run(t, "start", name) // with what the killed one left
	if _, body := get(t, p, "web.localhost", "/"); body != "blue" {
		t.Errorf("after a reboot %q answers, want blue", body)
	}

	killAll(t, p)
	host.asked(t)
	if started, err := p.Ensure(ctx); err != nil || !started {
		t.Errorf("started %v, %v", started, err)
	}
	if diff := cmp.Diff([]string{"start " + name}, host.asked(t)); diff != "" {
		t.Errorf("systemd was asked (-want +got):\n%s", diff)
	}
	if err := errors.Join(p.Remove(ctx, "web"), p.Stop(ctx)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"stop " + name}, host.asked(t)); diff != "" {
		t.Errorf("systemd was asked (-want +got):\n%s", diff)
	}
	if pid := master(t, p); pid != 0 {
		t.Errorf("process %d runs after the end", pid)
	}
}

func TestUnit_leavesAnNginxAloneThatZddHasStarted(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), newProxy(t)
	host := newStandIn(t, p)
	if _, err := p.Ensure(ctx); err != nil {
		t.Fatal(err)
	}
	own := master(t, p)
	name, err := p.SetupUnit(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	host.run(t, "start", name)
	if now := master(t, p); now != own {
		t.Errorf("process %d runs, want %d still", now, own)
	}
	if _, err := p.Answers(ctx, "none"); err == nil || asError(err, new(*Unreachable)) {
		t.Errorf("the door says %v, want an answer", err)
	}
	for range 2 {
		if err := p.RemoveUnit(ctx, ""); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := filepath.Glob(filepath.Join(host.units, "*", "*")); err != nil || len(entries) > 0 || p.HasUnit() {
		t.Errorf("left in systemd's folder: %v, %v", entries, err)
	}
	killAll(t, p)
	host.asked(t)
	if started, err := p.Ensure(ctx); err != nil || !started {
		t.Errorf("started %v, %v", started, err)
	}
	if asked := host.asked(t); len(asked) != 1 || asked[0] != "" {
		t.Errorf("without a unit systemd was asked %v", asked)
	}
}

func TestSetupUnit_writesForAnImageAndAsksNoSystemd(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), newProxy(t)
	host := newStandIn(t, p)
	image := filepath.Join(publicDir(t), "etc", "systemd", "system")
	name, err := p.SetupUnit(ctx, image)
	if err != nil {
		t.Fatal(err)
	}
	if said := analyze(t, filepath.Join(image, name)); said != "" {
		t.Errorf("systemd about the unit: %s", said)
	}
	if err := p.RemoveUnit(ctx, image); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(image, "*.service")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := os.Stat(host.log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("systemd was asked %v", host.asked(t))
	}
}
