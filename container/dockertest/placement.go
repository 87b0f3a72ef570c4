package dockertest

import (
	"net/http"
	"net/netip"
)

// place finds a container's addresses, which is when an engine notices that it
// cannot. The caller holds e.mu.
func (e *Engine) place(c *instance) (int, string) {
	if len(c.networks) == 0 {
		return http.StatusNotImplemented, "dockertest starts only containers on a network"
	}
	for _, name := range c.networks {
		if e.network(name) == nil {
			return http.StatusNotFound, "network " + name + " not found"
		}
	}
	home := e.network(c.networks[0])
	if !c.address.IsValid() {
		c.dynamic = e.freeAddress(home)
		return http.StatusOK, ""
	}
	if !home.subnet.Contains(c.address) {
		return http.StatusBadRequest, "Invalid address " + c.address.String() + ": It does not belong to any of this network's subnets"
	}
	if e.inUse(home, c.address) {
		return http.StatusForbidden, "Address already in use"
	}
	return http.StatusOK, ""
}

// inUse says whether a process runs at the address. The caller holds e.mu.
func (e *Engine) inUse(b *bridge, address netip.Addr) bool {
	for _, c := range e.containers {
		if c.run != nil && c.networks[0] == b.name && c.at() == address {
			return true
		}
	}
	return false
}

// freeAddress is one of the range that the network keeps for containers
// without an address of their own. The caller holds e.mu.
func (e *Engine) freeAddress(b *bridge) netip.Addr {
	dynamic, err := netip.ParsePrefix(b.options.IPAM.Config[0].IPRange)
	if err != nil {
		dynamic = b.subnet
	}
	for address := dynamic.Addr().Next(); dynamic.Contains(address); address = address.Next() {
		if !e.inUse(b, address) {
			return address
		}
	}
	return netip.Addr{}
}

// at is the address in use while a process runs.
func (c *instance) at() netip.Addr {
	if c.address.IsValid() {
		return c.address
	}
	return c.dynamic
}
