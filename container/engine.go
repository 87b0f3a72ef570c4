package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
)

// DefaultRoot is the root whose network is called plainly "zdd".
const DefaultRoot = "/var/lib/zdd"

// DefaultProc is where Linux shows its processes.
const DefaultProc = "/proc"

// ConnectTimeout is how long Connect waits for an engine that accepts the
// connection and says nothing.
const ConnectTimeout = 10 * time.Second

// cleanupTimeout bounds the removal of what a failed or cancelled call made.
// The engine itself needs up to 10 s to kill a process that hangs in the
// kernel.
const cleanupTimeout = 30 * time.Second

// Config says which engine to use and for whom.
type Config struct {
	// Root is zdd's data folder, an absolute path: the value of the label
	// zdd.root on everything that the engine makes for it.
	Root string
	// Host is the engine's address as in DOCKER_HOST. "" means DOCKER_HOST,
	// else DOCKER_CONTEXT, else the docker command line's current context,
	// else the default socket.
	Host string
	// Proc is the folder in which this machine shows its processes. "" means
	// DefaultProc.
	Proc string
	// Silence is how long the engine may give no sign of life before every
	// call ends with *Unreachable. 0 means DefaultSilence.
	Silence time.Duration
	// Settling is how long AwaitCreation gives late requests to arrive. 0 means
	// DefaultSettling.
	Settling time.Duration
	// CallLimit is how long one change of a container may take, beside the grace
	// of a stop. 0 means DefaultCallLimit.
	CallLimit time.Duration
}

// Engine is a connection to one Docker engine, acting for one root. It is safe
// for concurrent use.
type Engine struct {
	api   *client.Client
	root  string
	host  string // as reported by the client
	given string // Config.Host, for the docker command line
	proc  string
	watch *watch

	settling  time.Duration
	callLimit time.Duration

	about func(context.Context) (system.Info, error)
}

// Connect finds the engine and agrees on an API version with it. The error is
// *Unreachable when no engine answers within ConnectTimeout.
func Connect(ctx context.Context, config Config) (*Engine, error) {
	if !filepath.IsAbs(config.Root) {
		return nil, fmt.Errorf("root %q: not an absolute path", config.Root)
	}
	options, host, err := endpoint(config.Host)
	if err != nil {
		return nil, &Unreachable{Host: host, Cause: err}
	}
	watch := newWatch(cmp.Or(config.Silence, DefaultSilence))
	api, err := client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation(), watch.option)...)
	if err != nil {
		return nil, &Unreachable{Host: host, Cause: err}
	}
	engine := &Engine{
		api: api, root: filepath.Clean(config.Root), host: api.DaemonHost(), given: config.Host,
		proc: cmp.Or(config.Proc, DefaultProc), watch: watch,
		settling: cmp.Or(config.Settling, DefaultSettling), callLimit: cmp.Or(config.CallLimit, DefaultCallLimit),
	}
	engine.about = once(func(ctx context.Context) (system.Info, error) { return api.Info(ctx) })

	ctx, cancel := context.WithTimeoutCause(ctx, ConnectTimeout, &Silent{For: ConnectTimeout})
	defer cancel()
	ping, err := api.Ping(ctx)
	if err != nil {
		_ = api.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = context.Cause(ctx)
		}
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, &Unreachable{Host: engine.host, Cause: err}
	}
	api.NegotiateAPIVersionPing(ping)
	go watch.run(func(ctx context.Context) error { _, err := api.Ping(ctx); return err })
	return engine, nil
}

// Close drops the idle connections to the engine and ends the watch over it.
// Containers are not affected.
func (e *Engine) Close() error {
	e.watch.close()
	return e.api.Close()
}

// Host is the address of the engine, for messages.
func (e *Engine) Host() string { return e.host }

// local says whether the engine's files and interfaces are this machine's, as
// far as its address can tell.
func (e *Engine) local() bool { return strings.HasPrefix(e.host, "unix://") }

// once remembers the first answer that is not an error.
func once[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var (
		mu    sync.Mutex
		known bool
		value T
	)
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if known {
			return value, nil
		}
		answer, err := ask(ctx)
		if err == nil {
			value, known = answer, true
		}
		return answer, err
	}
}
