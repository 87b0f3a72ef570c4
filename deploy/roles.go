package deploy

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"zdd/container"
	"zdd/nginx"
)

// images is where the image of a release comes from and is kept.
type images interface {
	Resolve(ctx context.Context, ref string, pull container.PullPolicy, progress func(container.Progress)) (container.Image, error)
	Build(ctx context.Context, dir, tag string, out io.Writer) (container.Image, error)
	TaggedImage(ctx context.Context, tag string) (container.Image, error)
	Tag(ctx context.Context, imageID, tag string) error
	Untag(ctx context.Context, tag string) error
	ReadFiles(ctx context.Context, app string, release int, imageID string, paths []string, limit int64) (map[string][]byte, error)
	FreeDisk(ctx context.Context) (free uint64, known bool)
}

// runners is what releases run on.
type runners interface {
	EnsureNetwork(ctx context.Context, subnet string) (container.Network, bool, error)
	RemoveNetwork(ctx context.Context) error
	RunOnce(ctx context.Context, spec container.Spec, command []string, out io.Writer) error
	Start(ctx context.Context, spec container.Spec) ([]container.Instance, error)
	Restart(ctx context.Context, spec container.Spec) ([]container.Instance, bool, error)
	Promote(ctx context.Context, instances []container.Instance) error
	Guard(ctx context.Context, instances []container.Instance) (context.Context, context.CancelFunc)
	List(ctx context.Context, filter container.Filter) ([]container.Instance, error)
	Running(ctx context.Context, instance container.Instance) (since time.Time, restarts int, err error)
	Exec(ctx context.Context, instance container.Instance, command []string, out io.Writer) (code int, err error)
	Listeners(ctx context.Context, instance container.Instance) ([]netip.AddrPort, error)
	Logs(ctx context.Context, instance container.Instance, lines int) ([]string, error)
	Stop(ctx context.Context, instances []container.Instance, grace time.Duration) error
	Remove(ctx context.Context, instances []container.Instance) error
	RemoveTasks(ctx context.Context, app string) error
	AwaitCreation(ctx context.Context, app string, release, replicas int, imageID string) error
}

// Engine is everything that a deploy asks of the Docker engine.
type Engine interface {
	images
	runners
}

// switcher decides which slot gets an app's requests, and proves it.
type switcher interface {
	Switch(app string, slot nginx.Slot) error
	Live(app string) (slot nginx.Slot, installed bool, err error)
	Answers(ctx context.Context, app string) (nginx.Slot, error)
	AnswersOf(ctx context.Context, apps []string) map[string]nginx.Answer
	Prove(ctx context.Context, app string, slot nginx.Slot) error
	Transport() *http.Transport
}

// sites installs the sites of apps in nginx.
type sites interface {
	Ensure(ctx context.Context) (started bool, err error)
	Stop(ctx context.Context) error
	Check(site nginx.Site) error
	Install(ctx context.Context, site nginx.Site) (changed bool, err error)
	Revert(ctx context.Context, app string) error
	Accept(app string) error
	Remove(ctx context.Context, app string) error
	Settle(ctx context.Context) error
	Generations() (running, disk int, lingering []int, err error)
	Sweep() error
}

// drainer waits for the last answers of a slot.
type drainer interface {
	Drain(ctx context.Context, addresses []string, limit time.Duration) (nginx.Drained, error)
	Unseal(addresses []string) error
}

// Proxy is everything that a deploy asks of nginx.
type Proxy interface {
	switcher
	sites
	drainer
}

// addressPorts joins each address with port, as nginx and the checks want them.
func addressPorts(addresses []netip.Addr, port int) []string {
	joined := make([]string, len(addresses))
	for i, address := range addresses {
		joined[i] = netip.AddrPortFrom(address, uint16(port)).String()
	}
	return joined
}
