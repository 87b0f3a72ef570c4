package container

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// The states of an instance, in the engine's words.
const (
	StateCreated    = container.StateCreated
	StateRunning    = container.StateRunning
	StatePaused     = container.StatePaused
	StateRestarting = container.StateRestarting
	StateExited     = container.StateExited

	stateRemoving = container.StateRemoving
	stateDead     = container.StateDead
)

// Instance is one replica of a release, where it was when it was looked at. It
// is a value: nobody above this package need know on which host it runs.
type Instance struct {
	ID       string
	Name     string
	App      string
	Release  int
	Slot     string
	Replica  int // from 1
	Image    string
	Address  netip.Addr // on the root's network; invalid if it is not on it
	State    string     // one of the State constants, or "removing", "dead"
	ExitCode int        // when State is StateExited
}

// Filter says which instances List is to find. The zero value is every running
// instance of the root.
type Filter struct {
	App     string // "" is every app
	Release int    // 0 is every release
	All     bool   // the ones that do not run too
	// Brief leaves ExitCode out, which costs a request for each instance that
	// has ended. It is one request then, however many there are.
	Brief bool
}

// List finds the root's instances, ordered by app, release and replica.
// One-off containers are not among them.
func (e *Engine) List(ctx context.Context, filter Filter) ([]Instance, error) {
	args := e.ours(labelTask + "=")
	if filter.App != "" {
		args.Add("label", labelApp+"="+filter.App)
	}
	if filter.Release != 0 {
		args.Add("label", labelRelease+"="+strconv.Itoa(filter.Release))
	}
	found, err := e.api.ContainerList(ctx, container.ListOptions{All: filter.All, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", e.typed(err))
	}
	instances := make([]Instance, 0, len(found))
	for _, summary := range found {
		instances = append(instances, e.instance(summary))
	}
	if !filter.Brief {
		if err := e.exitCodes(ctx, instances); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(instances, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Release, b.Release), cmp.Compare(a.Replica, b.Replica))
	})
	return instances, nil
}

func (e *Engine) instance(summary container.Summary) Instance {
	result := Instance{
		ID:      summary.ID,
		App:     summary.Labels[labelApp],
		Slot:    summary.Labels[labelSlot],
		Release: number(summary.Labels[labelRelease]),
		Replica: number(summary.Labels[labelReplica]),
		Image:   summary.ImageID,
		State:   summary.State,
	}
	if len(summary.Names) > 0 {
		result.Name = strings.TrimPrefix(summary.Names[0], "/")
	}
	if summary.NetworkSettings == nil {
		return result
	}
	// What was asked for, not what is in use: a stopped container has no
	// address in use, and gets the same one again.
	endpoint := summary.NetworkSettings.Networks[e.networkName()]
	if endpoint != nil && endpoint.IPAMConfig != nil {
		result.Address, _ = netip.ParseAddr(endpoint.IPAMConfig.IPv4Address)
	}
	return result
}

// exitCodes completes what a listing tells of the instances that ended. One
// that is removed meanwhile keeps code 0.
func (e *Engine) exitCodes(ctx context.Context, instances []Instance) error {
	return each(instances, func(i int) error {
		if instances[i].State != StateExited {
			return nil
		}
		found, err := e.api.ContainerInspect(ctx, instances[i].ID)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at container %q: %w", instances[i].Name, e.typed(err))
		}
		instances[i].ExitCode = found.State.ExitCode
		return nil
	})
}

// number reads a label that zdd wrote; anything else is 0, which is no release
// and no replica.
func number(label string) int {
	value, err := strconv.Atoi(label)
	if err != nil {
		return 0
	}
	return value
}

// each does the same for every item at once and waits for all of them. It
// gives the error of the first item, in order, that has one: the replicas of a
// release fail alike, and one of them is enough to read.
func each[T any](items []T, do func(i int) error) error {
	errs := make([]error, len(items))
	var group sync.WaitGroup
	for i := range items {
		group.Go(func() { errs[i] = do(i) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
