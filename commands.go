package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"zdd/container"
	"zdd/deploy"
	"zdd/nginx"
)

func (z *zdd) commands() []*cli.Command {
	commands := []*cli.Command{
		{
			Name: "deploy", Usage: "replace an app's live release by a new one",
			ArgsUsage: "APP IMAGE",
			Description: "zdd deploy web ghcr.io/acme/web:1.4.2 --domain www.example.com\n" +
				"zdd deploy web --build .\n\n" +
				"All flags but --pull and --build are remembered in the app's settings until they are given again.",
			Flags: deployFlags(), Action: z.deploy,
		},
		{
			Name: "rollback", Usage: "make an older release live again",
			ArgsUsage:   "APP [RELEASE]",
			Description: "zdd rollback web       the release that served before the live one\nzdd rollback web 12    release 12",
			Flags:       []cli.Flag{waitFlag()}, Action: z.rollback,
		},
		z.checkCommand(),
		z.checksCommand(),
		{
			Name: "status", Usage: "say what serves, of all apps or one",
			ArgsUsage: "[APP]", Description: "zdd status web", Action: z.status,
		},
		{
			Name: "history", Usage: "say what happened to an app",
			ArgsUsage: "APP", Description: "zdd history web", Action: z.history,
		},
		{
			Name: "recover", Usage: "finish or undo what an interrupted command left",
			ArgsUsage: "[APP]", Description: "zdd recover        all apps\nzdd recover web", Action: z.recover,
		},
		{
			Name: "remove", Usage: "take an app off this host: its site, containers, images and folder",
			ArgsUsage: "APP", Description: "zdd remove web --yes",
			Flags:  []cli.Flag{waitFlag(), &cli.BoolFlag{Name: "yes", Usage: "do not ask, on a terminal"}},
			Action: z.remove,
		},
		{
			Name: "setup", Usage: "use the distribution's nginx, or start zdd's own at boot",
			Description: "zdd setup              adds one file to the distribution's nginx that includes zdd's sites\n" +
				"zdd setup --systemd    lets systemd start an nginx of zdd's own at boot\n" +
				"zdd setup --undo, zdd setup --systemd --undo    take it back",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "systemd", Usage: "write and enable a systemd unit for zdd's own nginx"},
				&cli.StringFlag{Name: "unit-dir", DefaultText: nginx.DefaultUnitDir, Usage: "write the unit into `FOLDER`, as for an image"},
				&cli.StringFlag{Name: "nginx-conf", Usage: "the distribution's main configuration `FILE` (default: the one that nginx was built with)"},
				&cli.BoolFlag{Name: "undo", Usage: "take back what the same command without --undo did"},
			},
			Action: z.setup,
		},
		{Name: "version", Usage: "say which zdd this is", Action: z.version},
	}
	for _, command := range commands {
		command.OnUsageError = wrongUsage
		command.HideHelpCommand = true
	}
	return commands
}

// helpOrUnknown is what zdd does without a command that it knows.
func helpOrUnknown(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return unknownCommand(c.App, name)
	}
	return cli.ShowAppHelp(c)
}

func unknownCommand(app *cli.App, name string) error {
	wrong := usageError(nil, "there is no command %q", name)
	meant := cli.SuggestCommand(app.Commands, name)
	if slices.ContainsFunc(app.Commands, func(command *cli.Command) bool { return strings.Contains(meant, strconv.Quote(command.Name)) }) {
		wrong.Hint = strings.ToLower(meant[:1]) + meant[1:] + " " + wrong.Hint
	}
	return wrong
}

// arguments returns the command's arguments, of which there must be from least
// to most.
func arguments(c *cli.Context, least, most int) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) < least:
		return nil, usageError(c, "%s wants: %s %s", c.Command.Name, c.Command.HelpName, c.Command.ArgsUsage)
	case len(args) > most:
		return nil, usageError(c, "%s wants no more than: %s; %q is too much", c.Command.Name, strings.TrimSpace(c.Command.HelpName+" "+c.Command.ArgsUsage), args[most])
	}
	return append(args, make([]string, most-len(args))...), nil
}

