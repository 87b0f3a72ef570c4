// The probe as a program, for an image FROM scratch.
package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"zdd/container/testdata/probe"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "family" {
		family()
		return
	}
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(probe.Run(term, context.Background(), "", os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// family starts a child, one in a session of its own, and waits for both. They
// do not care for signals that can be ignored.
func family() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGPIPE)
	child := exec.Command(os.Args[0], "flood")
	stranger := exec.Command(os.Args[0], "listen", "127.0.0.1:7001")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, one := range []*exec.Cmd{child, stranger} {
		one.Stdout = os.Stdout
		if err := one.Start(); err != nil {
			panic(err)
		}
	}
	_ = child.Wait()
	_ = stranger.Wait()
}
