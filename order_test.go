package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zdd/deploy"
)

// words splits a line of a table; no argument in these has a space.
func words(line string) []string { return strings.Fields(line) }

// ordered is what flagsFirst makes of a command line.
func ordered(line ...string) ([]string, error) {
	return flagsFirst((&zdd{}).app(), append([]string{"zdd"}, line...))
}

func TestFlagsFirst_putsFlagsWhereTheParserFindsThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, line, want string }{
		{"nothing", "", "zdd"},
		{"no flags", "deploy web img", "zdd deploy -- web img"},
		{"before the arguments", "deploy --port 5000 web img", "zdd deploy --port 5000 -- web img"},
		{"after the arguments", "deploy web img --port 5000", "zdd deploy --port 5000 -- web img"},
		{"among the arguments", "deploy web --port 5000 img", "zdd deploy --port 5000 -- web img"},
		{"with an equals sign", "deploy web img --port=5000 --env=A=1", "zdd deploy --port=5000 --env=A=1 -- web img"},
		{"with one dash", "deploy web img -port 5000", "zdd deploy -port 5000 -- web img"},
		{"an empty value", "deploy web img --user=", "zdd deploy --user= -- web img"},
		{"repeated, in their order", "deploy --env A=1 web --env B=2 img --env A=3", "zdd deploy --env A=1 --env B=2 --env A=3 -- web img"},
		{"a switch takes no value", "remove --yes web", "zdd remove --yes -- web"},
		{"a switch with one", "remove web --yes=false", "zdd remove --yes=false -- web"},
		{"a switch of the command before it", "--yes remove web", "zdd remove --yes -- web"},
		{"global, before the command", "--root /r --json status web", "zdd --root /r --json status -- web"},
		{"global, after the command", "status --json web --root /r", "zdd --json --root /r status -- web"},
		{"global, after all else", "deploy web img --port 5000 --root=/r", "zdd --root=/r deploy --port 5000 -- web img"},
		{"global, without a command", "--root /r", "zdd --root /r"},
		{"the command's name again", "deploy deploy deploy", "zdd deploy -- deploy deploy"},
		{"an argument after two dashes", "history -- --json", "zdd history -- --json"},
		{"flags before two dashes", "deploy --port 1 -- -web --port 2", "zdd deploy --port 1 -- -web --port 2"},
		{"two dashes twice", "deploy -- web -- img", "zdd deploy -- web -- img"},
		{"one dash alone is an argument", "deploy web -", "zdd deploy -- web -"},
		{"help of a command", "deploy --help", "zdd deploy --help"},
		{"help after the arguments", "deploy web img -h", "zdd deploy -h"},
		{"the version", "--version", "zdd --version"},
		{"an unknown flag takes no value", "deploy --colour web img", "zdd deploy --colour -- web img"},
		{"an unknown flag with a value", "deploy web img --colour=red", "zdd deploy --colour=red -- web img"},
		{"an unknown command", "deplyo web --port 5000", "zdd deplyo --port -- web 5000"},
		{"a value that is a negative number", "deploy web img --port -1", "zdd deploy --port -1 -- web img"},
		{"a value with dashes", "deploy web img --command -serve", "zdd deploy --command -serve -- web img"},
		{"a value like a flag, with an equals sign", "deploy web img --command=--json", "zdd deploy --command=--json -- web img"},
		{"a value that is an argument's name", "deploy --build web web", "zdd deploy --build web -- web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ordered(words(tt.line)...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(words(tt.want), got); diff != "" {
				t.Errorf("zdd %s (-want +got):\n%s", tt.line, diff)
			}
		})
	}
}

func TestFlagsFirst_keepsAnEmptyArgument(t *testing.T) {
	t.Parallel()
	got, err := ordered("deploy", "web", "", "--user", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"zdd", "deploy", "--user", "", "--", "web", ""}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFlagsFirst_neverTakesAFlagForAValue wants an error where a value is
// missing: what stands next, or is put next, would become the value.
func TestFlagsFirst_neverTakesAFlagForAValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, line, says string }{
		{"another flag of the command", "deploy web img --domain --port 5000", "--domain"},
		{"the same flag", "deploy web img --env --env A=1", "--env"},
		{"a global flag", "deploy web img --user --json", "--user"},
		{"a flag with a value", "deploy web img --user --port=1", "--user"},
		{"help", "deploy web img --user --help", "--user"},
		{"after a global one", "--root --json status", "--root"},
		{"the end of the line", "deploy web img --command", "--command"},
		{"the end of the line, one dash", "deploy web img -command", "--command"},
		{"the end of the line, a global one", "status --root", "--root"},
		{"two dashes", "deploy --command -- web img", "--command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ordered(words(tt.line)...)
			if err == nil {
				t.Fatalf("zdd %s was read as %q, want an error", tt.line, got)
			}
			var failure *deploy.Error
			if !errors.As(err, &failure) || failure.Exit != deploy.ExitUsage || failure.Hint == "" {
				t.Errorf("error %#v, want one of usage with a hint", err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q, want it to say %q", err, tt.says)
			}
		})
	}
}
