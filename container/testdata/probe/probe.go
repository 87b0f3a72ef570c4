// Package probe is the app that package container's tests run: as a program in
// a real container, and as a function in the engine fake.
package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Run does what the first argument says until it is done; the result is the
// exit status. The end of term is its SIGTERM. The end of kill is the SIGKILL
// that a function, unlike a process, has to obey by itself.
//
//	serve              answers HTTP on host:PORT; GET /exit?code=N ends it
//	stubborn           serves and does not care for SIGTERM
//	say CODE LINE…     writes the lines, to stdout and stderr in turn, and ends
//	chatter BYTES      writes one line of that length without its end, and ends
//	dial ADDRESS       0 when something answers there, 7 when nothing does
//	env NAME           writes the variable
//	eat                takes memory until it is stopped
//	flood              writes without an end until it is stopped
//	listen ADDRESS…    listens at each of them until it is stopped
func Run(term, kill context.Context, host string, args, env []string, stdout, stderr io.Writer) int {
	switch args[0] {
	case "serve":
		return serve(term, net.JoinHostPort(host, lookup(env, "PORT")), stderr)
	case "stubborn":
		return serve(kill, net.JoinHostPort(host, lookup(env, "PORT")), stderr)
	case "say":
		return say(args[1:], stdout, stderr)
	case "chatter":
		length, _ := strconv.Atoi(args[1])
		_, _ = io.WriteString(stdout, strings.Repeat("x", length))
		return 0
	case "dial":
		return dial(term, args[1])
	case "env":
		fmt.Fprintln(stdout, lookup(env, args[1]))
		return 0
	case "eat":
		return eat(term)
	case "flood":
		return flood(term, stdout)
	case "listen":
		return listen(term, args[1:], stderr)
	default:
		fmt.Fprintf(stderr, "probe: no such thing: %q\n", args[0])
		return 64
	}
}

func serve(end context.Context, address string, stderr io.Writer) int {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(stderr, "probe:", err)
		return 1
	}
	exit := make(chan int, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/exit" {
			_, _ = io.WriteString(w, "ok\n")
			return
		}
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		select {
		case exit <- code:
		default:
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	select {
	case <-end.Done():
		return 0
	case code := <-exit:
		return code
	}
}

func say(args []string, stdout, stderr io.Writer) int {
	code, _ := strconv.Atoi(args[0])
	for i, line := range args[1:] {
		to := stdout
		if i%2 == 1 {
			to = stderr
			// The engine reads the two pipes one by one; only time keeps
			// their order.
			pause(20 * time.Millisecond)
		}
		fmt.Fprintln(to, line)
		pause(20 * time.Millisecond)
	}
	return code
}

func dial(ctx context.Context, address string) int {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return 7
	}
	_ = connection.Close()
	return 0
}

func eat(ctx context.Context) int {
	var eaten [][]byte
	for ctx.Err() == nil {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += os.Getpagesize() {
			piece[i] = 1
		}
		eaten = append(eaten, piece)
	}
	return len(eaten)
}

func flood(ctx context.Context, stdout io.Writer) int {
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for ctx.Err() == nil {
		if _, err := stdout.Write(line); err != nil {
			return 1
		}
	}
	return 0
}

func listen(ctx context.Context, addresses []string, stderr io.Writer) int {
	for _, address := range addresses {
		family := "tcp"
		if parsed, err := netip.ParseAddrPort(address); err == nil && parsed.Addr().Is4() {
			family = "tcp4" // or 0.0.0.0 would be [::]
		}
		listener, err := net.Listen(family, address)
		if err != nil {
			fmt.Fprintln(stderr, "probe:", err)
			return 1
		}
		defer listener.Close()
	}
	<-ctx.Done()
	return 0
}

func pause(duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	<-timer.C
}

func lookup(env []string, name string) string {
	for _, pair := range env {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}
