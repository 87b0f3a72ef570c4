package dockertest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Proc is a folder as /proc is on the engine's machine, for container.Config:
// it has the processes of the engine's containers, so that Listeners knows
// their sockets, and Exec can kill a command. Without it neither finds a thing,
// as with an engine elsewhere.
func (e *Engine) Proc() string { return filepath.Join(e.dataDir, "proc") }

// lastPID begins above what Linux gives to a process: to kill one of these, in
// the wrong folder say, must not hit anything.
var lastPID atomic.Int64

// embeddedDNS is where Docker answers a container's questions for names.
var embeddedDNS = netip.MustParseAddrPort("127.0.0.11:38017")

func newPID() int { return 1<<22 + int(lastPID.Add(1)) }

// showProcess makes a process known as one of a container. The caller holds
// e.mu.
func (e *Engine) showProcess(c *instance, pid int) {
	folder := e.processFolder(pid)
	_ = os.MkdirAll(filepath.Join(folder, "net"), 0o755)
	_ = os.WriteFile(filepath.Join(folder, "cgroup"), []byte("0::/docker/"+c.id+"\n"), 0o644)
	_ = os.Symlink(fmt.Sprintf("/proc/%d/stat", pid), filepath.Join(folder, "stat"))
}

// hide forgets a process. The caller holds e.mu.
func (e *Engine) hide(pid int) { _ = os.RemoveAll(e.processFolder(pid)) }

func (e *Engine) processFolder(pid int) string { return filepath.Join(e.Proc(), strconv.Itoa(pid)) }

// showSockets writes down what a container's network has at this moment: all
// sockets of this machine at the container's address, the pretended ones, and
// Docker's own. The caller holds e.mu.
func (e *Engine) showSockets(c *instance) {
	if c.run == nil {
		return
	}
	e.showProcess(c, c.pid)
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	table, table6 := heading, heading
	for _, listener := range slices.Concat(c.pretended, []netip.AddrPort{embeddedDNS}) {
		row := "   0: " + kernelAddress(listener) + " 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
		if listener.Addr().Is4() {
			table += row
		} else {
			table6 += row
		}
	}
	own, _ := os.ReadFile("/proc/net/tcp")
	prefix, _, _ := strings.Cut(kernelAddress(netip.AddrPortFrom(c.at(), 0)), ":")
	for row := range strings.Lines(string(own)) {
		if fields := strings.Fields(row); len(fields) > 1 && strings.HasPrefix(fields[1], prefix+":") {
			table += row
		}
	}
	_ = os.WriteFile(filepath.Join(e.processFolder(c.pid), "net", "tcp"), []byte(table), 0o644)
	_ = os.WriteFile(filepath.Join(e.processFolder(c.pid), "net", "tcp6"), []byte(table6), 0o644)
}

// pretend is Process.Pretend.
func (c *instance) pretend(e *Engine) func(netip.AddrPort) {
	return func(listener netip.AddrPort) {
		e.mu.Lock()
		defer e.mu.Unlock()
		c.pretended = append(c.pretended, listener)
	}
}

// kernelAddress is how the kernel prints an address.
func kernelAddress(address netip.AddrPort) string {
	octets := address.Addr().AsSlice()
	for word := octets; len(word) >= 4; word = word[4:] {
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	return strings.ToUpper(hex.EncodeToString(octets)) + fmt.Sprintf(":%04X", address.Port())
}
