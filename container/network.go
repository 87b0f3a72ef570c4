package container

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"zdd/failpoint"
)

const (
	networkBase = "zdd"
	driver      = "bridge"

	// optionICC is the bridge driver's switch for traffic between its
	// containers, see https://docs.docker.com/engine/network/drivers/bridge/.
	optionICC = "com.docker.network.bridge.enable_icc"
)

// Network is the bridge of a root. It is a value.
type Network struct {
	ID      string
	Name    string
	Subnet  netip.Prefix
	Gateway netip.Addr // the host's own address on it, the first of the subnet
	// Dynamic is the last sixteenth of the subnet: the engine gives its
	// addresses to one-off containers, so no instance may have one.
	Dynamic netip.Prefix
}

// EnsureNetwork makes the root's network or finds it, and says whether it was
// made now. An empty subnet takes the first free one of 10.210.0.0/16 to
// 10.249.0.0/16; the network then keeps it. The error is *PoolTaken,
// *InvalidSubnet, *NameTaken or *Unreachable; it is a plain one when the
// network exists and is not as zdd makes it.
//
// Two processes that call at the same moment get the same network.
func (e *Engine) EnsureNetwork(ctx context.Context, subnet string) (Network, bool, error) {
	var wanted netip.Prefix
	if subnet != "" {
		parsed, err := parseSubnet(subnet)
		if err != nil {
			return Network{}, false, err
		}
		wanted = parsed
	}
	all, err := e.networks(ctx)
	if err != nil {
		return Network{}, false, err
	}
	if found, err := e.findNetwork(all, wanted); err != nil || found.ID != "" {
		return found, false, err
	}
	return e.makeNetwork(ctx, wanted, all)
}

// miscountLimit is how long an engine may go on calling a network in use that
// has no container any more.
const miscountLimit = 5 * time.Second

// RemoveNetwork removes the root's network; that there is none is no error,
// but containers on it are. An engine can miscount: one that goes on calling a
// network in use to which nothing is attached keeps it until it is restarted.
// That is no error either, for nothing but the engine could mend it: EnsureNetwork
// takes the network again, and the next removal tries again.
func (e *Engine) RemoveNetwork(ctx context.Context) error {
	found, err := e.api.NetworkList(ctx, network.ListOptions{Filters: e.ours()})
	if err != nil {
		return fmt.Errorf("listing networks: %w", e.typed(err))
	}
	for _, ours := range found {
		// The filter of an engine is not what promises are built on.
		if ours.Labels[labelRoot] != e.root {
			continue
		}
		failpoint.Hit("before removing the network")
		if err := e.removeNetwork(ctx, ours.ID); err != nil {
			return fmt.Errorf("removing network %q: %w", ours.Name, e.typed(err))
		}
	}
	return nil
}

func (e *Engine) removeNetwork(ctx context.Context, id string) error {
	miscounted := errors.New("in use by nobody")
	limited, cancel := context.WithTimeoutCause(ctx, miscountLimit, miscounted)
	defer cancel()
	err := poll(limited, func() (bool, error) {
		refused := e.api.NetworkRemove(ctx, id)
		if refused == nil || errdefs.IsNotFound(refused) {
			return true, nil
		}
		if !errdefs.IsPermissionDenied(refused) {
			return true, refused
		}
		found, err := e.api.NetworkInspect(ctx, id, network.InspectOptions{})
		if err != nil || len(found.Containers) > 0 {
			return true, refused
		}
		return false, nil
	})
	if errors.Is(err, miscounted) {
		return nil
	}
	return err
}

// networkName differs for each root, so that a second root on a host, a test's
// say, has a network of its own.
func (e *Engine) networkName() string {
	if e.root == DefaultRoot {
		return networkBase
	}
	sum := sha256.Sum256([]byte(e.root))
	return networkBase + "-" + hex.EncodeToString(sum[:4])
}

