// Command loadgen puts the load of package load on one address and tells what
// became of it. It stops on SIGINT or SIGTERM, or after --for, and then prints
// the report: for a person, or with --json as one JSON object. The exit code is
// 0 when nothing was lost, 1 when something was, 2 for a wrong use.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"zdd/testdata/load"
)

const (
	exitDone  = 0
	exitLost  = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	config, options, err := parse(args, errs)
	if err != nil {
		return exitUsage // parse has said why
	}
	r, err := load.Start(ctx, config)
	if err != nil {
		fmt.Fprintln(errs, "loadgen:", err)
		return exitUsage
	}
	r.Wait()
	report := r.Stop()
	ends := load.Comparison{}
	if options.ids != "" {
		if ends, err = report.Compare(options.ids); err != nil {
			fmt.Fprintln(errs, "loadgen:", err)
			return exitUsage
		}
	}
	if err := tell(out, report, ends, options); err != nil {
		fmt.Fprintln(errs, "loadgen:", err)
		return exitUsage
	}
	if report.Lost > 0 || !ends.Clean() {
		return exitLost
	}
	return exitDone
}

// options are what the command adds to the load.
type options struct {
	json bool
	ids  string
}

func parse(args []string, errs io.Writer) (load.Config, options, error) {
	var c load.Config
	var o options
	f := flag.NewFlagSet("loadgen", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&c.Address, "address", "", "IP:PORT to load, within 127.0.0.0/8")
	f.StringVar(&c.Host, "host", "", "Host header (default the address)")
	f.IntVar(&c.Clients, "clients", load.DefaultClients, "clients that post")
	f.IntVar(&c.Gets, "gets", 0, "clients that get")
	f.BoolVar(&c.Fresh, "fresh", false, "make a new connection for each request")
	trusted := f.String("tls", "", "speak HTTP/2 over TLS, and trust the certificates of this file (PEM)")
	f.DurationVar(&c.Pause, "pause", 0, "rest of each client between two requests")
	f.IntVar(&c.SlowUploads, "uploads", 0, "clients that upload slowly")
	f.IntVar(&c.SlowAnswers, "slow", 0, "clients that ask for slow answers")
	f.IntVar(&c.Streams, "streams", 0, "clients that follow a stream")
	f.IntVar(&c.Websockets, "websockets", 0, "clients that hold a websocket")
	f.DurationVar(&c.Limit, "for", load.DefaultLimit, "how long to send")
	allowed := f.String("allow", "", "releases that may answer, with commas between (default any)")
	f.StringVar(&o.ids, "ids", "", "folder in which the app records requests, to compare with")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	if err := f.Parse(args); err != nil {
		return c, o, err
	}
	if f.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", f.Arg(0))
		fmt.Fprintln(errs, "loadgen:", err)
		return c, o, err
	}
	if *allowed != "" {
		c.Allowed = strings.Split(*allowed, ",")
	}
	if *trusted != "" {
		var err error
		if c.TLS, err = trusting(*trusted); err != nil {
			fmt.Fprintln(errs, "loadgen:", err)
			return c, o, err
		}
	}
	if c.Clients == 0 { // told so: zero means the default only in the package
		c.Clients = -1
	}
	return c, o, nil
}

// trusting is a client that trusts the certificates in file.
func trusting(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading whom to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading whom to trust: no certificate in %q", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

func tell(out io.Writer, report load.Report, ends load.Comparison, o options) error {
	if o.json {
		return json.NewEncoder(out).Encode(report)
	}
	text := report.String()
	if o.ids != "" {
		text += "  " + ends.String() + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}
