package nginx

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"zdd/durable"
)

const (
	// politePhase is how long answers carry "Connection: close" before a reload,
	// at most: until no connection is left that was open when it began. A client
	// that asks once in this time has none to lose.
	politePhase = 5 * time.Second
	// politeInterval is the time between two looks at the connections.
	politeInterval = 25 * time.Millisecond
)

// beginPolite lets nginx close its clients' connections after their next answer,
// until none of those is left that were open, or the phase is over. Later ones do
// no harm: nginx closes each after its first answer, and a worker that ends does
// not close one that has not asked yet. The returned function ends it; it is never
// nil. From 1.27.4 on nginx does better by itself (keepalive_min_timeout).
func (p *Proxy) beginPolite(ctx context.Context, prog *program) (end func(), err error) {
	end = func() {}
	open, err := p.clientConnections()
	if err != nil || len(open) == 0 || prog.atLeast(1, 27, 4) {
		return end, err
	}
	end = func() {
		if err := durable.Remove(p.paths.closing()); err != nil {
			p.config.Warn(fmt.Sprintf("removing %q: %v (answers carry Connection: close until it is gone)", p.paths.closing(), err))
		}
	}
	if err := durable.WriteFile(p.paths.closing(), nil, 0o644); err != nil {
		return end, err
	}
	// Again: one that was opened in between may have had an answer without it.
	if open, err = p.clientConnections(); err != nil {
		return end, err
	}
	return end, p.awaitGone(ctx, open, politePhase)
}

// awaitGone waits until none of the connections is open, for at most limit.
func (p *Proxy) awaitGone(ctx context.Context, open map[connection]bool, limit time.Duration) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	ticker := time.NewTicker(politeInterval)
	defer ticker.Stop()
	for len(open) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case <-ticker.C:
		}
		now, err := p.clientConnections()
		if err != nil {
			return err
		}
		maps.DeleteFunc(open, func(c connection, _ bool) bool { return !now[c] })
	}
	return nil
}

// connection is one TCP connection of this host.
type connection struct{ local, remote netip.AddrPort }

// clientConnections are the established connections to nginx's addresses.
func (p *Proxy) clientConnections() (map[connection]bool, error) {
	var listens []listen
	for _, list := range [][]string{p.config.Listen, p.config.ListenTLS} {
		for _, addr := range list {
			l, err := parseListen(addr)
			if err != nil {
				return nil, err
			}
			listens = append(listens, l)
		}
	}
	open := map[connection]bool{}
	err := eachConnection(func(local, remote netip.AddrPort, state uint8) {
		for _, l := range listens {
			anyHost := !l.host.IsValid() || l.host.IsUnspecified()
			if state == tcpEstablished && l.port == local.Port() && (anyHost || l.host.Unmap() == local.Addr()) {
				open[connection{local, remote}] = true
			}
		}
	})
	return open, err
}
