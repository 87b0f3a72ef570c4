package release

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full sets every key of app.yaml.
func full() Settings {
	return Settings{
		Domains:        []string{"shop.example.com", "*.shop.example.com"},
		Port:           3000,
		Env:            Env{"A": "1", "QUOTED": "it's \"so\": # no\nmore ", "EMPTY": "", "NULL": "null", "STAR": "*x", "WIDE": "grün 😀 \u2028\x01"},
		EnvFile:        "/etc/shop.env",
		Checks:         "/srv/CHECKS",
		Healthcheck:    "curl -f localhost || exit 1",
		HealthyFor:     For(10 * time.Second),
		Passes:         3,
		CheckHook:      CheckHookInstead,
		HookTimeout:    For(time.Minute),
		Replicas:       3,
		Volumes:        []string{"data:/var/lib/data", "/srv/pictures:/pictures:ro"},
		Networks:       []string{"postgres"},
		Memory:         "512m",
		CPUs:           "1.50",
		User:           "1000:1000",
		Command:        "bin/server --port '3000'",
		ReleaseCommand: "bin/migrate",
		Drain:          For(0),
		StopTimeout:    For(90 * time.Second),
		Wait:           For(time.Hour),
		Keep:           7,
		Switch:         SwitchReload,
		HTTPS:          HTTPSRedirect,
		BodySize:       "10m",
		ReadTimeout:    For(5 * time.Minute),
		Gzip:           true,
		TrustedProxies: []string{"10.0.0.0/8", "2001:db8::1"},
		Site:           SiteOwn,
	}
}

