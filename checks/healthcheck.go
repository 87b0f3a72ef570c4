package checks

import (
	"slices"
	"time"
)

// What Docker uses for a HEALTHCHECK that does not say.
const (
	dockerInterval = 30 * time.Second
	dockerTimeout  = 30 * time.Second
	dockerRetries  = 3
)

// healthcheckName is what a HEALTHCHECK is called in messages.
const healthcheckName = "HEALTHCHECK"

// Healthcheck is a HEALTHCHECK of Docker as the text of an app.json, or nothing
// where test says that there is none. Test is as in an image's config: CMD and
// the words of a command, or CMD-SHELL and a line for the shell, which is
// /bin/sh -c if empty. Numbers that are not positive stand for Docker's
// defaults: an interval and a timeout of 30 seconds, 3 retries, and no start
// period. Durations are rounded up to seconds, and limited as in a file.
//
// The start period, in which failures do not count for Docker, becomes further
// attempts: zdd tries at once, and must not give up earlier.
func Healthcheck(test []string, shell []string, interval, timeout, startPeriod time.Duration, retries int) string {
	command := healthCommand(test, shell)
	if command == nil {
		return ""
	}
	if retries <= 0 {
		retries = dockerRetries
	}
	pace := Pace{Wait: limitedSeconds(interval, dockerInterval), Timeout: limitedSeconds(timeout, dockerTimeout)}
	started := limitedSeconds(startPeriod, 0)
	each := pace.Wait + pace.Timeout
	pace.Attempts = min(retries, MaxSetting) + int((started+each-1)/each)
	pace.Attempts = min(pace.Attempts, MaxSetting)
	check := Check{Line: 1, Kind: KindCommand, Name: healthcheckName, Command: command, Pace: &pace}
	content, _ := ToAppJSON(File{Checks: []Check{check}})
	return string(content)
}

// healthCommand is what a test runs, or nil.
func healthCommand(test, shell []string) []string {
	if len(test) < 2 {
		return nil
	}
	switch test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return slices.Concat(shell, test[1:])
	}
	return nil
}

// limitedSeconds is d in whole seconds, rounded up, and fallback for none.
func limitedSeconds(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	d = min(d, MaxSetting*time.Second)
	return time.Duration(wholeUp(d)) * time.Second
}
