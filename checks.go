package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"zdd/checks"
	"zdd/deploy"
)

// checkCommand is check, which asks and changes nothing.
func (z *zdd) checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "run an app's checks against its live release, or any checks against a URL",
		ArgsUsage: "[APP]",
		Description: "zdd check web                                             each check once, at each replica and through nginx\n" +
			"zdd check --url http://127.0.0.1:3000 --checks CHECKS     until all have passed, or the file's time is up\n\n" +
			"It changes nothing, whatever the checks say, and runs no hook. Exit code 5 says that a check did not pass.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "url", Usage: "check what answers at `URL`, in place of an app"},
			&cli.StringFlag{Name: "checks", DefaultText: "/ must answer with less than 500", Usage: "CHECKS or app.json `FILE` for --url"},
		},
		Action: z.check,
	}
}

// checksCommand is about files of checks, and has commands of its own.
func (z *zdd) checksCommand() *cli.Command {
	command := &cli.Command{
		Name: "checks", Usage: "look for mistakes in a file of checks, or convert one",
		ArgsUsage: "lint|convert FILE",
		Description: "A release is checked by the first that there is of: the file that --checks names; CHECKS in the\n" +
			"app's folder; CHECKS in the image's working directory, or in its /; app.json with healthchecks in the\n" +
			"same places; --healthcheck, or the image's HEALTHCHECK; else / must answer with less than 500.",
		Subcommands: []*cli.Command{
			{
				Name: "lint", Usage: "say what is wrong with a CHECKS file or an app.json, line by line",
				ArgsUsage: "FILE", Description: "zdd checks lint CHECKS\nzdd checks lint - < app.json\n\nExit code 2 says that there is an error.",
				Action: z.lint,
			},
			{
				Name: "convert", Usage: "write a CHECKS file as app.json, or an app.json as CHECKS",
				ArgsUsage: "FILE", Description: "zdd checks convert CHECKS > app.json\n\nWhat the other format cannot say is told on stderr.",
				Action: z.convert,
			},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError(c, "checks has no command %q", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
	for _, sub := range command.Subcommands {
		sub.OnUsageError = wrongUsage
		sub.HideHelpCommand = true
	}
	return command
}

func (z *zdd) check(c *cli.Context) error {
	args, err := arguments(c, 0, 1)
	switch {
	case err != nil:
		return err
	case args[0] != "" && c.String("url") != "":
		return usageError(c, "APP and --url: one of them, not both")
	case c.String("url") != "":
		return z.checkURL(c)
	case args[0] == "":
		return usageError(c, "check wants: zdd check APP, or zdd check --url URL")
	case c.String("checks") != "":
		return usageError(c, "--checks is for --url: an app's live release has checks of its own")
	}
	d, err := z.deployer(c, "check "+args[0])
	if err != nil {
		return err
	}
	z.console.Begin(deploy.StepCheck)
	checkup, err := d.Check(c.Context, args[0])
	z.console.Checkup(checkup)
	if checkup.Unfinished != "" {
		z.console.Warn(args[0] + ": " + checkup.Unfinished)
	}
	return err
}

// checkURL runs checks against anything that speaks HTTP.
func (z *zdd) checkURL(c *cli.Context) error {
	target, err := urlTarget(c)
	if err != nil {
		return err
	}
	file := checks.Default()
	if name := c.String("checks"); name != "" {
		if file, err = z.readChecks(c, name); err != nil {
			return err
		}
	}
	for _, check := range file.Checks {
		if check.Kind == checks.KindCommand || check.Kind == checks.KindUptime {
			return usageError(c, "%s: %s needs a container, which --url does not name", check.Where(file.Source), check.Raw)
		}
	}
	z.console.Begin(deploy.StepCheck)
	report := checks.Run(c.Context, file, []checks.Target{target}, checks.Options{
		Observe: func(p checks.Progress) { z.console.Progress(deploy.StepCheck, p.String()) },
	})
	if c.Context.Err() != nil {
		return &deploy.Error{Exit: deploy.ExitInterrupted, Step: deploy.StepCheck, Err: errors.New("interrupted in step check"), Hint: "nothing was changed"}
	}
	z.console.Report(report)
	if err := report.Err(); err != nil {
		return &deploy.Error{Exit: deploy.ExitUnfit, Err: err, Hint: "mend what answers at " + c.String("url") + ", or the checks"}
	}
	return nil
}

// urlTarget is what answers at --url. A path would be lost: the checks have
// their own.
func urlTarget(c *cli.Context) (checks.Target, error) {
	u, err := url.Parse(c.String("url"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return checks.Target{}, usageError(c, "--url %q: write it like http://127.0.0.1:3000", c.String("url"))
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return checks.Target{}, usageError(c, "--url %q: leave out what is more than scheme, host and port; the checks have the paths", c.String("url"))
	}
	port := u.Port()
	if number, err := strconv.Atoi(port); port != "" && (err != nil || number < 1 || number > 65535) {
		return checks.Target{}, usageError(c, "--url %q: %s is no port", c.String("url"), port)
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	target := checks.Target{Name: u.Host, Address: net.JoinHostPort(u.Hostname(), port), Host: u.Host}
	if u.Scheme == "https" {
		target.HTTPS, target.TLS = true, &tls.Config{}
	}
	return target, nil
}

func (z *zdd) lint(c *cli.Context) error {
	name, content, err := checksFile(c)
	if err != nil {
		return err
	}
	file, problems := checks.Read(name, content)
	z.console.Lint(file, problems)
	if checks.Errors(name, problems) != nil {
		return &deploy.Error{
			Exit: deploy.ExitUsage, Err: fmt.Errorf("%s cannot be used: a deploy with it would be refused", name),
			Hint: "mend the lines with an error above",
		}
	}
	return nil
}

func (z *zdd) convert(c *cli.Context) error {
	name, content, err := checksFile(c)
	if err != nil {
		return err
	}
	file, problems := checks.Read(name, content)
	if err := checks.Errors(name, problems); err != nil {
		return deploy.Classify(c.Context, err)
	}
	format, convert := "app.json", checks.ToAppJSON
	if checks.IsAppJSON(content) {
		format, convert = "CHECKS", checks.ToCHECKS
	}
	converted, notes := convert(file)
	z.console.Converted(name, format, converted, append(problems, notes...))
	return nil
}

// readChecks reads a file that is to be used, and tells of its warnings.
func (z *zdd) readChecks(c *cli.Context, name string) (checks.File, error) {
	content, err := readLimited(c.Context, name)
	if err != nil {
		return checks.File{}, unreadable(c, err)
	}
	file, problems := checks.Read(name, content)
	if err := checks.Errors(name, problems); err != nil {
		return file, deploy.Classify(c.Context, err)
	}
	for _, problem := range problems {
		z.console.Warn(name + ": " + problem.String())
	}
	return file, nil
}

// checksFile is the file that a command names; "-" is standard input.
func checksFile(c *cli.Context) (name string, content []byte, err error) {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return "", nil, err
	}
	name = args[0]
	if name == "-" {
		name = "stdin"
	}
	content, err = readLimited(c.Context, args[0])
	if err != nil {
		return "", nil, unreadable(c, err)
	}
	return name, content, nil
}

func unreadable(c *cli.Context, err error) error {
	if c.Context.Err() != nil {
		return &deploy.Error{Exit: deploy.ExitInterrupted, Err: errors.New("interrupted while reading the checks"), Hint: "nothing was changed"}
	}
	return usageError(c, "reading the checks: %w", err)
}

// readLimited reads as much of a file, or of standard input for "-", as tells
// that it is too large. A pipe that nobody writes into is left at an interrupt.
func readLimited(ctx context.Context, name string) ([]byte, error) {
	type answer struct {
		content []byte
		err     error
	}
	read := make(chan answer, 1)
	go func() {
		file := os.Stdin
		if name != "-" {
			var err error
			if file, err = os.Open(name); err != nil {
				read <- answer{nil, err}
				return
			}
			defer file.Close()
		}
		content, err := io.ReadAll(io.LimitReader(file, checks.MaxSize+1))
		read <- answer{content, err}
	}()
	select {
	case a := <-read:
		return a.content, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
