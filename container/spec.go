package container

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
)

// DefaultStopTimeout is the grace between SIGTERM and SIGKILL.
const DefaultStopTimeout = 10 * time.Second

// Limits of an instance's log on the engine, so that a chatty app cannot fill
// the disk.
const (
	logMaxSize  = "10m"
	logMaxFiles = "3"
)

// Spec says what the instances of a release are to be.
type Spec struct {
	App       string
	Release   int
	Slot      string
	Image     string       // image ID: a tag could have moved since
	Addresses []netip.Addr // one for each replica, on the root's network
	Port      int          // what the app listens on; PORT in its environment
	Env       []string     // "KEY=value"; a PORT here wins over Port
	Volumes   []string     // "name:/path", "/host/path:/path", each with ":ro" at will
	Networks  []string     // further networks to join, by name
	Memory    int64        // bytes; 0 is no limit
	NanoCPUs  int64        // billionths of a CPU; 0 is no limit
	User      string       // "" is the image's
	Command   []string     // arguments of the image's entrypoint; nil is the image's
	// Healthcheck is what stands in for the test of the image's health check,
	// in the words of Docker: ["CMD", argument…], ["CMD-SHELL", text] or
	// ["NONE"]. Its times and counts stay the image's. nil is the image's test.
	Healthcheck []string
	// StopTimeout is the grace that the engine itself gives when it shuts
	// down, rounded up to seconds. 0 means DefaultStopTimeout.
	StopTimeout time.Duration
}

func (s Spec) stopTimeout() time.Duration {
	if s.StopTimeout == 0 {
		return DefaultStopTimeout
	}
	return s.StopTimeout
}

// config is the portable half of what the engine wants to know.
func (s Spec) config(labels map[string]string) *container.Config {
	config := &container.Config{
		Image:       s.Image,
		User:        s.User,
		Env:         s.environment(),
		Cmd:         s.Command,
		Labels:      labels,
		StopTimeout: seconds(s.stopTimeout()),
	}
	if s.Healthcheck != nil {
		config.Healthcheck = &container.HealthConfig{Test: s.Healthcheck}
	}
	return config
}

// hostConfig is the other half. It publishes no port, ever: a published port
// is open to the world whatever the host's firewall says.
func (s Spec) hostConfig(networkName string, about system.Info) *container.HostConfig {
	return &container.HostConfig{
		Binds:         s.Volumes,
		NetworkMode:   container.NetworkMode(networkName),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     logConfig(about.LoggingDriver),
		Resources:     container.Resources{Memory: s.Memory, NanoCPUs: s.NanoCPUs},
	}
}

func (s Spec) environment() []string {
	hasPort := slices.ContainsFunc(s.Env, func(pair string) bool { return strings.HasPrefix(pair, "PORT=") })
	if hasPort || s.Port == 0 {
		return s.Env
	}
	return append(slices.Clone(s.Env), "PORT="+strconv.Itoa(s.Port))
}

// logConfig bounds the drivers that write files. Any other is the operator's
// choice of where logs go, and has options of its own.
func logConfig(driver string) container.LogConfig {
	if driver != "json-file" && driver != "local" {
		return container.LogConfig{}
	}
	return container.LogConfig{
		Type:   driver,
		Config: map[string]string{"max-size": logMaxSize, "max-file": logMaxFiles},
	}
}

// attach is the endpoint on the root's network; an invalid address lets the
// engine choose one of the range that no instance uses.
func attach(networkName string, address netip.Addr) *network.NetworkingConfig {
	endpoint := &network.EndpointSettings{}
	if address.IsValid() {
		endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: address.String()}
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{networkName: endpoint}}
}

// seconds rounds up: the engine counts whole seconds, and 0 would mean none.
func seconds(duration time.Duration) *int {
	whole := int(math.Ceil(max(duration, 0).Seconds()))
	return &whole
}