func TestSaveSettings_isReadBackTheSame(t *testing.T) {
	app := newApp(t, "web")
	if err := app.SaveSettings(full()); err != nil {
		t.Fatal(err)
	}
	got, err := app.Settings()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestSettings_allCoversEveryField(t *testing.T) {
	settings := full()
	for _, setting := range settings.all() {
		if setting.value.write(indent) == "" {
			t.Errorf("%s is not set in full()", setting.key)
		}
	}
	fields, keys := reflect.TypeFor[Settings]().NumField(), len(settings.all())
	if fields != keys {
		t.Errorf("Settings has %d fields, app.yaml %d keys", fields, keys)
	}
}

func TestSettings_nothingIsSetWithoutAFile(t *testing.T) {
	got, err := newApp(t, "web").Settings()
	if diff := cmp.Diff(Settings{}, got); diff != "" || err != nil {
		t.Errorf("error %v, settings (-want +got):\n%s", err, diff)
	}
}

func TestSettings_errorsNameLineAndColumn(t *testing.T) {
	for _, row := range []struct{ name, file, want, hint string }{
		{"unknown key", "port: 1\nprot: 2\n", `:2:1: unknown key "prot"`, `perhaps "port" is meant`},
		{"hyphens", "env-file: x\n", `:1:1: unknown key "env-file"`, `perhaps "env_file" is meant`},
		{"far from any key", "# hi\nbanana: 2\n", `:2:1: unknown key "banana"`, "the keys are domains, port, env, env_file, checks, healthcheck, healthy_for, passes, check_hook, hook_timeout, replicas, volumes, networks, memory, cpus, user, command, release_command, drain, stop_timeout, wait, keep, switch, https, body_size, read_timeout, gzip, trusted_proxies, site"},
		{"key twice", "port: 1\nport: 2\n", `:2:1: mapping key "port" already defined at [1:1]`, ""},
		{"variable twice", "env:\n  A: x\n  A: y\n", `:3:3: mapping key "A" already defined at [2:3]`, ""},
		{"not a number", "port: http\n", `:1:7: port: "http" is not a whole number`, ""},
		{"fraction", "replicas: 1.5\n", `:1:11: replicas: "1.5" is not a whole number`, ""},
		{"number too big", "port: 65536\n", `:1:7: port: 65536 is not between 1 and 65535`, ""},
		{"explicit zero", "keep: 0\n", `:1:7: keep: 0 is not between 1 and 10000`, ""},
		{"no list", "domains: a.example\n", `:1:10: domains: it is not a list`, "write each item on a line of its own, after two blanks, a hyphen and a blank"},
		{"bad item", "domains:\n  - a.example\n  - 'b c'\n", `:3:5: domains: "b c" is not a domain`, "use letters, digits, inner hyphens and dots, as in www.example.com or *.example.com"},
		{"item twice", "domains:\n  - a.example\n  - A.example\n", `:3:5: domains: "a.example" is there twice`, ""},
		{"wildcard without quotes", "domains:\n  - *.a.example\n", `:2:5: domains: a value cannot begin with *, & or !`, "put it in quotes"},
		{"one target for two volumes", "volumes: [a:/x, b:/x]\n", `:1:17: volumes: "/x" is there twice`, ""},
		{"no unit", "drain: 30\n", `:1:8: drain: "30" is not a length of time`, "write 30s for seconds"},
		{"negative", "drain: -1s\n", `:1:8: drain: -1s is negative`, ""},
		{"too short", "read_timeout: 5ms\n", `:1:15: read_timeout: 5ms is shorter than 1s`, ""},
		{"not a truth", "gzip: yes\n", `:1:7: gzip: "yes" is neither true nor false`, ""},
		{"not a choice", "switch: fast\n", `:1:9: switch: there is no "fast" here`, "write flag or reload, or leave it out"},
		{"env as list", "env: [A=1]\n", `:1:6: env: it is not a list of variables`, "write each one on a line of its own, as NAME: VALUE after two blanks"},
		{"bad variable", "env:\n  A: x\n  B-C: x\n", `:3:3: env: "B-C" is not the name of a variable`, "use letters, digits and _ only, no digit first"},
		{"nested variable", "env:\n  A: {b: secret}\n", `:2:3: env: the value of "A" is not one text`, "put it in quotes"},
		{"map for a text", "user:\n  name: x\n", `:2:3: user: it is not one value`, "write one value after the colon"},
		{"second document", "port: 1\n---\nport: 2\n", `:3:1: there is a second document`, "remove the line ---"},
		{"no mapping", "- a\n", `:1:1: there are no settings`, "write each one as KEY: VALUE"},
		{"open quote", "env:\n  A: \"secret\n", `:2:6: could not find end character of double-quoted text`, ""},
		{"not UTF-8", "port: 1\nuser: \xff\n", `:2: the file is not valid UTF-8`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			app := newApp(t, "web")
			writeTestFile(t, app.Path("app.yaml"), row.file)
			_, err := app.Settings()
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v (%T) is no *Invalid", err, err)
			}
			if diff := cmp.Diff(app.Path("app.yaml")+row.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.hint, invalid.Hint); diff != "" {
				t.Errorf("hint (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error()+invalid.Hint, "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
			if err := app.SaveSettings(Settings{Port: 1}); err == nil {
				t.Error("SaveSettings replaced a file that cannot be read")
			}
		})
	}
}

func TestSettings_takesValuesAsTheyAreWritten(t *testing.T) {
	app := newApp(t, "web")
	writeTestFile(t, app.Path("app.yaml"), "\ufeffenv:\r\n  A: 1.10\r\n  B: 0o17\r\n  C: true\r\n  D:\r\n  E: 2026-01-01\r\n  F: |\r\n    x\r\n    y\r\ncpus: 1.0\r\nuser: 1000\r\ndrain: 0s\r\ndomains: [EXAMPLE.com]\r\n")
	got, err := app.Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Env:  Env{"A": "1.10", "B": "0o17", "C": "true", "D": "", "E": "2026-01-01", "F": "x\ny\n"},
		CPUs: "1.0", User: "1000", Drain: For(0), Domains: []string{"example.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestSaveSettings_keepsCommentsAndOrder(t *testing.T) {
	const former = `# The shop.
port: 3000 # the app's own

# who we are
domains: # two
  - shop.example # main
  - www.shop.example

env:
    # the database
    DATABASE: postgres://db
    OLD: x
    LEVEL: info # or debug

# limits
memory: 512m
keep: 3
# cpus: 2
`
	for _, row := range []struct {
		name   string
		change func(*Settings)
		want   func(string) string
	}{
		{"a scalar", func(s *Settings) { s.Port = 4000 }, replace("3000", "4000")},
		{"a list", func(s *Settings) { s.Domains = []string{"b.example"} },
			replace("  - shop.example # main\n  - www.shop.example\n", "  - b.example\n")},
		{"a variable", func(s *Settings) { s.Env["LEVEL"] = "debug" }, replace("LEVEL: info", "LEVEL: debug")},
		{"a new variable", func(s *Settings) { s.Env["NEW"] = "a b: c" },
			replace("# or debug\n", "# or debug\n    NEW: \"a b: c\"\n")},
		{"a variable less", func(s *Settings) { delete(s.Env, "OLD") }, replace("    OLD: x\n", "")},
		{"no variables", func(s *Settings) { s.Env = nil },
			replace("env:\n    # the database\n    DATABASE: postgres://db\n    OLD: x\n    LEVEL: info # or debug\n", "")},
		{"a key less", func(s *Settings) { s.Memory = "" }, replace("memory: 512m\n", "")},
		{"new keys", func(s *Settings) { s.CPUs, s.Networks = "2", []string{"db"} },
			replace("# cpus: 2\n", "# cpus: 2\nnetworks:\n  - db\ncpus: 2\n")},
		{"nothing", func(*Settings) {}, replace("", "")},
	} {
		t.Run(row.name, func(t *testing.T) {
			app := newApp(t, "web")
			writeTestFile(t, app.Path("app.yaml"), former)
			settings, err := app.Settings()
			if err != nil {
				t.Fatal(err)
			}
			row.change(&settings)
			if err := app.SaveSettings(settings); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want(former), readTestFile(t, app.Path("app.yaml"))); diff != "" {
				t.Errorf("app.yaml (-want +got):\n%s", diff)
			}
			got, err := app.Settings()
			if diff := cmp.Diff(settings, got); diff != "" || err != nil {
				t.Errorf("error %v, settings (-want +got):\n%s", err, diff)
			}
		})
	}
}

func replace(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

func TestSaveSettings_addsToAFileOfAnyForm(t *testing.T) {
	for _, row := range []struct{ name, former, want string }{
		{"comments alone", "# hi\n\n# there", "# hi\n\n# there\nport: 1\n"},
		{"no end of line", "keep: 2", "keep: 2\nport: 1\n"},
		{"document marker", "---\nkeep: 2\n", "---\nkeep: 2\nport: 1\n"},
		{"braces", "{keep: 2}\n", "port: 1\nkeep: 2\n"},
		{"end marker", "keep: 2\n...\n", "port: 1\nkeep: 2\n"},
		{"empty", "", "port: 1\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			app := newApp(t, "web")
			writeTestFile(t, app.Path("app.yaml"), row.former)
			settings, err := app.Settings()
			if err != nil {
				t.Fatal(err)
			}
			settings.Port = 1
			if err := app.SaveSettings(settings); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, readTestFile(t, app.Path("app.yaml"))); diff != "" {
				t.Errorf("app.yaml (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSaveSettings_doesNotWriteWhatIsThereAlready(t *testing.T) {
	app := newApp(t, "web")
	writeTestFile(t, app.Path("app.yaml"), "domains: [A.example]\nenv: {}\n")
	before, err := os.Stat(app.Path("app.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := app.SaveSettings(Settings{Domains: []string{"a.EXAMPLE"}, Env: Env{}, Volumes: []string{}}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(app.Path("app.yaml"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("error %v; the file was replaced", err)
	}
}

func TestSaveSettings_refusesInvalidOnesAndKeepsTheFile(t *testing.T) {
	app := newApp(t, "web")
	writeTestFile(t, app.Path("app.yaml"), "port: 1\n")
	err := app.SaveSettings(Settings{Port: 70000})
	var invalid *Invalid
	if !errors.As(err, &invalid) || invalid.Key != "port" {
		t.Errorf("error %v (%T), want an *Invalid about port", err, err)
	}
	if diff := cmp.Diff("port: 1\n", readTestFile(t, app.Path("app.yaml"))); diff != "" {
		t.Errorf("app.yaml (-want +got):\n%s", diff)
	}
}

func TestSettings_defaultsFillOnlyWhatIsNotSet(t *testing.T) {
	got := Settings{Drain: For(0), Keep: 2}.WithDefaults()
	want := Settings{
		Replicas: 1, Drain: For(0), StopTimeout: For(10 * time.Second),
		Wait: For(10 * time.Minute), Keep: 2, Switch: "flag",
		HealthyFor: For(0), Passes: 1, CheckHook: "after", HookTimeout: For(5 * time.Minute),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestSettings_limitsInTheUnitsOfTheEngine(t *testing.T) {
	s := full()
	if got := s.MemoryBytes(); got != 512<<20 {
		t.Errorf("memory %d", got)
	}
	if got := s.NanoCPUs(); got != 1_500_000_000 {
		t.Errorf("cpus %d", got)
	}
	if diff := cmp.Diff([]string{"bin/server", "--port", "3000"}, s.Args()); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	none := Settings{}
	if none.MemoryBytes() != 0 || none.NanoCPUs() != 0 || none.Args() != nil || none.ReleaseArgs() != nil {
		t.Errorf("without limits: %d bytes, %d CPUs, command %q", none.MemoryBytes(), none.NanoCPUs(), none.Args())
	}
}
