package nginx

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inUse is how nginx says, on stderr or in its log, that it cannot listen.
var inUse = regexp.MustCompile(`bind\(\) to (\S+) failed \(98:`)

// takenPorts says for each address on which nginx could not listen, by its own
// words, who listens there: `127.0.0.1:80 is taken by "httpd" (process 812)`.
func takenPorts(words ...string) []string {
	var taken []string
	for _, m := range inUse.FindAllStringSubmatch(strings.Join(words, "\n"), -1) {
		addr, err := netip.ParseAddrPort(m[1])
		if err != nil {
			continue // a unix socket
		}
		line := m[1] + " is taken" + holdersOf(addr)
		if !slices.Contains(taken, line) {
			taken = append(taken, line)
		}
	}
	return taken
}

// holdersOf names the processes that listen where a listener at addr would be in
// their way; "" when none is seen any more, or may be seen.
func holdersOf(addr netip.AddrPort) string {
	inodes := map[string]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return ""
		}
		for _, s := range sockets {
			local, _ := netip.AddrFromSlice(s.ID.Source)
			if s.State == tcpListen && s.ID.SourcePort == addr.Port() && overlap(local.Unmap(), addr.Addr()) {
				inodes[fmt.Sprintf("socket:[%d]", s.INode)] = true
			}
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return ""
	}
	var holders []string
	for _, proc := range all {
		targets, err := proc.FileDescriptorTargets()
		if err != nil || !slices.ContainsFunc(targets, func(t string) bool { return inodes[t] }) {
			continue
		}
		if comm, err := proc.Comm(); err == nil {
			holders = append(holders, strconv.Quote(comm)+" (process "+strconv.Itoa(proc.PID)+")")
		}
	}
	if len(holders) == 0 {
		return ""
	}
	return " by " + strings.Join(holders, ", ")
}

// overlap tells whether two listeners on one port, at these hosts, exclude each
// other.
func overlap(a, b netip.Addr) bool {
	return a == b || a.IsUnspecified() && (a.Is6() || b.Is4()) || b.IsUnspecified() && (b.Is4() == a.Is4())
}
