package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// privateEngine is a Docker engine that belongs to a test, to be killed and
// started again. Nothing of it is the machine's: it has folders, a socket and a
// containerd of its own, no default bridge, and changes no firewall rule. As on
// Debian, its containerd is a service of its own, which does not end with it.
type privateEngine struct {
	t          testing.TB
	dir        string
	survive    bool // containers outlive it (live-restore)
	dockerd    *service
	containerd *service
}

// service is a process that ends with the test's.
type service struct {
	*exec.Cmd
	ended chan struct{} // closed when it has ended
}

// up says whether it has been started and has not ended.
func (s *service) up() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// newPrivateEngine starts an engine that is gone with the test, in whatever way
// that ends.
func newPrivateEngine(t testing.TB, survive bool) *privateEngine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start an engine of its own")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("there is no dockerd to start an engine of its own with")
	}
	dir, err := os.MkdirTemp("", "zdd-private-")
	if err != nil {
		t.Fatal(err)
	}
	// The machine's own would name another data folder.
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &privateEngine{t: t, dir: dir, survive: survive}
	e.keep()
	e.start()
	return e
}

func (e *privateEngine) host() string { return "unix://" + filepath.Join(e.dir, "sock") }

// docker is for this engine what host.docker is for the machine's.
func (e *privateEngine) docker(args ...string) ([]string, error) {
	cmd := exec.Command("docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host())
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.Fields(string(out)), err
}

// keeping removes what is left of an engine once its test has ended, and the
// test's process with it: killed or not, it closes its end of the pipe.
const keeping = `
dir=$1
cat >/dev/null
ids() { for id in "$dir"/data/containers/*; do [ -d "$id" ] && echo "${id##*/}"; done; }
left() {
	printf '%s/\n' "$dir" | grep -lFf - /proc/[0-9]*/cmdline
	[ -z "$(ids)" ] || ids | grep -lFf - /proc/[0-9]*/cgroup
}
for round in 1 2 3 4 5 6 7 8 9 10; do
	doomed=$(left 2>/dev/null | sed 's|/proc/\([0-9]*\)/.*|\1|' | sort -u)
	[ -n "$doomed" ] || break
	kill -9 $doomed 2>/dev/null
	sleep 0.1
done
for id in $(ids); do
	find /sys/fs/cgroup -depth -type d -path "*/docker/$id*" -exec rmdir {} +
done 2>/dev/null
for link in $(grep -aoh 'br-[0-9a-f]\{12\}' "$dir/data/network/files/local-kv.db" | sort -u); do
	ip link delete "$link"
done 2>/dev/null
awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount "$mount"; done
rm -rf "$dir"
`

// keep starts the process that cleans up, and lets the test end it.
func (e *privateEngine) keep() {
	e.t.Helper()
	keeper := exec.Command("sh", "-c", keeping, "sh", e.dir)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal for the test's group is for it
	input, err := keeper.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		_ = input.Close()
		if err := keeper.Wait(); err != nil {
			e.t.Errorf("removing the private engine: %v", err)
		}
		if _, err := os.Stat(e.dir); err == nil {
			e.t.Errorf("%s is left", e.dir)
		}
	})
}

// start starts the engine, or starts it again, and waits until it answers.
func (e *privateEngine) start() {
	e.t.Helper()
	if !e.containerd.up() {
		e.startContainerd()
	}
	_ = os.Remove(e.path("pid")) // that of one that was killed may be another process's by now
	args := []string{
		"--config-file", e.path("config"), "--host", e.host(), "--pidfile", e.path("pid"), "--containerd", e.path(containerdSocket),
		"--data-root", e.path("data"), "--exec-root", e.path("exec"), "--storage-driver", "vfs",
		"--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
	}
	if e.survive {
		args = append(args, "--live-restore")
	}
	e.dockerd = e.launch("dockerd", args...)
	e.await(e.dockerd, "dockerd answers", func() bool { _, err := e.docker("version"); return err == nil })
}

// containerdSocket is where containerd listens, below the engine's folder.
const containerdSocket = "exec/containerd/containerd.sock"

