package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zdd/testdata/load"
)

// assertControlLoses is the control of what the load drill says: the same
// clients, on the same nginx, lose requests when a deploy is a plain reload and a
// stop.
func assertControlLoses(t *testing.T) {
	t.Helper()
	h := newHost(t)
	naive := newNaiveHost(t, h)
	run := h.load(load.Config{Clients: 64, Pause: flatOut, SlowAnswers: 4, Limit: 10 * patience})
	for range 20 {
		naive.deploy()
		if run.Report().Lost > 0 {
			break
		}
	}
	report := run.Stop()
	if report.Lost == 0 {
		t.Fatalf("nothing was lost: the harness is blind\n%s", report)
	}
	t.Logf("%d of %d requests lost without zdd: %v", report.Lost, report.Sent, report.Reasons)
}

// naiveHost deploys as a shell script would: start, rewrite, reload, stop.
type naiveHost struct {
	*host
	conf string
	app  *os.Process
	n    int
}

func newNaiveHost(t *testing.T, h *host) *naiveHost {
	naive := &naiveHost{host: h, conf: filepath.Join(h.root, "naive.conf")}
	naive.deploy()
	t.Cleanup(func() {
		naive.nginx("-s", "stop")
		naive.stop()
		eventually(t, "the naive nginx has ended", func() bool { return len(h.processes()) == 0 })
	})
	return naive
}

func (n *naiveHost) nginx(args ...string) {
	n.t.Helper()
	args = append([]string{"-e", n.root + "/naive.log", "-p", n.root, "-c", n.conf}, args...)
	if out, err := exec.Command("nginx", args...).CombinedOutput(); err != nil {
		n.t.Errorf("nginx %v: %v\n%s", args, err, out)
	}
}

func (n *naiveHost) stop() {
	_ = n.process().Kill()
	_, _ = n.process().Wait()
}

func (n *naiveHost) process() *os.Process { return n.app }

func (n *naiveHost) deploy() {
	n.t.Helper()
	n.n++
	address := freeAddress(n.t)
	ip, port, _ := strings.Cut(address, ":")
	next := exec.Command(binary(n.t, "app"))
	next.Env = []string{"LISTEN=" + ip, "PORT=" + port, "VERSION=v" + strconv.Itoa(n.n), "ON_TERM=exit"}
	next.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := next.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() { _ = next.Wait() }()
	content := fmt.Sprintf(`pid %[1]s/naive.pid; error_log %[1]s/naive.log;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path %[1]s/naive-body; proxy_temp_path %[1]s/naive-proxy;
fastcgi_temp_path %[1]s/naive-f; uwsgi_temp_path %[1]s/naive-u; scgi_temp_path %[1]s/naive-s;
server { listen %[2]s; location / { proxy_pass http://%[3]s; } } }
`, n.root, n.addr, address)
	if err := os.WriteFile(n.conf, []byte(content), 0o600); err != nil {
		n.t.Fatal(err)
	}
	former := n.app
	n.app = next.Process
	if former == nil {
		n.nginx()
	} else {
		n.nginx("-s", "reload")
		_ = former.Kill()
	}
	eventually(n.t, "the new app answers", func() bool {
		status, version, _ := n.get("/")
		return status == 200 && version == "v"+strconv.Itoa(n.n)
	})
}
