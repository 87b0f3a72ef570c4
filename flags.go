package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"

	"zdd/container"
	"zdd/deploy"
	"zdd/release"
)

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "root", EnvVars: []string{"ZDD_ROOT"}, Value: release.DefaultRoot(),
			Usage: "keep zdd's files in `FOLDER`",
		},
		&cli.BoolFlag{Name: "json", Usage: "write one JSON object a line to stdout, and nothing else there"},
	}
}

func waitFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: "wait", DefaultText: "the app's setting, else " + short(release.DefaultWait),
		Usage: "wait up to `TIME` for the app's lock",
	}
}

// deployFlags are those of deploy. All but the first two are remembered in the
// app's settings until they are given again.
func deployFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "pull", Value: string(container.DefaultPull), Usage: "`WHEN` to pull the image: missing, always or never"},
		&cli.StringFlag{Name: "build", Usage: "build the image from `DIR` with the docker command line, in place of IMAGE"},
		&cli.StringSliceFlag{Name: "domain", DefaultText: "APP.localhost", Usage: "host `NAME` that the app answers at; may be repeated"},
		&cli.IntFlag{Name: "port", DefaultText: "the one that the image exposes, else " + strconv.Itoa(release.DefaultPort), Usage: "`PORT` that the app listens on, also set in its environment"},
		&cli.StringSliceFlag{Name: "env", Usage: "environment variable `K=V`; may be repeated, adds to those remembered"},
		&cli.StringFlag{Name: "env-file", Usage: "`FILE` of environment variables, one K=V a line, read at each deploy"},
		&cli.StringFlag{Name: "checks", DefaultText: "of the app's folder or the image, else / must answer with less than 500; see: zdd checks --help", Usage: "CHECKS or app.json `FILE`, read at each deploy"},
		&cli.StringFlag{Name: "healthcheck", DefaultText: "the image's HEALTHCHECK", Usage: "check by `COMMAND` of a shell in the container where there is no CHECKS file; none leaves out the image's"},
		&cli.DurationFlag{Name: "healthy-for", DefaultText: "0s", Usage: "`TIME` for which all checks must hold before traffic moves"},
		&cli.IntFlag{Name: "passes", DefaultText: strconv.Itoa(release.DefaultPasses), Usage: "let each check pass `N` times in a row, a second apart"},
		&cli.StringFlag{Name: "check-hook", DefaultText: release.DefaultCheckHook, Usage: "`WHEN` the app's hooks/check-deploy runs: after the checks, or instead of them"},
		&cli.DurationFlag{Name: "hook-timeout", DefaultText: short(release.DefaultHookTimeout), Usage: "`TIME` that each of the app's hooks may take"},
		&cli.IntFlag{Name: "replicas", DefaultText: strconv.Itoa(release.DefaultReplicas), Usage: "run `N` containers"},
		&cli.StringSliceFlag{Name: "volume", Usage: "mount `VOLUME:PATH[:ro]`, or a host's folder in place of VOLUME; may be repeated"},
		&cli.StringSliceFlag{Name: "network", Usage: "join the network `NAME` as well; may be repeated"},
		&cli.StringFlag{Name: "memory", Usage: "memory limit of each container, a `SIZE` such as 512m"},
		&cli.StringFlag{Name: "cpus", Usage: "processor limit of each container, a `NUMBER` such as 1.5"},
		&cli.StringFlag{Name: "user", DefaultText: "the image's", Usage: "run as `USER[:GROUP]`"},
		&cli.StringFlag{Name: "command", DefaultText: "the image's", Usage: "run `COMMAND`"},
		&cli.StringFlag{Name: "release-command", Usage: "run `COMMAND` once in the new image before it starts, such as migrations"},
		&cli.DurationFlag{Name: "drain", DefaultText: short(release.DefaultDrain), Usage: "how long the old release may finish its answers, a `TIME` such as 30s"},
		&cli.DurationFlag{Name: "stop-timeout", DefaultText: short(release.DefaultStopTimeout), Usage: "`TIME` from SIGTERM to SIGKILL"},
		waitFlag(),
		&cli.IntFlag{Name: "keep", DefaultText: strconv.Itoa(release.DefaultKeep), Usage: "keep `N` releases for rollbacks"},
		&cli.StringFlag{Name: "switch", DefaultText: release.DefaultSwitch, Usage: "`HOW` traffic is moved: flag or reload"},
	}
}

// short is a duration without the parts that are zero.
func short(d time.Duration) string { return release.Duration(d).String() }

