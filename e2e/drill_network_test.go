package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDrillNetwork_opensNothingButNginx looks at a host with two apps from
// everywhere: from a process on the host, from an app, from a neighbour on the
// wire, and as another user.
func TestDrillNetwork_opensNothingButNginx(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	release := h.file("release", "")
	if err := errors.Join(os.Remove(release), unix.Mkfifo(release, 0o600)); err != nil {
		t.Fatal(err)
	}
	h.must("deploy", h.app, h.image("VERSION=v1"))
	other := h.app + "-other"
	h.must("deploy", other, h.image("VERSION=v2"))

	// A deploy stands still while its ports are looked at.
	reached := filepath.Join(filepath.Dir(h.root), "reached")
	h.hook("check-deploy", fmt.Sprintf("echo $PPID >%s.new; mv %s.new %s; read x <%s; exit 0", reached, reached, reached, release))
	deploying := h.command("deploy", h.app, h.image("VERSION=v3"))
	if err := deploying.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deploy is in its hook", func() bool { _, err := os.Stat(reached); return err == nil })
	h.assertListens(deploying.Process.Pid)
	if err := os.WriteFile(release, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := deploying.Wait(); err != nil {
		t.Fatal(err)
	}

	mine, theirs := h.replica(h.app), h.replica(other)
	inside := []string{"nsenter", "-t", mine.pid, "-n", "--"}
	if !connects(t, patience, nil, theirs.address) || !connects(t, patience, inside, mine.address) {
		t.Fatal("a way that is open seems closed: this test would prove nothing")
	}
	h.assertClosed("an app", "bridges are filtered", filtersBridges, inside, theirs.address)
	h.assertNotReachedFromOutside(theirs.address)
	h.assertDoorIsNginxs()
}

// ssRow is a row of ss: the address, and the processes that hold it.
var ssRow = regexp.MustCompile(`(?m)^LISTEN +\d+ +\d+ +(\S+) +\S+ *(.*)$`)

// assertListens wants no port to be open for this host but nginx's: not by zdd,
// nor by its nginx, nor by the engine for its containers.
func (h *host) assertListens(zdd int) {
	h.t.Helper()
	out, err := exec.Command("ss", "-Hltnp").CombinedOutput()
	if err != nil {
		h.t.Fatalf("ss: %v\n%s", err, out)
	}
	nginx := 0
	for _, row := range ssRow.FindAllStringSubmatch(string(out), -1) {
		address, holders := row[1], row[2]
		if strings.Contains(holders, fmt.Sprintf("pid=%d,", zdd)) {
			h.t.Errorf("zdd listens on %s", address)
		}
		for _, m := range regexp.MustCompile(`pid=(\d+),`).FindAllStringSubmatch(holders, -1) {
			line, err := os.ReadFile("/proc/" + m[1] + "/cmdline")
			if err != nil || !strings.Contains(string(line), h.root) {
				continue
			}
			nginx++
			if address != h.addr {
				h.t.Errorf("%q listens on %s, want %s alone", line, address, h.addr)
			}
		}
	}
	if nginx == 0 {
		h.t.Errorf("nginx is not among what listens:\n%s", out)
	}
	for _, name := range h.containers() {
		if ports := h.docker("inspect", "--format", "{{json .HostConfig.PortBindings}} {{.HostConfig.PublishAllPorts}} {{.HostConfig.NetworkMode}}", name); !slices.Contains([]string{"{}", "null"}, ports[0]) || ports[1] != "false" || ports[2] == "host" {
			h.t.Errorf("container %s publishes ports: %v", name, ports)
		}
		if bound := h.docker("port", name); len(bound) > 0 {
			h.t.Errorf("container %s is bound to %v", name, bound)
		}
	}
}

// replica is one container of an app, as it runs.
type replica struct{ pid, address string }

func (h *host) replica(app string) replica {
	h.t.Helper()
	names := h.containers("status=running", "label=zdd.app="+app)
	if len(names) != 1 {
		h.t.Fatalf("containers of %s: %v", app, names)
	}
	found := h.docker("inspect", "--format", "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", names[0])
	return replica{found[0], net.JoinHostPort(found[1], "5000")}
}

// connects tells whether the address takes a connection from where the words in
// front of the command lead. What is dropped is never answered, so this gives up
// at the limit: on a busy machine it may say no, never yes.
func connects(t testing.TB, limit time.Duration, from []string, address string) bool {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(from), "timeout", fmt.Sprint(limit.Seconds()), "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%s", host, port))
	return exec.Command(args[0], args[1:]...).Run() == nil
}

