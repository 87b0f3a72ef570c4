// Command zdd replaces a running web app by its next release without losing a
// request.
//
// This package is words in, words and exit code out: it reads the command
// line, wires the other packages together, and turns errors into exit codes.
// It alone knows about signals and makes contexts.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"zdd/console"
	"zdd/deploy"
	"zdd/hook"
)

// version is set by the build.
var version = "dev"

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is the whole program. The first signal cancels the command, which undoes
// what it did; the second one kills, for nothing catches it any more.
func run(args []string, stdout, stderr *os.File) int {
	// A reader that goes away ("zdd deploy … | head") must not kill a deploy.
	// To ignore the signal would make hooks ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	hook.Unmark()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup did that
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP) // a closing terminal sends it more than once
		stop()
	})

	z := &zdd{stdout: stdout, stderr: stderr}
	app := z.app()
	ordered, err := flagsFirst(app, args)
	if err != nil {
		z.open(commandOf(app, args[1:]), slices.ContainsFunc(args, isJSON))
		return int(z.exit(err))
	}
	err = app.RunContext(ctx, ordered)
	if err == nil && z.unknown != "" {
		err = unknownCommand(app, z.unknown)
	}
	return int(z.exit(err))
}

func isJSON(arg string) bool { return strings.TrimLeft(arg, "-") == "json" && isFlag(arg) }

// zdd is what the commands share.
type zdd struct {
	stdout, stderr *os.File
	console        *console.Console
	command        string // the one that runs
	unknown        string // what help was asked about, and does not exist
}

// app is the command line.
func (z *zdd) app() *cli.App {
	return &cli.App{
		Name:    "zdd",
		Usage:   "replace a running web app by its next release without losing a request",
		Version: version,
		Description: "zdd starts the new release beside the old one, checks it, moves nginx's traffic over, proves\n" +
			"that the move happened, waits until the old release has answered its last request, and\n" +
			"retires it. Whatever fails, the old release goes on serving.\n\n" +
			"   zdd deploy web ghcr.io/acme/web:1.4.2\n" +
			"   zdd rollback web\n\n" +
			"Exit codes:\n" +
			"     0  done: the new release answers through nginx, proven\n" +
			"     1  a fault of zdd or of the machine\n" +
			"     2  usage, bad settings, unknown image, full disk: nothing was started\n" +
			"     4  Docker or nginx cannot be reached\n" +
			"     5  the new release is not fit, the old one serves\n" +
			"     6  nginx did not take the change, the old release serves\n" +
			"     7  undoing failed, an operator is needed\n" +
			"     8  another command holds the app's lock\n" +
			"   130  interrupted, and undone",
		Flags:                     globalFlags(),
		Commands:                  z.commands(),
		Before:                    func(c *cli.Context) error { z.open(c.Args().First(), c.Bool("json")); return nil },
		Suggest:                   true,
		DisableSliceFlagSeparator: true, // --env LIST=a,b is one variable
		Writer:                    z.stdout,
		ErrWriter:                 z.stderr,
		OnUsageError:              wrongUsage,
		CommandNotFound:           func(_ *cli.Context, name string) { z.unknown = name },
		Action:                    helpOrUnknown,
		ExitErrHandler:            func(*cli.Context, error) {}, // exit codes are run's
	}
}

// open prepares the console, as soon as the global flags are known.
func (z *zdd) open(command string, json bool) {
	z.command = command
	live := term.IsTerminal(int(z.stderr.Fd())) && os.Getenv("TERM") != "dumb"
	width, height, err := term.GetSize(int(z.stderr.Fd()))
	if err != nil {
		width, height = 0, 0
	}
	z.console = console.New(console.Config{
		Out: lenient{z.stdout}, Err: lenient{z.stderr}, JSON: json,
		Live: live, Color: live && os.Getenv("NO_COLOR") == "", Width: width, Height: height,
	})
}

// lenient goes on when nobody reads any more.
type lenient struct{ io.Writer }

func (l lenient) Write(text []byte) (int, error) {
	_, _ = l.Writer.Write(text)
	return len(text), nil
}

// exit shows err and finds its exit code.
func (z *zdd) exit(err error) deploy.Exit {
	if z.console == nil {
		z.console = console.New(console.Config{Out: z.stdout, Err: z.stderr})
	}
	defer z.console.Close()
	if err == nil {
		return deploy.ExitDone
	}
	var failure *deploy.Error
	if !errors.As(err, &failure) {
		failure = &deploy.Error{Exit: deploy.ExitInternal, Err: err}
	}
	z.console.Failure(z.command, failure)
	return failure.Exit
}

// wrongUsage makes an error of the flag parser one of ours. Of a flag that
// does not exist it names the one that was probably meant.
func wrongUsage(c *cli.Context, err error, _ bool) error {
	wrong := usageError(c, "%w", err)
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown || c.Command == nil {
		return wrong
	}
	if meant := cli.SuggestFlag(c.Command.Flags, name, true); meant != "" {
		wrong.Hint = "did you mean " + meant + "? " + wrong.Hint
	}
	return wrong
}
