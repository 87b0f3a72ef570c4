package release

import (
	"reflect"
	"strings"
	"testing"
)

func FuzzParseEnv(f *testing.F) {
	f.Add([]byte("A=1\n# x\nB=\"q\"\r\n"))
	f.Add([]byte("\ufeffexport A=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, err := parseEnv(data)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, line := range Env(vars).List() {
			again.WriteString(line + "\n")
		}
		if err := (Settings{Env: vars}).Validate(); err != nil {
			t.Errorf("the variables are not valid: %v", err)
		}
		if got, err := parseEnv([]byte(again.String())); err != nil || !reflect.DeepEqual(vars, got) {
			t.Errorf("%q became %q, %v", vars, got, err)
		}
	})
}

func FuzzAppName(f *testing.F) {
	for _, name := range []string{"web", "Web_1", "../x", "a\n", strings.Repeat("-a", 30)} {
		f.Add(name)
	}
	store := &Store{root: "/srv/zdd"}
	f.Fuzz(func(t *testing.T, name string) {
		app, err := store.App(name)
		if err == nil {
			if app.Path() != "/srv/zdd/apps/"+name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Errorf("%q is valid", name)
			}
			return
		}
		if suggestion := err.(*InvalidName).Suggestion; suggestion != "" && checkName(suggestion) != nil {
			t.Errorf("for %q the name %q is suggested, which is not valid either", name, suggestion)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte("# x\nport: 3000 # y\nenv:\n  A: 'b'\n  B: |\n    c\n"), "value")
	f.Add(printed(full()), "a: b # c\n")
	f.Add([]byte("{port: 1}"), "")
	f.Add([]byte("domains: [a, \"*.b\"]\n...\n"), "- x")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		settings, invalid := parseSettings(data)
		if invalid != nil {
			return
		}
		if err := settings.Validate(); err != nil {
			t.Fatalf("what was read is not valid: %v", err)
		}
		wanted := settings.normal()
		wanted.Keep = 9
		wanted.Env = Env{"ADDED": value}
		if wanted.Validate() != nil {
			return
		}
		if _, err := rewrite(data, settings, wanted); err != nil {
			t.Errorf("%q cannot be written: %v", value, err)
		}
		if read, invalid := parseSettings(printed(settings)); invalid != nil || !reflect.DeepEqual(settings, read) {
			t.Errorf("%#v became %#v: %v", settings, read, invalid)
		}
	})
}