// change lays the flags that were given over the app's settings; it is nil
// when there are none.
func change(c *cli.Context) (func(*release.Settings) error, error) {
	env, err := variables(c)
	if err != nil {
		return nil, err
	}
	var edits []func(*release.Settings)
	set := func(flag string, edit func(*release.Settings)) {
		if c.IsSet(flag) {
			edits = append(edits, edit)
		}
	}
	set("domain", func(s *release.Settings) { s.Domains = given(c.StringSlice("domain")) })
	set("port", func(s *release.Settings) { s.Port = c.Int("port") })
	set("env", func(s *release.Settings) { s.Env = merged(s.Env, env) })
	set("env-file", func(s *release.Settings) { s.EnvFile = absolute(c.String("env-file")) })
	set("checks", func(s *release.Settings) { s.Checks = absolute(c.String("checks")) })
	set("healthcheck", func(s *release.Settings) { s.Healthcheck = c.String("healthcheck") })
	set("healthy-for", func(s *release.Settings) { s.HealthyFor = release.For(c.Duration("healthy-for")) })
	set("passes", func(s *release.Settings) { s.Passes = c.Int("passes") })
	set("check-hook", func(s *release.Settings) { s.CheckHook = c.String("check-hook") })
	set("hook-timeout", func(s *release.Settings) { s.HookTimeout = release.For(c.Duration("hook-timeout")) })
	set("replicas", func(s *release.Settings) { s.Replicas = c.Int("replicas") })
	set("volume", func(s *release.Settings) { s.Volumes = given(c.StringSlice("volume")) })
	set("network", func(s *release.Settings) { s.Networks = given(c.StringSlice("network")) })
	set("memory", func(s *release.Settings) { s.Memory = c.String("memory") })
	set("cpus", func(s *release.Settings) { s.CPUs = c.String("cpus") })
	set("user", func(s *release.Settings) { s.User = c.String("user") })
	set("command", func(s *release.Settings) { s.Command = c.String("command") })
	set("release-command", func(s *release.Settings) { s.ReleaseCommand = c.String("release-command") })
	set("drain", func(s *release.Settings) { s.Drain = release.For(c.Duration("drain")) })
	set("stop-timeout", func(s *release.Settings) { s.StopTimeout = release.For(c.Duration("stop-timeout")) })
	set("wait", func(s *release.Settings) { s.Wait = release.For(c.Duration("wait")) })
	set("keep", func(s *release.Settings) { s.Keep = c.Int("keep") })
	set("switch", func(s *release.Settings) { s.Switch = c.String("switch") })
	if len(edits) == 0 {
		return nil, positive(c)
	}
	return func(settings *release.Settings) error {
		for _, edit := range edits {
			edit(settings)
		}
		return nil
	}, positive(c)
}

// given is a list as it was given; one empty value, as in --domain ”, takes
// the list back.
func given(values []string) []string {
	if len(values) == 1 && values[0] == "" {
		return nil
	}
	return values
}

// positive refuses numbers that stand for "not set" in the settings.
func positive(c *cli.Context) error {
	for _, flag := range []string{"port", "replicas", "keep", "passes"} {
		if c.IsSet(flag) && c.Int(flag) <= 0 {
			return usageError(c, "--%s %d: must be 1 or more", flag, c.Int(flag))
		}
	}
	return nil
}

// variables reads the --env flags. What is wrong is named without its value.
func variables(c *cli.Context) (release.Env, error) {
	env := release.Env{}
	for i, pair := range c.StringSlice("env") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usageError(c, "--env, number %d: wants K=V", i+1)
		}
		env[name] = value
	}
	return env, nil
}

func merged(old, over release.Env) release.Env {
	env := release.Env{}
	for name, value := range old {
		env[name] = value
	}
	for name, value := range over {
		env[name] = value
	}
	return env
}

// absolute makes a path independent of the folder in which the next deploy runs.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return full
}

// listen is where a managed nginx listens: ZDD_LISTEN and ZDD_LISTEN_TLS, each
// a list with commas, else the usual ports for root and high ones on loopback
// for everybody else.
func listen() (plain, tls []string, plainGiven, tlsGiven bool) {
	plain, tls = []string{"127.0.0.1:8080"}, []string{"127.0.0.1:8443"}
	if os.Geteuid() == 0 {
		plain, tls = []string{":80"}, []string{":443"}
	}
	if addresses := list(os.Getenv("ZDD_LISTEN")); len(addresses) > 0 {
		plain, tls, plainGiven = addresses, nil, true
	}
	if addresses := list(os.Getenv("ZDD_LISTEN_TLS")); len(addresses) > 0 {
		tls, tlsGiven = addresses, true
	}
	return plain, tls, plainGiven, tlsGiven
}

// list splits at commas and white space.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// usageError is a wrong use of a command.
func usageError(c *cli.Context, format string, args ...any) *deploy.Error {
	hint := "see: zdd --help"
	if c != nil && c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		hint = fmt.Sprintf("see: %s --help", c.Command.HelpName)
	}
	return &deploy.Error{Exit: deploy.ExitUsage, Err: fmt.Errorf(format, args...), Hint: hint}
}
