package nginx

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"zdd/failpoint"
)

// Marks of zdd's own rules: no other program has this priority and protocol
// together. The priority comes before every routing table but the local one.
const (
	sealPriority = 1014
	sealProtocol = 214
)

// Seal makes new connections from this host to the addresses fail at once, so
// that nginx goes to the door: a routing rule
//
//	ip rule add iif lo to ADDRESS unreachable
//
// which concerns what this host itself sends; what the app's container sends out
// and receives for it goes on. It needs CAP_NET_ADMIN: without it sealed is
// false and err nil. Addresses on the loopback device cannot be sealed, the
// kernel looks them up first. The rule is gone after a reboot, but outlives zdd:
// Unseal before anything is started on these addresses.
func (p *Proxy) Seal(addrs []string) (sealed bool, err error) {
	rules, err := sealRules(addrs)
	if err != nil {
		return false, err
	}
	for _, rule := range rules {
		if rule.Dst.IP.IsLoopback() {
			return false, nil
		}
	}
	for _, rule := range rules {
		failpoint.Hit("before sealing")
		err := netlink.RuleAdd(rule)
		failpoint.Hit("after sealing")
		switch {
		case err == nil || errors.Is(err, unix.EEXIST):
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
			return false, p.Unseal(addrs)
		default:
			return false, errors.Join(fmt.Errorf("adding a rule for %s: %w", rule.Dst, err), p.Unseal(addrs))
		}
	}
	return true, nil
}

// Unseal removes the rules that Seal made for the addresses; no-op without any.
func (p *Proxy) Unseal(addrs []string) error {
	rules, err := sealRules(addrs)
	if err != nil {
		return err
	}
	var errs []error
	for _, rule := range rules {
		for {
			there, err := sealedNow(rule)
			if err != nil {
				errs = append(errs, err)
			}
			if err != nil || !there {
				break
			}
			failpoint.Hit("before unsealing")
			if err := netlink.RuleDel(rule); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("removing the rule for %s: %w", rule.Dst, err))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// sealedNow tells whether the rule is in force.
func sealedNow(rule *netlink.Rule) (bool, error) {
	all, err := netlink.RuleList(rule.Family)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading the routing rules: %w", err)
	}
	for _, r := range all {
		if r.Priority == sealPriority && r.Protocol == sealProtocol && r.Dst != nil && r.Dst.String() == rule.Dst.String() {
			return true, nil
		}
	}
	return false, nil
}

// sealRules are the rules for the addresses' hosts, each once.
func sealRules(addrs []string) ([]*netlink.Rule, error) {
	targets, err := parseAddresses(addrs)
	if err != nil {
		return nil, err
	}
	hosts := map[netip.Addr]bool{}
	for target := range targets {
		hosts[target.Addr()] = true
	}
	var rules []*netlink.Rule
	for host := range hosts {
		rule := netlink.NewRule()
		rule.Family = unix.AF_INET
		if host.Is6() {
			rule.Family = unix.AF_INET6
		}
		rule.Priority, rule.Protocol = sealPriority, sealProtocol
		rule.IifName = "lo"
		rule.Dst = &net.IPNet{IP: host.AsSlice(), Mask: net.CIDRMask(host.BitLen(), host.BitLen())}
		rule.Type = unix.RTN_UNREACHABLE
		rules = append(rules, rule)
	}
	return rules, nil
}
