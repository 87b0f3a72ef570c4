package nginx

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// drainInterval is the time between two looks at the host's connections, and
	// drainZeros how many looks in a row must see none.
	drainInterval = 20 * time.Millisecond
	drainZeros    = 5
)

// Drained says how a drain ended.
type Drained struct {
	// Closed is true when no connection was open any more.
	Closed bool
	// Sealed is true when new connections from this host to the addresses were
	// made impossible, and none was open after that: it is safe to stop what
	// listens there. Unseal the addresses afterwards.
	Sealed bool
	// Open is the number of connections still open, Connections says which
	// ("local -> remote").
	Open        int
	Connections []string
	Waited      time.Duration
}

// Drain waits until no connection from this host to the addresses ("ip:port") is
// open, several looks in a row, then seals the addresses (see [Proxy.Seal]) and
// looks again. It ends after limit, or when ctx is cancelled, with what is open
// then: that is no error. Connections that nginx keeps idle end by themselves
// within half a second; a longer life of one is a request.
//
// Errors are those of reading the host's connections; addresses that could not
// be sealed make Sealed false, not an error.
func (p *Proxy) Drain(ctx context.Context, addrs []string, limit time.Duration) (Drained, error) {
	targets, err := parseAddresses(addrs)
	if err != nil {
		return Drained{}, err
	}
	d := drain{proxy: p, addrs: addrs, targets: targets, start: time.Now()}
	ticker := time.NewTicker(drainInterval)
	defer ticker.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		done, err := d.look()
		if done || err != nil {
			return d.result, err
		}
		select {
		case <-ctx.Done():
			return d.giveUp()
		case <-end.C:
			return d.giveUp()
		case <-ticker.C:
		}
	}
}

// drain is one run of Drain.
type drain struct {
	proxy   *Proxy
	addrs   []string
	targets map[netip.AddrPort]bool
	start   time.Time
	zeros   int
	unable  bool // sealing is not possible on this host
	result  Drained
}

// look counts once. At the wanted number of zeros it seals and counts as often
// again: a request that had picked the slot long ago may have connected between
// the last look and the seal.
func (d *drain) look() (done bool, err error) {
	open, err := openConnections(d.targets)
	if err != nil {
		return false, err
	}
	d.result.Open, d.result.Connections, d.result.Waited = len(open), open, time.Since(d.start)
	if len(open) > 0 {
		d.zeros = 0
		return false, d.unseal()
	}
	d.zeros++
	switch {
	case d.zeros < drainZeros:
		return false, nil
	case d.zeros == drainZeros && !d.unable:
		sealed, err := d.proxy.Seal(d.addrs)
		if err != nil {
			d.proxy.config.Warn(fmt.Sprintf("sealing %v: %v", d.addrs, err))
		}
		d.result.Sealed, d.unable = sealed, !sealed
		if sealed {
			return false, nil
		}
	}
	d.result.Closed = true
	return true, nil
}

func (d *drain) unseal() error {
	if !d.result.Sealed {
		return nil
	}
	d.result.Sealed = false
	return d.proxy.Unseal(d.addrs)
}

func (d *drain) giveUp() (Drained, error) {
	err := d.unseal()
	d.result.Waited = time.Since(d.start)
	return d.result, err
}

func parseAddresses(addrs []string) (map[netip.AddrPort]bool, error) {
	targets := make(map[netip.AddrPort]bool, len(addrs))
	for _, addr := range addrs {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, &Invalid{Field: "address", Value: addr, Reason: "must be ip:port"}
		}
		targets[netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())] = true
	}
	return targets, nil
}

// openConnections returns the host's connections to the addresses that are
// established or about to be, sorted.
func openConnections(targets map[netip.AddrPort]bool) ([]string, error) {
	var open []string
	err := eachConnection(func(local, remote netip.AddrPort, state uint8) {
		if targets[remote] && (state == tcpEstablished || state == tcpSynSent) {
			open = append(open, local.String()+" -> "+remote.String())
		}
	})
	slices.Sort(open)
	return open, err
}
