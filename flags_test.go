package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"zdd/release"
)

// changed is what the flags of a deploy make of an app's settings.
func changed(t *testing.T, settings release.Settings, flags ...string) (release.Settings, error) {
	t.Helper()
	var wrong error
	app := &cli.App{
		Writer: io.Discard, ErrWriter: io.Discard, Flags: deployFlags(), DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			edit, err := change(c)
			if wrong = err; err != nil || edit == nil {
				return nil
			}
			wrong = edit(&settings)
			return nil
		},
	}
	if err := app.Run(append([]string{"zdd"}, flags...)); err != nil {
		t.Fatal(err)
	}
	return settings, wrong
}

func TestChange_laysEachFlagOverTheSettings(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		flags []string
		want  release.Settings
	}{
		{"none", nil, release.Settings{}},
		{"pull and build are not remembered", []string{"--pull", "always", "--build", "."}, release.Settings{}},
		{"domains", []string{"--domain", "a.test", "--domain", "b.test"}, release.Settings{Domains: []string{"a.test", "b.test"}}},
		{"port", []string{"--port", "8000"}, release.Settings{Port: 8000}},
		{"variables", []string{"--env", "A=1", "--env", "B=x=y"}, release.Settings{Env: release.Env{"A": "1", "B": "x=y"}}},
		{"a variable with commas", []string{"--env", "LIST=a,b"}, release.Settings{Env: release.Env{"LIST": "a,b"}}},
		{"an empty variable", []string{"--env", "A="}, release.Settings{Env: release.Env{"A": ""}}},
		{"an env file, made absolute", []string{"--env-file", "env"}, release.Settings{EnvFile: filepath.Join(dir, "env")}},
		{"checks, made absolute", []string{"--checks", "../CHECKS"}, release.Settings{Checks: filepath.Join(filepath.Dir(dir), "CHECKS")}},
		{"a health check", []string{"--healthcheck", "bin/ok || exit 1"}, release.Settings{Healthcheck: "bin/ok || exit 1"}},
		{"how the checks must pass", []string{"--healthy-for", "10s", "--passes", "3"}, release.Settings{HealthyFor: release.For(10 * time.Second), Passes: 3}},
		{"hooks", []string{"--check-hook", "instead", "--hook-timeout", "1m"}, release.Settings{CheckHook: "instead", HookTimeout: release.For(time.Minute)}},
		{"replicas", []string{"--replicas", "3"}, release.Settings{Replicas: 3}},
		{"volumes", []string{"--volume", "data:/data", "--volume", "/srv:/srv:ro"}, release.Settings{Volumes: []string{"data:/data", "/srv:/srv:ro"}}},
		{"networks", []string{"--network", "db"}, release.Settings{Networks: []string{"db"}}},
		{"limits", []string{"--memory", "512m", "--cpus", "1.5"}, release.Settings{Memory: "512m", CPUs: "1.5"}},
		{"user", []string{"--user", "1000:1000"}, release.Settings{User: "1000:1000"}},
		{"commands", []string{"--command", "serve -v", "--release-command", "migrate up"}, release.Settings{Command: "serve -v", ReleaseCommand: "migrate up"}},
		{"times", []string{"--drain", "1m", "--stop-timeout", "5s", "--wait", "2m"}, release.Settings{
			Drain: release.For(time.Minute), StopTimeout: release.For(5 * time.Second), Wait: release.For(2 * time.Minute),
		}},
		{"a time of zero is not the default", []string{"--drain", "0"}, release.Settings{Drain: release.For(0)}},
		{"keep", []string{"--keep", "2"}, release.Settings{Keep: 2}},
		{"switch", []string{"--switch", "reload"}, release.Settings{Switch: "reload"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := changed(t, release.Settings{}, tt.flags...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.flags, diff)
			}
		})
	}
}

