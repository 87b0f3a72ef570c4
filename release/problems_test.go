package release

import (
	"errors"
	"strings"
	"testing"
)

func TestValidate_refusesDomainsThatAreNone(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 4)
	for _, row := range []struct{ domain, hint string }{
		{"", "letters"}, {".", "dot at the end"}, {"*", "letters"}, {"*.", "dot at the end"}, {"a..b", "letters"}, {".a", "letters"}, {"a.", "dot at the end"},
		{"a b", "letters"}, {"a\tb", "letters"}, {"a.example\n", "letters"}, {"a.example\x00", "letters"},
		{"a.example;", "letters"}, {"a{}", "letters"}, {"$host", "letters"}, {"~^.*$", "letters"}, {`"a"`, "letters"}, {"'a'", "letters"}, {"a#b", "letters"}, {`a\b`, "letters"},
		{"*a.example", "letters"}, {"a.*.example", "letters"}, {"*.*.example", "letters"}, {"a.*", "letters"}, {"_", "letters"}, {"a_b.example", "letters"},
		{"-a.example", "letters"}, {"a-.example", "letters"}, {strings.Repeat("a", 64) + ".example", "letters"}, {long + "example", "253"},
		{"10.0.0.1", "address"}, {"::1", "address"}, {"[::1]", "address"}, {"127.1", "number"}, {"0x7f.0x1", "number"}, {"*.1.2", "number"}, {"2130706433", "number"},
		{"https://a.example", "without https"}, {"a.example:8080", "port"}, {"a.example/x", "letters"}, {"bücher.example", "xn--bcher-kva.example"}, {"a\u2024example", "ASCII"},
	} {
		err := Settings{Domains: []string{"ok.example", row.domain}}.Validate()
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Key != "domains[1]" || !strings.Contains(invalid.Hint, row.hint) {
			t.Errorf("%q: %+v, want an *Invalid with a hint about %q", row.domain, invalid, row.hint)
		}
	}
	for _, domain := range []string{"localhost", "a", "www.Example.COM", "*.example.com", "xn--bcher-kva.example", "1.example", "a--b.c1", long[:len(long)-3]} {
		if err := (Settings{Domains: []string{domain}}).Validate(); err != nil {
			t.Errorf("%q: %v", domain, err)
		}
	}
}

func TestValidate_refusesValuesThatMeanSomethingElse(t *testing.T) {
	for _, row := range []struct {
		key    string
		values []string
		set    func(*Settings, string)
	}{
		{"volumes[0]", []string{"", "data", "/data", "data:rel", "data:/", "data:/x:rw", "data:/x:ro:z", "../x:/x", "/a/../b:/x", "-x:/x", ":/x", "data:", "a:/x\n", "a,b:/x"},
			func(s *Settings, v string) { s.Volumes = []string{v} }},
		{"networks[0]", []string{"", "host", "none", "container:x", "a b", "-a", "a\n"},
			func(s *Settings, v string) { s.Networks = []string{v} }},
		{"memory", []string{"x", "-1g", "5m", "1 000m", "512 x"}, func(s *Settings, v string) { s.Memory = v }},
		{"cpus", []string{"0", "0.0", "-1", "1e3", "1/2", "1.", ".5", "two", "0x2"}, func(s *Settings, v string) { s.CPUs = v }},
		{"user", []string{"a b", "a:b:c", ":x", "x:", "-x", "a\n"}, func(s *Settings, v string) { s.User = v }},
		{"command", []string{" ", "'open", `end\`, "a\x00b"}, func(s *Settings, v string) { s.Command = v }},
		{"release_command", []string{`"open`}, func(s *Settings, v string) { s.ReleaseCommand = v }},
		{"healthcheck", []string{" ", "a\nb"}, func(s *Settings, v string) { s.Healthcheck = v }},
		{"check_hook", []string{"before", "After"}, func(s *Settings, v string) { s.CheckHook = v }},
		{"body_size", []string{"-1", "10mb", "1.5m", "10m;", "10 m", "$x"}, func(s *Settings, v string) { s.BodySize = v }},
		{"trusted_proxies[0]", []string{"", "all", "10.0.0.1/8", "fe80::1%eth0", "10.0.0.0/33", "unix:", "10.0.0.1;"},
			func(s *Settings, v string) { s.TrustedProxies = []string{v} }},
		{"switch", []string{"Flag", "flag "}, func(s *Settings, v string) { s.Switch = v }},
		{"https", []string{"on"}, func(s *Settings, v string) { s.HTTPS = v }},
		{"site", []string{"mine"}, func(s *Settings, v string) { s.Site = v }},
		{"env_file", []string{"a\nb", "a\x00"}, func(s *Settings, v string) { s.EnvFile = v }},
		{"checks", []string{"a\x00"}, func(s *Settings, v string) { s.Checks = v }},
		{"env.A", []string{"a\x00secret", "\xffsecret"}, func(s *Settings, v string) { s.Env = Env{"A": v} }},
	} {
		for _, value := range row.values {
			var settings Settings
			row.set(&settings, value)
			err := settings.Validate()
			var invalid *Invalid
			if !errors.As(err, &invalid) || invalid.Key != row.key {
				t.Errorf("%s %q: error %v, want an *Invalid about it", row.key, value, err)
			} else if strings.Contains(err.Error()+invalid.Hint, "secret") {
				t.Errorf("%s: the error shows the value: %v", row.key, err)
			}
		}
	}
}

func TestValidate_refusesNumbersOutOfRange(t *testing.T) {
	for _, settings := range []Settings{{Port: -1}, {Port: 65536}, {Replicas: 101}, {Replicas: -1}, {Keep: -1}, {Drain: For(-1)}, {StopTimeout: For(-1)}, {Wait: For(-1)}, {ReadTimeout: For(0)}} {
		if err := settings.Validate(); err == nil {
			t.Errorf("%+v is valid", settings)
		}
	}
	for _, name := range []string{"", "1A", "A-B", "A B", "A=B", "A\n", "é"} {
		if err := (Settings{Env: Env{name: "x"}}).Validate(); err == nil {
			t.Errorf("variable %q is valid", name)
		}
	}
}
