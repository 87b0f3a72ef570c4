package container

import (
	"fmt"
	"net/netip"

	"github.com/docker/docker/api/types/network"
	"github.com/vishvananda/netlink"
)

// The subnets that zdd chooses from: 10.firstChoice.0.0/16 and on. They are
// apart from the engine's own default pools (172.17.0.0/12, 192.168.0.0/16).
const (
	firstChoice = 210
	lastChoice  = 249
)

// smallestSubnet leaves, in its last sixteenth, 16 addresses for one-off
// containers.
const smallestSubnet = 24

// dynamicBits is how much longer the prefix of Network.Dynamic is.
const dynamicBits = 4

func choices() []netip.Prefix {
	prefixes := make([]netip.Prefix, 0, lastChoice-firstChoice+1)
	for second := firstChoice; second <= lastChoice; second++ {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), 0, 0}), 16))
	}
	return prefixes
}

func parseSubnet(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, &InvalidSubnet{text, "not of the form 10.210.0.0/16"}
	case !prefix.Addr().Is4():
		return prefix, &InvalidSubnet{text, "not IPv4"}
	case prefix != prefix.Masked():
		return prefix, &InvalidSubnet{text, fmt.Sprintf("the network is %s", prefix.Masked())}
	case prefix.Bits() > smallestSubnet:
		return prefix, &InvalidSubnet{text, fmt.Sprintf("smaller than /%d", smallestSubnet)}
	case prefix.Bits() < 8:
		return prefix, &InvalidSubnet{text, "larger than /8"}
	default:
		return prefix, nil
	}
}

func describe(id, name string, subnet netip.Prefix) Network {
	return Network{ID: id, Name: name, Subnet: subnet, Gateway: subnet.Addr().Next(), Dynamic: lastPart(subnet)}
}

// lastPart is the last of the equal parts of a subnet whose prefix is
// dynamicBits longer.
func lastPart(subnet netip.Prefix) netip.Prefix {
	bits := subnet.Bits() + dynamicBits
	octets := subnet.Addr().As4()
	for bit := subnet.Bits(); bit < bits; bit++ {
		octets[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.PrefixFrom(netip.AddrFrom4(octets), bits)
}

// use is a subnet that something has.
type use struct {
	prefix netip.Prefix
	by     string
}

// usedSubnets are those of the engine's networks and, where the engine is on
// this machine, of the host's interfaces and routes: the engine itself lets
// its user cut off a route, a VPN's say.
func (e *Engine) usedSubnets(all []network.Summary) ([]use, error) {
	var used []use
	for _, other := range all {
		for _, config := range other.IPAM.Config {
			if prefix, err := netip.ParsePrefix(config.Subnet); err == nil {
				used = append(used, use{prefix, fmt.Sprintf("docker network %q", other.Name)})
			}
		}
	}
	if !e.local() {
		return used, nil
	}
	onHost, err := hostSubnets()
	if err != nil {
		return nil, fmt.Errorf("reading the host's addresses and routes: %w", err)
	}
	return append(used, onHost...), nil
}

// hostSubnets leaves out loopback, which no network of the host is on.
func hostSubnets() ([]use, error) {
	var used []use
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if !address.IP.IsLoopback() {
			used = appendUse(used, address.IPNet.String(), "an interface of this host")
		}
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, route := range routes {
		if route.Dst != nil {
			used = appendUse(used, route.Dst.String(), "a route of this host")
		}
	}
	return used, nil
}

// appendUse leaves out default routes, also when they come as two halves, as
// some VPNs write them: everything overlaps with those.
func appendUse(used []use, text, by string) []use {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Bits() <= 1 {
		return used
	}
	return append(used, use{prefix.Masked(), fmt.Sprintf("%s (%s)", by, prefix)})
}

// overlap says who has a part of the subnet; "" means nobody known.
func overlap(used []use, subnet netip.Prefix) string {
	for _, other := range used {
		if other.prefix.Overlaps(subnet) {
			return other.by
		}
	}
	return ""
}
