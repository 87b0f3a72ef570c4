package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// wordGroups are a command line taken apart.
type wordGroups struct {
	global  []string // flags of zdd itself, each followed by its value
	command string
	sub     string   // of a command that has some
	flags   []string // flags of the command
	rest    []string // its arguments
}

// flagsFirst puts the flags of a command line before its arguments, and the
// global ones before the command: urfave/cli stops looking for flags at the
// first argument, and people write them where they like. After "--" all are
// arguments. A flag that wants a value is never given another flag as one:
// where a value looks like a flag, it is written --name=value.
func flagsFirst(app *cli.App, args []string) ([]string, error) {
	w := wordGroups{command: commandOf(app, args[1:])}
	global, command := takesValue(app.Flags), flagsOf(app.Commands, w.command)
	subs := subcommands(app, w.command)
	named := false // the command was met
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			w.rest = append(w.rest, args[i+1:]...)
			break
		}
		if !isFlag(arg) {
			switch {
			case !named && arg == w.command:
				named = true
			case named && w.sub == "" && len(w.rest) == 0 && flagsOf(subs, arg) != nil:
				w.sub, command = arg, flagsOf(subs, arg)
			default:
				w.rest = append(w.rest, arg)
			}
			continue
		}
		flag, hasValue := flagName(arg)
		wants, isCommands := command[flag]
		wantsGlobal, isGlobal := global[flag]
		taken := []string{arg}
		if (wants || !isCommands && wantsGlobal) && !hasValue {
			value, err := valueOf(flag, args[i+1:], global, command)
			if err != nil {
				return nil, err
			}
			taken = append(taken, value)
			i++
		}
		if isGlobal && !isCommands {
			w.global = append(w.global, taken...)
		} else {
			w.flags = append(w.flags, taken...)
		}
	}
	if !named { // what looked like it was the value of a flag
		w.command = ""
	}
	return w.ordered(args[0]), nil
}

// ordered is the command line as urfave/cli reads it. Who asks for help gets
// it: arguments would be taken for the name of a command to explain.
func (w wordGroups) ordered(program string) []string {
	line := append([]string{program}, w.global...)
	if w.command != "" {
		line = append(line, w.command)
	}
	if w.sub != "" {
		line = append(line, w.sub)
	}
	line = append(line, w.flags...)
	if len(w.rest) == 0 || asksForHelp(w.flags) || asksForHelp(w.global) {
		return line
	}
	if w.command == "" || w.command == "help" || w.command == "h" { // whose argument is a command
		return append(line, w.rest...)
	}
	return append(append(line, "--"), w.rest...)
}

func asksForHelp(flags []string) bool {
	return slices.ContainsFunc(flags, func(arg string) bool {
		name, _ := flagName(arg)
		return isFlag(arg) && slices.Contains(cli.HelpFlag.Names(), name)
	})
}

// valueOf is the value of the flag that stands before following.
func valueOf(flag string, following []string, global, command map[string]bool) (string, error) {
	if len(following) == 0 || following[0] == "--" {
		return "", usageError(nil, "--%s wants a value", flag)
	}
	value := following[0]
	next, _ := flagName(value)
	if isFlag(value) && (known(global, next) || known(command, next)) {
		return "", usageError(nil, "--%s wants a value, and %s is a flag; write --%s=VALUE", flag, value, flag)
	}
	return value, nil
}

// commandOf is the first word that is a command's name, or else the first one
// that is no flag.
func commandOf(app *cli.App, args []string) string {
	first := ""
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if isFlag(arg) {
			continue
		}
		if flagsOf(app.Commands, arg) != nil || arg == "help" || arg == "h" {
			return arg
		}
		if first == "" {
			first = arg
		}
	}
	return first
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// flagName is the name in -name, --name and --name=value.
func flagName(arg string) (name string, hasValue bool) {
	name, _, hasValue = strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name, hasValue
}

func known(flags map[string]bool, name string) bool {
	_, ok := flags[name]
	return ok
}

// flagsOf are the flags of the command called name, nil where there is none.
func flagsOf(commands []*cli.Command, name string) map[string]bool {
	for _, command := range commands {
		if command.HasName(name) {
			return takesValue(command.Flags)
		}
	}
	return nil
}

func subcommands(app *cli.App, name string) []*cli.Command {
	for _, command := range app.Commands {
		if command.HasName(name) {
			return command.Subcommands
		}
	}
	return nil
}

// takesValue says for each name of flags whether a value follows it.
func takesValue(flags []cli.Flag) map[string]bool {
	names := map[string]bool{}
	for _, flag := range append(flags, cli.HelpFlag, cli.VersionFlag) {
		_, isBool := flag.(*cli.BoolFlag)
		for _, name := range flag.Names() {
			names[name] = !isBool
		}
	}
	return names
}
