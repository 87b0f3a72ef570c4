package release

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/kballard/go-shellquote"
)

// What holds where the settings say nothing.
const (
	DefaultPort        = 5000             // where the image exposes no single port either
	DefaultReplicas    = 1                // containers of a release
	DefaultDrain       = 30 * time.Second // limit of the wait for the old release's last answer
	DefaultStopTimeout = 10 * time.Second // from SIGTERM to SIGKILL
	DefaultWait        = 10 * time.Minute // for the app's lock
	DefaultKeep        = 5                // releases that a rollback can reach
	DefaultSwitch      = SwitchFlag
	DefaultPasses      = 1               // times that each check must pass in a row
	DefaultCheckHook   = CheckHookAfter  // when hooks/check-deploy runs
	DefaultHookTimeout = 5 * time.Minute // of each hook
)

// The values of Settings.Switch.
const (
	SwitchFlag   = "flag"   // a file that nginx looks at, no reload
	SwitchReload = "reload" // a rewritten site and a verified reload
)

// The values of Settings.CheckHook.
const (
	CheckHookAfter   = "after"   // when the checks have passed
	CheckHookInstead = "instead" // in place of them
)

// HealthcheckNone, as Settings.Healthcheck, says not to use the image's.
const HealthcheckNone = "none"

// The values of Settings.HTTPS and Settings.Site other than "".
const (
	HTTPSRedirect = "redirect" // plain HTTP is answered by a redirect
	SiteOwn       = "own"      // the user writes the server block himself
)

// Settings are an app's settings as app.yaml holds them, under the keys named
// here. The zero value of a field means that it is not set.
type Settings struct {
	Domains        []string  `json:"domains,omitempty"`         // domains: hostnames, *.hostname; none = APP.localhost
	Port           int       `json:"port,omitempty"`            // port: that the app listens on; unset = the one the image exposes, else DefaultPort
	Env            Env       `json:"env,omitempty"`             // env: variables
	EnvFile        string    `json:"env_file,omitempty"`        // env_file: path, relative to the app's folder; see ReadEnvFile
	Checks         string    `json:"checks,omitempty"`          // checks: path of the CHECKS file, relative to the app's folder
	Healthcheck    string    `json:"healthcheck,omitempty"`     // healthcheck: command of a shell in the container, in place of the image's HEALTHCHECK; HealthcheckNone = no such check
	HealthyFor     *Duration `json:"healthy_for,omitempty"`     // healthy_for: how long all checks must hold before the switch; unset = 0s
	Passes         int       `json:"passes,omitempty"`          // passes: how often in a row each check must pass; 1 to 100
	CheckHook      string    `json:"check_hook,omitempty"`      // check_hook: CheckHookAfter or CheckHookInstead
	HookTimeout    *Duration `json:"hook_timeout,omitempty"`    // hook_timeout: how long each hook may take; at least 1s
	Replicas       int       `json:"replicas,omitempty"`        // replicas: 1 to 100
	Volumes        []string  `json:"volumes,omitempty"`         // volumes: NAME-OR-PATH:PATH[:ro]
	Networks       []string  `json:"networks,omitempty"`        // networks: joined beside zdd's own
	Memory         string    `json:"memory,omitempty"`          // memory: limit of each container, as "512m" (1024s); at least 6m
	CPUs           string    `json:"cpus,omitempty"`            // cpus: limit of each container, as "1.5"
	User           string    `json:"user,omitempty"`            // user: NAME-OR-ID[:GROUP] in the container
	Command        string    `json:"command,omitempty"`         // command: replaces the image's, split like a shell does
	ReleaseCommand string    `json:"release_command,omitempty"` // release_command: run once before each release, split like a shell does
	Drain          *Duration `json:"drain,omitempty"`           // drain: how long the old release may finish its answers; 0s = not waited for
	StopTimeout    *Duration `json:"stop_timeout,omitempty"`    // stop_timeout: from SIGTERM to SIGKILL
	Wait           *Duration `json:"wait,omitempty"`            // wait: for the app's lock; 0s = give up at once
	Keep           int       `json:"keep,omitempty"`            // keep: releases kept, at least 1
	Switch         string    `json:"switch,omitempty"`          // switch: SwitchFlag or SwitchReload

	HTTPS          string    `json:"https,omitempty"`           // https: HTTPSRedirect, unset = HTTP and HTTPS side by side
	BodySize       string    `json:"body_size,omitempty"`       // body_size: largest request body in nginx's form, as "10m"; "0" = no limit
	ReadTimeout    *Duration `json:"read_timeout,omitempty"`    // read_timeout: longest silence of the app within an answer
	Gzip           bool      `json:"gzip,omitempty"`            // gzip: compress answers
	TrustedProxies []string  `json:"trusted_proxies,omitempty"` // trusted_proxies: addresses or CIDR whose X-Forwarded-For is believed
	Site           string    `json:"site,omitempty"`            // site: SiteOwn, unset = zdd writes the server block
}

