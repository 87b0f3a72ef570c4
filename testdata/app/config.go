package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// config is what the environment asks for; doc.go describes each name.
type config struct {
	port      int
	listen    string
	version   string
	boot      time.Duration
	life      time.Duration // 0 is forever
	exitCode  int           // of ON_START=exit:N; -1 is no exit
	status    int
	dieAtOnce bool
	ids       string
	hostile   string // one of hostilities, or "logs"; "" for none
}

// never is the LISTEN of an app that runs and does not serve.
const never = "never"

// readConfig reads the settings through getenv, which is os.Getenv outside of
// tests. A value that makes no sense is an error: a test that misspells one
// must not pass by accident.
func readConfig(getenv func(string) string) (config, error) {
	or := func(name, fallback string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return fallback
	}
	c := config{listen: getenv("LISTEN"), version: or("VERSION", "v0"), exitCode: -1, ids: getenv("IDS"), hostile: getenv("HOSTILE")}
	if strings.ContainsAny(c.version, "/ \t\n") { // it names a file and stands in lines
		return config{}, fmt.Errorf("VERSION is %q, want one word without a slash", c.version)
	}
	var err error
	if c.port, err = number("PORT", or("PORT", "5000"), 0, 65535); err != nil {
		return config{}, err
	}
	if c.status, err = number("STATUS", or("STATUS", "200"), 200, 599); err != nil {
		return config{}, err
	}
	if c.boot, err = time.ParseDuration(or("BOOT", "0s")); err != nil {
		return config{}, fmt.Errorf("reading BOOT: %w", err)
	}
	if c.life, err = time.ParseDuration(or("LIFE", "0s")); err != nil {
		return config{}, fmt.Errorf("reading LIFE: %w", err)
	}
	if v := getenv("ON_START"); v != "" {
		code, ok := strings.CutPrefix(v, "exit:")
		if !ok {
			return config{}, fmt.Errorf("ON_START is %q, want exit:CODE", v)
		}
		if c.exitCode, err = number("ON_START", code, 0, 255); err != nil {
			return config{}, err
		}
	}
	if what, _, _ := strings.Cut(c.hostile, ":"); what != "" && what != "logs" && hostilities[what] == nil {
		return config{}, fmt.Errorf("HOSTILE is %q, want logs, headers, body, bomb or redirect:URL", c.hostile)
	}
	switch v := or("ON_TERM", "graceful"); v {
	case "graceful":
	case "exit":
		c.dieAtOnce = true
	default:
		return config{}, fmt.Errorf("ON_TERM is %q, want graceful or exit", v)
	}
	return c, nil
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %q, want a number from %d to %d", name, value, least, most)
	}
	return n, nil
}