func (z *zdd) deploy(c *cli.Context) error {
	wanted := 2
	if c.String("build") != "" {
		wanted = 1
		if c.NArg() == 2 {
			return usageError(c, "IMAGE and --build: one of them, not both")
		}
	}
	args, err := arguments(c, wanted, wanted)
	if err != nil {
		return err
	}
	request := deploy.Request{App: args[0], BuildDir: c.String("build"), Pull: container.PullPolicy(c.String("pull"))}
	if request.BuildDir == "" {
		request.Image = args[1]
	}
	switch request.Pull {
	case container.PullMissing, container.PullAlways, container.PullNever:
	default:
		return usageError(c, "--pull %q: must be missing, always or never", request.Pull)
	}
	if request.Change, err = change(c); err != nil {
		return err
	}
	request.Wait = wait(c)
	d, err := z.deployer(c, "deploy "+strings.Join(args, " "))
	if err != nil {
		return err
	}
	_, err = d.Deploy(c.Context, request)
	return err
}

func (z *zdd) rollback(c *cli.Context) error {
	args, err := arguments(c, 1, 2)
	if err != nil {
		return err
	}
	number := 0
	if args[1] != "" {
		if number, err = strconv.Atoi(args[1]); err != nil || number < 1 {
			return usageError(c, "RELEASE %q: must be a number, as in: zdd history %s", args[1], args[0])
		}
	}
	d, err := z.deployer(c, strings.TrimSpace("rollback "+strings.Join(args, " ")))
	if err != nil {
		return err
	}
	_, err = d.Rollback(c.Context, args[0], number, wait(c))
	return err
}

func (z *zdd) status(c *cli.Context) error {
	args, err := arguments(c, 0, 1)
	if err != nil {
		return err
	}
	d, err := z.deployer(c, "status")
	if err != nil {
		return err
	}
	if args[0] == "" {
		statuses, err := d.Status(c.Context)
		if err == nil {
			z.console.Statuses(statuses)
		}
		return err
	}
	statuses, err := d.Status(c.Context, args[0])
	if err == nil {
		z.console.Status(statuses[0])
	}
	return err
}

func (z *zdd) history(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	store, err := open(c)
	if err != nil {
		return deploy.Classify(c.Context, err)
	}
	entries, err := deploy.New(deploy.Config{Store: store}).History(c.Context, args[0])
	if err == nil {
		z.console.History(entries)
	}
	return err
}

func (z *zdd) recover(c *cli.Context) error {
	args, err := arguments(c, 0, 1)
	if err != nil {
		return err
	}
	d, err := z.deployer(c, strings.TrimSpace("recover "+args[0]))
	if err != nil {
		return err
	}
	apps := []string{args[0]}
	if args[0] == "" {
		if apps, err = d.Store.Apps(); err != nil {
			return deploy.Classify(c.Context, err)
		}
	}
	if args[0] != "" {
		_, err := d.Recover(c.Context, args[0])
		return err
	}
	return z.recoverAll(c.Context, d, apps)
}

// recoverAll goes through all apps past failures, each of which it shows. The
// exit code is the gravest.
func (z *zdd) recoverAll(ctx context.Context, d *deploy.Deployer, apps []string) error {
	var broken []string
	worst := deploy.ExitDone
	for _, app := range apps {
		_, err := d.Recover(ctx, app)
		var failure *deploy.Error
		if errors.As(err, &failure) {
			z.console.Failure("recover", failure)
			broken, worst = append(broken, app), max(worst, failure.Exit)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return &deploy.Error{Exit: worst, Err: fmt.Errorf("not in order: %s", strings.Join(broken, ", ")), Hint: "see above"}
}

func (z *zdd) remove(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	d, err := z.deployer(c, "remove "+args[0])
	if err != nil {
		return err
	}
	if !c.Bool("yes") && term.IsTerminal(int(os.Stdin.Fd())) && !z.confirm(args[0]) {
		return usageError(c, "%s was not removed", args[0])
	}
	_, err = d.Remove(c.Context, args[0], wait(c))
	return err
}

// confirm asks whether an app is really to be removed.
func (z *zdd) confirm(app string) bool {
	fmt.Fprintf(z.stderr, "Remove %s with its site, containers, images and settings? Type its name: ", app)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err == nil && strings.TrimSpace(answer) == app
}

func (z *zdd) version(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	z.console.Version(version)
	return nil
}

// wait is the --wait that was given, nil for none.
func wait(c *cli.Context) *time.Duration {
	if !c.IsSet("wait") {
		return nil
	}
	limit := c.Duration("wait")
	return &limit
}
