package release

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvFile_takesValuesAsDockerDoes(t *testing.T) {
	file := newApp(t, "web").Path("env")
	writeTestFile(t, file, "\ufeff# comment\n\nA=1\n  B=two words \n\t# indented\nC=\"quoted\" # not a comment\nD=\nE=a=b\r\nA=again\nF=$A\\n")
	got, err := ReadEnvFile(file)
	want := map[string]string{"A": "again", "B": "two words ", "C": `"quoted" # not a comment`, "D": "", "E": "a=b", "F": `$A\n`}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, variables (-want +got):\n%s", err, diff)
	}
}

func TestReadEnvFile_errorsNameTheLineAndShowNoValue(t *testing.T) {
	for _, row := range []struct{ name, content, want string }{
		{"no assignment", "A=1\n\nsecret\n", ":3: a line has no ="},
		{"export", "export A=secret\n", ":1: a line begins with export"},
		{"blank before the sign", "A = secret\n", ":1: the name before = is not that of a variable"},
		{"no name", "=secret\n", ":1: the name before = is not that of a variable"},
		{"rest of a key", "KEY=x\nthe/secret==\n", ":2: the name before = is not that of a variable"},
		{"zero byte", "A=secret\x00\n", ":1: a value contains a zero byte"},
		{"not UTF-8", "A=secret\xff", ":1: a value is not valid UTF-8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := newApp(t, "web").Path("env")
			writeTestFile(t, file, row.content)
			_, err := ReadEnvFile(file)
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v, want an *Invalid", err)
			}
			if diff := cmp.Diff(file+row.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error()+invalid.Hint, "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestReadEnvFile_saysWhyAFileCannotBeRead(t *testing.T) {
	app := newApp(t, "web")
	for _, row := range []struct {
		path string
		want error
	}{
		{app.Path("missing"), os.ErrNotExist},
		{"/proc/self", nil},
	} {
		_, err := ReadEnvFile(row.path)
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.File != row.path || strings.Count(err.Error(), row.path) != 1 {
			t.Errorf("%s: error %v, want an *Invalid that names it once", row.path, err)
		}
	}
}

func TestEnv_valuesAreNeverShown(t *testing.T) {
	settings := Settings{Env: Env{"TOKEN": "secret"}}
	holder := Release{Env: Env{"TOKEN": "secret"}, Settings: settings}
	state := State{Deploy: &Journal{Settings: &settings}}
	var logged bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewJSONHandler(&logged, nil))} {
		logger.Info("x", "env", settings.Env, "settings", settings, "release", holder, "state", state, "journal", state.Deploy)
	}
	shown := map[string]string{"log": logged.String(), "masked": fmt.Sprint(map[string]string(holder.Masked().Env), map[string]string(holder.Masked().Settings.Env))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown[verb] = fmt.Sprintf(verb+verb+verb+verb, settings.Env, settings, holder, &holder)
	}
	for how, text := range shown {
		if strings.Contains(text, "secret") || strings.Contains(text, fmt.Sprintf("%x", "secret")) || strings.Contains(text, fmt.Sprintf("%q", "secret")) {
			t.Errorf("%s shows the value: %s", how, text)
		}
		if !strings.Contains(text, "TOKEN") {
			t.Errorf("%s hides the name: %s", how, text)
		}
	}
	if holder.Env["TOKEN"] != "secret" || settings.Env["TOKEN"] != "secret" {
		t.Error("masking changed the original")
	}
	if diff := cmp.Diff([]string{"A=1", "B=2"}, Env{"B": "2", "A": "1"}.List()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}
