package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// command does what the app's arguments ask for, and returns the exit code. Of
// other arguments than these the app takes no notice.
func command(args []string, getenv func(string) string, out io.Writer) (code int, known bool) {
	switch {
	case args[0] == "health":
		return health(getenv, out), true
	case args[0] == "exit" && len(args) == 2:
		code, err := strconv.Atoi(args[1])
		if err != nil {
			return exitUsage, true
		}
		fmt.Fprintf(out, "asked to exit with %d\n", code)
		return code, true
	}
	return 0, false
}

// health asks the app in the same container how it is.
func health(getenv func(string) string, out io.Writer) int {
	c, err := readConfig(getenv)
	if err != nil {
		fmt.Fprintln(out, "app:", err)
		return exitUsage
	}
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", c.port))
	if err != nil {
		fmt.Fprintln(out, "unhealthy:", err)
		return 1
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintln(out, "unhealthy:", response.Status)
		return 1
	}
	fmt.Fprintln(out, "healthy")
	return 0
}
