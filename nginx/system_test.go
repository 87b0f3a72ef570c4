package nginx

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// distribution is an nginx of somebody else: a main configuration with a conf.d,
// running.
type distribution struct {
	dir, conf, listen string
}

func startDistribution(t *testing.T, include string) distribution {
	t.Helper()
	dir := publicDir(t)
	d := distribution{dir, filepath.Join(dir, "nginx.conf"), freePort(t)}
	if err := os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.conf, fmt.Sprintf(`user www-data;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
    open_file_cache max=100 inactive=60s;
    server { listen %[2]s default_server; return 200 "theirs"; }
    %[3]s
}
`, dir, d.listen, include))
	if out, err := exec.Command("nginx", "-e", dir+"/error.log", "-c", d.conf).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(dir + "/nginx.pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		eventually(t, "the distribution's nginx to end", func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || contains(string(stat), ") Z ")
		})
	})
	return d
}

func (d distribution) proxy(t *testing.T) *Proxy {
	t.Helper()
	p, err := New(Config{Dir: filepath.Join(publicDir(t), "nginx"), Mode: System, Conf: d.conf, Listen: []string{d.listen}})
	if err != nil {
		t.Fatal(err)
	}
	// A systemd of the test's own: this host's must not be told anything.
	p.systemd = systemd{running: d.dir, units: filepath.Join(d.dir, "units"), control: "true"}
	return p
}

func TestSetup_addsOneFileToTheDistributionsNginxAndTakesItAway(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := startDistribution(t, "include conf.d/*.conf;")
	p := d.proxy(t)
	var gone *Unreachable
	if _, err := p.Ensure(ctx); !errors.As(err, &gone) {
		t.Fatalf("before setup: %v, want *Unreachable", err)
	}
	for range 2 {
		if err := p.Setup(ctx); err != nil {
			t.Fatal(err)
		}
	}
	added := filepath.Join(d.dir, "conf.d", "zdd.conf")
	want := "# Written by zdd setup; zdd setup --undo removes it.\ninclude " + p.paths.zddConf() + ";\n"
	if diff := cmp.Diff(want, string(mustRead(t, added))); diff != "" {
		t.Errorf("added file (-want +got):\n%s", diff)
	}
	if got := string(mustRead(t, p.systemd.dropIn())); !contains(got, "rm -f "+p.paths.door()) {
		t.Errorf("systemd's drop-in: %q", got)
	}
	if started, err := p.Ensure(ctx); err != nil || started {
		t.Fatalf("started %v, %v", started, err)
	}
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	for _, slot := range []Slot{Green, Blue, Green} {
		if err := errors.Join(p.Switch("web", slot), p.Prove(ctx, "web", slot)); err != nil {
			t.Fatal(err)
		}
		if _, body := get(t, p, "web.localhost", "/"); body != string(slot) {
			t.Errorf("answered by %q, want %s", body, slot)
		}
	}
	if _, body := get(t, p, "else.example.com", "/"); body != "theirs" {
		t.Errorf("their default server answers %q", body)
	}
	if err := p.Unsetup(ctx); err == nil {
		t.Error("unsetup with an app installed was accepted")
	}
	if err := errors.Join(p.Remove(ctx, "web"), p.Unsetup(ctx)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{added, p.systemd.dropIn(), p.paths.door()} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is left: %v", path, err)
		}
	}
	if _, body := get(t, p, "web.localhost", "/"); body != "theirs" {
		t.Errorf("after unsetup %q answers", body)
	}
}

func TestSetup_isUndoneWhenTheMainConfigurationDoesNotIncludeIt(t *testing.T) {
	t.Parallel()
	d := startDistribution(t, "")
	p := d.proxy(t)
	err := p.Setup(testContext(t))
	var refused *Refused
	if !errors.As(err, &refused) || !contains(err.Error(), "include "+p.paths.zddConf()) {
		t.Fatalf("got %v, want *Refused that says what to include", err)
	}
	if _, err := os.Lstat(filepath.Join(d.dir, "conf.d", "zdd.conf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the added file is left: %v", err)
	}
}

func TestSwitchFile_servesAServerBlockOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := startDistribution(t, "include conf.d/*.conf; include own/*.conf;")
	p := d.proxy(t)
	if err := p.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	site, _, _ := blueGreen(t, "web")
	site.Domains, site.Own = []string{"own.example.com"}, true
	install(t, p, site)
	if err := os.Mkdir(filepath.Join(d.dir, "own"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(d.dir, "own", "own.conf"), fmt.Sprintf(
		"server { listen %s; server_name own.example.com; location / { include %s; proxy_set_header Host $http_host; proxy_pass http://$zdd_slot; } }\n",
		d.listen, p.paths.switchFile("web")))
	if out, err := exec.Command("nginx", "-c", d.conf, "-s", "reload").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the user's server to answer", func() bool {
		// The workers of before the reload accept for another 0.1 s.
		for range 20 {
			if _, body := get(t, p, "own.example.com", "/"); body != "blue" {
				return false
			}
		}
		return true
	})
	if err := p.Switch("web", Green); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, p, "own.example.com", "/"); body != "green" {
		t.Errorf("answered by %q, want green", body)
	}
	if err := p.Prove(ctx, "web", Green); err != nil {
		t.Error(err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
