package container_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	zdd "zdd/container"
)

func TestEnsureNetwork_makesOneForManyAtOnce(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	root := "/srv/" + unique("many")
	type answer struct {
		network zdd.Network
		created bool
		err     error
	}
	cleaner := w.other(t, root)
	answers := make([]answer, 4)
	engines := make([]*zdd.Engine, len(answers))
	for i := range engines {
		engines[i] = w.other(t, root)
	}
	t.Cleanup(func() {
		if err := cleaner.RemoveNetwork(context.Background()); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			a := &answers[i]
			a.network, a.created, a.err = engines[i].EnsureNetwork(t.Context(), "")
		})
	}
	group.Wait()
	makers := 0
	for _, answer := range answers {
		if answer.err != nil {
			t.Fatal(answer.err)
		}
		if answer.network != answers[0].network {
			t.Errorf("two networks: %+v and %+v", answers[0].network, answer.network)
		}
		if answer.created {
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d made it, want 1", makers)
	}
	found, err := rawClient(t).NetworkList(t.Context(), network.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "zdd.root="+root)),
	})
	if err != nil || len(found) != 1 {
		t.Errorf("on the engine: %d networks, %v", len(found), err)
	}
}

func TestEnsureNetwork_refusesTheHostsOwnSubnet(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	for _, prefix := range interfacePrefixes(t) {
		_, _, err := w.other(t, "/srv/"+unique("host")).EnsureNetwork(t.Context(), prefix.String())
		var taken *zdd.PoolTaken
		if !errors.As(err, &taken) || taken.By == "" {
			t.Errorf("EnsureNetwork(%s): %v, want PoolTaken and by whom", prefix, err)
		}
	}
}

// interfacePrefixes are the subnets of this host's interfaces, docker0 at
// least, that are of a size that zdd accepts.
func interfacePrefixes(t *testing.T) []netip.Prefix {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var prefixes []netip.Prefix
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || !prefix.Addr().Is4() || prefix.Addr().IsLoopback() || prefix.Bits() > 24 || prefix.Bits() < 8 {
			continue
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	if len(prefixes) == 0 {
		t.Fatal("no interface of this host has an IPv4 subnet")
	}
	return prefixes
}

func TestEnsureNetwork_refusesANetworkThatIsNotIts(t *testing.T) {
	t.Parallel()
	w := realWorld(t)
	api := rawClient(t)
	for _, row := range []struct {
		what   string
		labels func(root string) map[string]string
		foul   func(err error) bool
	}{
		{"someone else's", func(string) map[string]string { return nil }, isNameTaken},
		{"not isolated", func(root string) map[string]string { return map[string]string{"zdd.root": root} },
			func(err error) bool { return err != nil && !isNameTaken(err) }},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			root := "/srv/" + unique("foreign")
			engine := w.other(t, root)
			mine, _, err := engine.EnsureNetwork(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if err := engine.RemoveNetwork(t.Context()); err != nil {
				t.Fatal(err)
			}
			made, err := api.NetworkCreate(t.Context(), mine.Name, network.CreateOptions{Labels: row.labels(root)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = api.NetworkRemove(context.Background(), made.ID) })
			if _, _, err := engine.EnsureNetwork(t.Context(), ""); !row.foul(err) {
				t.Errorf("EnsureNetwork: %v", err)
			}
		})
	}
}

func isNameTaken(err error) bool {
	var taken *zdd.NameTaken
	return errors.As(err, &taken)
}
