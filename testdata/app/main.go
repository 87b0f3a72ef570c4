package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// Exit codes of the app itself, beside the one that ON_START asks for.
const (
	exitUsage = 2
	exitTerm  = 128 + int(syscall.SIGTERM) // as if the signal had killed it
)

func main() {
	if len(os.Args) > 1 {
		if code, known := command(os.Args[1:], os.Getenv, os.Stdout); known {
			os.Exit(code)
		}
	}
	os.Exit(run(os.Getenv, os.Stdout))
}

// run is the life of the app; it returns the exit code.
func run(getenv func(string) string, log io.Writer) int {
	c, err := readConfig(getenv)
	if err != nil {
		fmt.Fprintln(log, "app:", err)
		return exitUsage
	}
	if c.exitCode >= 0 {
		fmt.Fprintf(log, "%s: starting\n%s: reading settings\n%s: no database, exiting with %d\n",
			c.version, c.version, c.version, c.exitCode)
		return c.exitCode
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, os.Interrupt)

	if !boot(c, term, log) {
		return exitTerm
	}
	ids, err := openLedger(c.ids, c.version)
	if err != nil {
		fmt.Fprintln(log, "app:", err)
		return exitUsage
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(c.listen, strconv.Itoa(c.port)))
	if err != nil {
		fmt.Fprintln(log, "app:", err)
		return exitUsage
	}
	fmt.Fprintf(log, "%s: listening on %s\n", c.version, listener.Addr())
	return serve(c, listener, ids, term, log)
}

// boot waits as long as the app takes to start, and reports whether it is to
// go on: an app that never listens waits for its end here.
func boot(c config, term <-chan os.Signal, log io.Writer) bool {
	if c.listen == never {
		fmt.Fprintf(log, "%s: running without a port\n", c.version)
		<-term
		return false
	}
	select {
	case <-time.After(c.boot):
		return true
	case <-term:
		return false
	}
}

func serve(c config, listener net.Listener, ids *ledger, term <-chan os.Signal, log io.Writer) int {
	server := &http.Server{Handler: hostile(c.hostile, newHandler(c.version, c.status, ids))}
	if c.hostile == "logs" {
		go chatter(log)
	}
	broken := make(chan error, 1)
	go func() { broken <- server.Serve(listener) }()
	var death <-chan time.Time
	if c.life > 0 {
		death = time.After(c.life)
	}

	select {
	case err := <-broken:
		fmt.Fprintln(log, "app:", err)
		return exitUsage
	case <-death:
		fmt.Fprintf(log, "%s: out of memory, or something like that\n", c.version)
		return exitUsage
	case <-term:
	}
	if c.dieAtOnce {
		return exitTerm
	}
	fmt.Fprintf(log, "%s: finishing the requests in flight\n", c.version)
	// No limit of its own: how long it may take is what the one who sent the
	// signal decides.
	if err := server.Shutdown(context.Background()); err != nil {
		fmt.Fprintln(log, "app:", err)
		return exitUsage
	}
	return 0
}