func (e *Engine) networks(ctx context.Context) ([]network.Summary, error) {
	all, err := e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", e.typed(err))
	}
	// The engine allows two of a name. Every process must prefer the same.
	slices.SortFunc(all, func(a, b network.Summary) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// findNetwork looks for the root's network and verifies it. The zero Network
// means that there is none.
func (e *Engine) findNetwork(all []network.Summary, wanted netip.Prefix) (Network, error) {
	name := e.networkName()
	index := slices.IndexFunc(all, func(n network.Summary) bool { return n.Name == name })
	if index < 0 {
		return Network{}, nil
	}
	found := all[index]
	if owner := found.Labels[labelRoot]; owner != e.root {
		return Network{}, &NameTaken{Kind: "network", Name: name, Root: owner}
	}
	if found.Driver != driver || found.Options[optionICC] != "false" || len(found.IPAM.Config) != 1 {
		return Network{}, fmt.Errorf("network %q: not the isolated bridge that zdd makes", name)
	}
	subnet, err := netip.ParsePrefix(found.IPAM.Config[0].Subnet)
	if err != nil {
		return Network{}, fmt.Errorf("network %q: %w", name, err)
	}
	if wanted.IsValid() && wanted != subnet {
		return Network{}, fmt.Errorf("network %q: has subnet %s, not %s", name, subnet, wanted)
	}
	return describe(found.ID, name, subnet), nil
}

// makeNetwork tries the subnets in turn. Whether one is free is known for sure
// only when the engine has accepted it.
func (e *Engine) makeNetwork(ctx context.Context, wanted netip.Prefix, all []network.Summary) (Network, bool, error) {
	candidates := []netip.Prefix{wanted}
	if !wanted.IsValid() {
		candidates = choices()
	}
	used, err := e.usedSubnets(all)
	if err != nil {
		return Network{}, false, err
	}
	taken := &PoolTaken{Subnet: wanted.String()}
	if len(candidates) > 1 {
		taken.Subnet = fmt.Sprintf("%s to %s", candidates[0], candidates[len(candidates)-1])
	}
	for _, candidate := range candidates {
		if by := overlap(used, candidate); by != "" {
			taken.By, taken.Cause = by, nil
			continue
		}
		id, err := e.createNetwork(ctx, candidate)
		if err == nil {
			return e.settle(ctx, id, wanted)
		}
		if !errdefs.IsPermissionDenied(err) && !errdefs.IsInvalidArgument(err) && !errdefs.IsConflict(err) {
			return Network{}, false, fmt.Errorf("making network %q: %w", e.networkName(), e.typed(err))
		}
		// Refused: the pool overlaps, or another process was faster.
		taken.By, taken.Cause = "", err
		if found, err := e.lookAgain(ctx, wanted); err != nil || found.ID != "" {
			return found, false, err
		}
	}
	return Network{}, false, taken
}

func (e *Engine) createNetwork(ctx context.Context, subnet netip.Prefix) (string, error) {
	shape := describe("", "", subnet)
	failpoint.Hit("before creating the network")
	defer failpoint.Hit("after creating the network")
	made, err := e.api.NetworkCreate(ctx, e.networkName(), network.CreateOptions{
		Driver:  driver,
		Labels:  map[string]string{labelRoot: e.root},
		Options: map[string]string{optionICC: "false"},
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{
			Subnet:  subnet.String(),
			Gateway: shape.Gateway.String(),
			IPRange: shape.Dynamic.String(),
		}}},
	})
	return made.ID, err
}

// settle makes sure that the network just made is the only one of its name:
// of two that were made at once the older stays, and each process sees to its
// own.
func (e *Engine) settle(ctx context.Context, id string, wanted netip.Prefix) (Network, bool, error) {
	found, err := e.lookAgain(ctx, wanted)
	if err == nil && found.ID == id {
		return found, true, nil
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if removeErr := e.api.NetworkRemove(cleanup, id); removeErr != nil && !errdefs.IsNotFound(removeErr) {
		err = errors.Join(err, fmt.Errorf("removing network %q: %w", id, e.typed(removeErr)))
	}
	return found, false, err
}

func (e *Engine) lookAgain(ctx context.Context, wanted netip.Prefix) (Network, error) {
	all, err := e.networks(ctx)
	if err != nil {
		return Network{}, err
	}
	return e.findNetwork(all, wanted)
}