// Duration is a time.Duration that is written like "30s" in files. Fields
// point to it, for "0s" is not the same as not set.
type Duration time.Duration

// For returns d as the value of a settings field.
func For(d time.Duration) *Duration { return (*Duration)(&d) }

// Or is the duration, or fallback where it is not set.
func (d *Duration) Or(fallback time.Duration) time.Duration {
	if d == nil {
		return fallback
	}
	return time.Duration(*d)
}

// String is the form that files have, as in "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the form of String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration understands.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// WithDefaults returns the settings with the Default constants where a field
// is not set, and domains in lower case. Port stays unset: its default depends
// on the image. The site's options stay unset: their defaults are nginx's.
func (s Settings) WithDefaults() Settings {
	s = s.normal()
	setDefault(&s.Replicas, DefaultReplicas)
	setDefault(&s.Drain, For(DefaultDrain))
	setDefault(&s.StopTimeout, For(DefaultStopTimeout))
	setDefault(&s.Wait, For(DefaultWait))
	setDefault(&s.Keep, DefaultKeep)
	setDefault(&s.Switch, DefaultSwitch)
	setDefault(&s.HealthyFor, For(0))
	setDefault(&s.Passes, DefaultPasses)
	setDefault(&s.CheckHook, DefaultCheckHook)
	setDefault(&s.HookTimeout, For(DefaultHookTimeout))
	return s
}

func setDefault[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

// MemoryBytes is the memory limit, 0 for none. Memory must be valid.
func (s Settings) MemoryBytes() int64 {
	bytes, _ := units.RAMInBytes(s.Memory)
	return max(bytes, 0)
}

// NanoCPUs is the limit in billionths of a processor, 0 for none. CPUs must be
// valid.
func (s Settings) NanoCPUs() int64 {
	cpus, ok := new(big.Rat).SetString(s.CPUs)
	if !ok {
		return 0
	}
	nano := cpus.Mul(cpus, big.NewRat(1e9, 1))
	return new(big.Int).Quo(nano.Num(), nano.Denom()).Int64()
}

// Args is Command split into words, nil where the image's own applies. Command
// must be valid.
func (s Settings) Args() []string { return words(s.Command) }

// ReleaseArgs is ReleaseCommand split into words, nil for none.
// ReleaseCommand must be valid.
func (s Settings) ReleaseArgs() []string { return words(s.ReleaseCommand) }

func words(command string) []string {
	args, err := shellquote.Split(command)
	if err != nil || len(args) == 0 {
		return nil
	}
	return args
}

// normal returns a copy that shares nothing with s, in the one form that equal
// settings have: domains in lower case, nothing empty but not nil.
func (s Settings) normal() Settings {
	for _, list := range []*[]string{&s.Domains, &s.Volumes, &s.Networks, &s.TrustedProxies} {
		*list = append([]string(nil), *list...)
	}
	for i, domain := range s.Domains {
		s.Domains[i] = strings.ToLower(domain)
	}
	s.Env = maps.Clone(s.Env)
	if len(s.Env) == 0 {
		s.Env = nil
	}
	return s
}

// sortedKeys lists the names of the variables in order.
func (e Env) sortedKeys() []string { return slices.Sorted(maps.Keys(e)) }