// TestChange_leavesTheOtherSettingsAlone deploys with one flag over settings
// of which each differs from its default.
func TestChange_leavesTheOtherSettingsAlone(t *testing.T) {
	t.Parallel()
	former := release.Settings{
		Domains: []string{"a.test"}, Port: 8000, Env: release.Env{"A": "1", "B": "2"}, EnvFile: "/e", Checks: "/c",
		Replicas: 3, Volumes: []string{"v:/v"}, Networks: []string{"n"}, Memory: "1g", CPUs: "2", User: "u", Command: "c",
		ReleaseCommand: "r", Drain: release.For(0), StopTimeout: release.For(1), Wait: release.For(2), Keep: 9,
		Switch: "reload", BodySize: "1m",
		Healthcheck: "h", HealthyFor: release.For(3), Passes: 2, CheckHook: "instead", HookTimeout: release.For(4),
	}
	want := former
	want.Domains = []string{"b.test"}                    // replaced
	want.Env = release.Env{"A": "3", "B": "2", "C": "4"} // laid over
	want.Command = ""                                    // the image's again
	got, err := changed(t, former, "--domain", "b.test", "--env", "A=3", "--env", "C=4", "--command", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(release.Env{"A": "1", "B": "2"}, former.Env); diff != "" {
		t.Errorf("the former variables were changed (-want +got):\n%s", diff)
	}
}

func TestChange_refusesWhatStandsForNotSet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--port", "0"}, "--port 0: must be 1 or more"},
		{[]string{"--replicas", "-2"}, "--replicas -2: must be 1 or more"},
		{[]string{"--passes", "0"}, "--passes 0: must be 1 or more"},
		{[]string{"--keep", "0"}, "--keep 0: must be 1 or more"},
		{[]string{"--env", "A=1", "--env", "hunter2"}, "--env, number 2: wants K=V"}, // not shown: a secret, maybe
	} {
		_, err := changed(t, release.Settings{}, tt.flags...)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: error %v, want %s", tt.flags, err, tt.want)
		}
	}
}

func TestMerged_prefersWhatIsNew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ old, over, want release.Env }{
		{nil, nil, release.Env{}},
		{release.Env{"A": "1"}, nil, release.Env{"A": "1"}},
		{nil, release.Env{"A": "1"}, release.Env{"A": "1"}},
		{release.Env{"A": "1", "B": "2"}, release.Env{"B": "3", "C": ""}, release.Env{"A": "1", "B": "3", "C": ""}},
	} {
		if diff := cmp.Diff(tt.want, merged(tt.old, tt.over)); diff != "" {
			t.Errorf("merged(%v, %v) (-want +got):\n%s", tt.old, tt.over, diff)
		}
	}
}

// TestListen_takesTheEnvironmentsWord cannot run in parallel: it sets variables.
func TestListen_takesTheEnvironmentsWord(t *testing.T) {
	plain, tls := []string{"127.0.0.1:8080"}, []string{"127.0.0.1:8443"}
	if os.Geteuid() == 0 {
		plain, tls = []string{":80"}, []string{":443"}
	}
	type answer struct {
		Plain, TLS []string
		Given      [2]bool // ZDD_LISTEN, ZDD_LISTEN_TLS
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		want answer
	}{
		{"nothing said", nil, answer{plain, tls, [2]bool{}}},
		{"an address: HTTPS is not assumed", map[string]string{"ZDD_LISTEN": "127.0.0.1:8000"}, answer{[]string{"127.0.0.1:8000"}, nil, [2]bool{true, false}}},
		{"several", map[string]string{"ZDD_LISTEN": ":80,[::]:80"}, answer{[]string{":80", "[::]:80"}, nil, [2]bool{true, false}}},
		{"both", map[string]string{"ZDD_LISTEN": ":81", "ZDD_LISTEN_TLS": ":444"}, answer{[]string{":81"}, []string{":444"}, [2]bool{true, true}}},
		{"HTTPS alone", map[string]string{"ZDD_LISTEN_TLS": ":444"}, answer{plain, []string{":444"}, [2]bool{false, true}}},
		{"spaces after the commas", map[string]string{"ZDD_LISTEN": ":80, :81"}, answer{[]string{":80", ":81"}, nil, [2]bool{true, false}}},
		{"empty is as good as unset", map[string]string{"ZDD_LISTEN": "", "ZDD_LISTEN_TLS": ""}, answer{plain, tls, [2]bool{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"ZDD_LISTEN", "ZDD_LISTEN_TLS"} {
				t.Setenv(name, "") // restored by the test
				if value, ok := tt.env[name]; ok {
					t.Setenv(name, value)
				} else if err := os.Unsetenv(name); err != nil {
					t.Fatal(err)
				}
			}
			plain, tls, plainGiven, tlsGiven := listen()
			if diff := cmp.Diff(tt.want, answer{plain, tls, [2]bool{plainGiven, tlsGiven}}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