func (e *privateEngine) startContainerd() {
	e.t.Helper()
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		e.path("data/containerd"), e.path("exec/containerd"), e.path(containerdSocket))
	if err := os.WriteFile(e.path("containerd"), []byte(config), 0o600); err != nil {
		e.t.Fatal(err)
	}
	_ = os.Remove(e.path(containerdSocket)) // that of one that was killed
	e.containerd = e.launch("containerd", "--config", e.path("containerd"))
	e.await(e.containerd, "containerd listens", func() bool {
		conn, err := net.Dial("unix", e.path(containerdSocket))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// await waits for a service; one that has ended meanwhile fails the test, with
// its last words.
func (e *privateEngine) await(s *service, what string, done func() bool) {
	e.t.Helper()
	eventually(e.t, what, func() bool { return !s.up() || done() })
	if !s.up() {
		log, _ := os.ReadFile(e.path("log"))
		e.t.Fatalf("waited until %s, but it has ended:\n%s", what, log[max(0, len(log)-2000):])
	}
}

// launch runs a program, whose words go to the engine's log.
func (e *privateEngine) launch(program string, args ...string) *service {
	e.t.Helper()
	log, err := os.OpenFile(e.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	s := &service{exec.Command(program, args...), make(chan struct{})}
	s.Stdout, s.Stderr = log, log
	s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The signal comes with the end of the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.Start()
		started <- err
		if err == nil {
			_ = s.Wait() // it ends as the test wants
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *privateEngine) path(name string) string { return filepath.Join(e.dir, name) }

// stop ends dockerd: with SIGTERM as a machine that shuts down does, with
// SIGKILL as a crash does.
func (e *privateEngine) stop(signal syscall.Signal) {
	e.t.Helper()
	e.end(e.dockerd, signal)
}

// crash kills dockerd and its containerd.
func (e *privateEngine) crash() {
	e.t.Helper()
	e.end(e.dockerd, syscall.SIGKILL)
	e.end(e.containerd, syscall.SIGKILL)
}

func (e *privateEngine) end(s *service, signal syscall.Signal) {
	e.t.Helper()
	if err := s.Process.Signal(signal); err != nil {
		e.t.Error(err)
	}
	<-s.ended
}

// powerOff ends the engine and everything that it started, at once.
func (e *privateEngine) powerOff() {
	e.t.Helper()
	e.crash()
	eventually(e.t, "everything of the private engine has ended", func() bool {
		left := e.all()
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
	// What a machine that was off does not have any more.
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		e.t.Fatal(err)
	}
	var below []string
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[1]; strings.HasPrefix(at, e.dir+"/") {
			below = append(below, at)
		}
	}
	slices.Sort(below)
	for _, at := range slices.Backward(below) {
		if err := syscall.Unmount(at, 0); err != nil {
			e.t.Errorf("unmounting %s: %v", at, err)
		}
	}
}

// all are the processes of the engine, its shims and its containers.
func (e *privateEngine) all() []int {
	var found []int
	containers, _ := filepath.Glob(e.path("data/containers/*"))
	for pid, line := range commandLines() {
		group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		inside := slices.ContainsFunc(containers, func(folder string) bool {
			return strings.Contains(string(group), filepath.Base(folder))
		})
		if inside || strings.Contains(line, e.dir+"/exec") {
			found = append(found, pid)
		}
	}
	return found
}

// commandLines are those of all processes, by number.
func commandLines() map[int]string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	lines := map[int]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		pid, numberErr := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if line := strings.TrimSpace(strings.ReplaceAll(string(content), "\x00", " ")); err == nil && numberErr == nil && line != "" {
			lines[pid] = line
		}
	}
	return lines
}

// newHostOn is newHost on a private engine. Its subnet is given to it: two
// engines on a machine do not refuse each other's.
func newHostOn(t testing.TB, engine *privateEngine) *host {
	t.Helper()
	h := newHost(t)
	h.env = append(h.env, "DOCKER_HOST="+engine.host())
	book, err := json.Marshal(map[string]any{"subnet": privateSubnet(t), "apps": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.root, "addresses.json"), book, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the host is cleaned up
		if !engine.dockerd.up() {
			engine.start()
		}
	})
	return h
}

// privateSubnet is one that no zdd chooses by itself and no route leads to.
func privateSubnet(t testing.TB) string {
	t.Helper()
	for range 100 {
		subnet := fmt.Sprintf("10.250.%d.0/24", rand.IntN(256))
		out, err := exec.Command("ip", "-4", "route", "show", "root", subnet).CombinedOutput()
		if err != nil {
			t.Fatalf("ip route: %v\n%s", err, out)
		}
		if len(out) == 0 {
			return subnet
		}
	}
	t.Fatal("no subnet is free for a private engine")
	return ""
}
