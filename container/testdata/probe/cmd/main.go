// The probe as a program, for an image FROM scratch.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"zdd/container/testdata/probe"
)

func main() {
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(probe.Run(term, context.Background(), "", os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