// dropPatience is how long a packet may go unanswered.
const dropPatience = 3 * time.Second

// assertClosed wants no way from somewhere to the address. What closes it is the
// engine's, by a setting of this machine that others may change: where it does
// not hold, before and after, there is nothing to prove.
func (h *host) assertClosed(who, setting string, holds func() bool, from []string, address string) {
	h.t.Helper()
	before := holds()
	if open := connects(h.t, dropPatience, from, address); open && before && holds() {
		h.t.Errorf("%s reaches the app at %s", who, address)
	} else if !before {
		h.t.Logf("this is not so on this machine: %s; %s reaches an app: %v", setting, who, open)
	}
}

// filtersBridges tells whether the kernel shows iptables what crosses a bridge,
// without which the engine's enable_icc=false does nothing.
func filtersBridges() bool {
	setting, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables")
	return err == nil && strings.TrimSpace(string(setting)) == "1"
}

// dropsForwarded tells whether the machine drops what it is to forward unless a
// rule allows it. An engine that has switched forwarding on itself sees to it.
func dropsForwarded() bool {
	rules, err := exec.Command("iptables", "-S", "FORWARD").Output()
	return err == nil && strings.HasPrefix(string(rules), "-P FORWARD DROP")
}

// assertNotReachedFromOutside makes a neighbour of this machine on a wire of its
// own, who sends what is for the address to this machine.
func (h *host) assertNotReachedFromOutside(address string) {
	h.t.Helper()
	name := "zdd" + randomName(h.t)
	near, far := name+"a", name+"b"
	run := func(args ...string) {
		h.t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			h.t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	run("netns", "add", name)
	defer func() { _ = exec.Command("ip", "netns", "delete", name).Run() }() // and the wire with it
	run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
	// These networks are for examples (RFC 5737); two tests at once have two parts.
	network := []string{"192.0.2", "198.51.100", "203.0.113"}[rand.IntN(3)]
	part := 4 * rand.IntN(64)
	here, there := fmt.Sprintf("%s.%d", network, part+1), fmt.Sprintf("%s.%d", network, part+2)
	run("address", "add", here+"/30", "dev", near)
	run("link", "set", near, "up")
	run("-n", name, "address", "add", there+"/30", "dev", far)
	run("-n", name, "link", "set", far, "up")
	run("-n", name, "route", "add", "default", "via", here)

	// The control: the neighbour reaches this machine itself.
	listener, err := net.Listen("tcp", here+":0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer listener.Close()
	from := []string{"ip", "netns", "exec", name}
	if !connects(h.t, patience, from, listener.Addr().String()) {
		h.t.Fatal("the neighbour does not even reach this machine")
	}
	h.assertClosed("a neighbour", "what is forwarded is dropped", dropsForwarded, from, address)
}

// assertDoorIsNginxs tries the door as others.
func (h *host) assertDoorIsNginxs() {
	h.t.Helper()
	group, err := user.LookupGroup("www-data")
	if err != nil {
		h.t.Fatal(err)
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		h.t.Fatal(err)
	}
	door := filepath.Join(h.root, "nginx", "door.sock")
	for _, tt := range []struct {
		who      string
		uid, gid int
		want     error
	}{{"root", 0, 0, nil}, {"nginx's group", 65534, gid, nil}, {"somebody", 65534, 65534, unix.EACCES}} {
		if err := connectAs(tt.uid, tt.gid, door); !errors.Is(err, tt.want) {
			h.t.Errorf("%s at the door: %v, want %v", tt.who, err, tt.want)
		}
	}
}

// connectAs connects to a unix socket on a thread that has the user's rights to
// files, and ends with them.
func connectAs(uid, gid int, path string) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid)); err != nil {
				return err
			}
			return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}()
	}()
	return <-result
}
