package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"zdd/checks"
	"zdd/container"
	"zdd/hook"
	"zdd/nginx"
	"zdd/release"
)

// Exit is the exit code of the process: a contract with scripts.
type Exit int

// The exit codes.
const (
	ExitDone        Exit = 0
	ExitInternal    Exit = 1   // a fault of zdd or of the machine under it
	ExitUsage       Exit = 2   // usage, bad settings, unknown image, full disk: nothing was started
	ExitUnreachable Exit = 4   // Docker or nginx cannot be reached
	ExitUnfit       Exit = 5   // the new release is not fit, the old one serves
	ExitRefused     Exit = 6   // nginx refused or did not take the change, the old release serves
	ExitIncomplete  Exit = 7   // undoing failed, an operator is needed
	ExitLocked      Exit = 8   // the lock is held by somebody else
	ExitInterrupted Exit = 130 // interrupted, and undone
)

// Error is a failure as an operator wants to read it: what happened, what
// serves now, what to do next.
type Error struct {
	Exit Exit
	// Step is where it happened; empty before the first one.
	Step Step
	Err  error
	// Serving says in words what serves now; empty where that was not touched.
	Serving string
	// Hint says what to do next.
	Hint string
	// Logs are the last log lines of the container that was not fit.
	Logs []string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// usage is a failure that changed nothing and that other words would mend.
func usage(hint, format string, args ...any) error {
	return &Error{Exit: ExitUsage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// unfit is a failure of the new release.
func unfit(hint string, err error) error {
	return &Error{Exit: ExitUnfit, Err: err, Hint: hint}
}

// incomplete is a failure that leaves something of the app undone.
func incomplete(app string, err error) *Error {
	return &Error{Exit: ExitIncomplete, Err: err, Hint: "mend what is named above, then run: zdd recover " + app}
}

// headline is err in one line, for the event of a step. The command's last
// event has it whole.
func headline(err error) string {
	var unfit *checks.Unfit
	if errors.As(err, &unfit) {
		return unfit.Headline()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// hints say what to do next where the failure itself does not know.
var hints = map[Exit]string{
	ExitUsage:       "mend what is named above, then run the command again",
	ExitUnreachable: "start what is named above, then run the command again",
	ExitUnfit:       "mend the release and deploy it again",
	ExitIncomplete:  "mend what is named above, then run: zdd recover",
	ExitRefused:     "mend what nginx names above, then run the command again",
	ExitLocked:      "run the command again later, or let it wait longer: --wait 30m",
	ExitInternal:    "mend what is named above, then run the command again",
}

// hinted is an error that knows what to do about it.
type hinted interface{ Hint() string }

// classify makes of any failure of a step the *Error that the operator reads:
// the exit code by the type of the error, never by its words.
func classify(ctx context.Context, err error, step Step) *Error {
	failure := &Error{Err: err, Exit: exitOf(err, step)}
	var known *Error
	if errors.As(err, &known) {
		*failure = *known
		failure.Err = err
	}
	if ctx.Err() != nil && failure.Exit != ExitIncomplete {
		failure.Exit, failure.Hint = ExitInterrupted, ""
		failure.Err = fmt.Errorf("interrupted in step %s", step)
	}
	failure.Step = step
	var helpful hinted
	if failure.Hint == "" && errors.As(err, &helpful) {
		failure.Hint = helpful.Hint()
	}
	var invalid *release.Invalid
	if failure.Hint == "" && errors.As(err, &invalid) {
		failure.Hint = invalid.Hint
	}
	var refused *nginx.Refused
	if failure.Hint == "" && errors.As(err, &refused) && refused.File != "" {
		failure.Hint = "look at " + refused.File + "; if a killed command left it like that: zdd recover"
	}
	if failure.Hint == "" && errors.Is(err, syscall.ENOSPC) {
		failure.Hint = "free some space on the disk that is named above, for example by: docker image prune"
	}
	if failure.Hint == "" {
		failure.Hint = hints[failure.Exit]
	}
	var notStarted *container.NotStarted
	if errors.As(err, &notStarted) {
		failure.Logs = notStarted.Logs
	}
	return failure
}

// Classify makes of a failure before the first step the *Error that the
// operator reads.
func Classify(ctx context.Context, err error) *Error { return classify(ctx, err, "") }

// ClassifyFor is Classify for a command about an app: it says what serves, as
// far as store and nginx know without the engine.
func ClassifyFor(ctx context.Context, err error, store *release.Store, proxy Proxy, app string) *Error {
	failure := Classify(ctx, err)
	m := New(Config{Store: store, Proxy: proxy}).newMove(release.KindRecover, app)
	if m.mustExist() == nil && m.readState() == nil {
		failure.Serving = m.serving(ctx)
	}
	return failure
}

// exitOf is the exit code where nothing was undone after the error.
func exitOf(err error, step Step) Exit {
	if is[*nginx.Unrestored](err) {
		return ExitIncomplete
	}
	return exitOfCause(err, step)
}

// undone makes the exit code that of the cause, once what nginx could not restore
// at first was undone after all.
func (e *Error) undone(ctx context.Context) {
	switch {
	case e.Exit != ExitIncomplete || !is[*nginx.Unrestored](e.Err):
	case ctx.Err() != nil:
		e.Exit, e.Hint = ExitInterrupted, ""
	default:
		e.Exit = exitOfCause(e.Err, e.Step)
		e.Hint = hints[e.Exit]
	}
}

func exitOfCause(err error, step Step) Exit {
	switch {
	case is[*release.Locked](err):
		return ExitLocked
	case is[*container.Unreachable](err), is[*nginx.Unreachable](err):
		return ExitUnreachable
	case is[*nginx.Refused](err), is[*nginx.NotTaken](err):
		return ExitRefused
	case isUsage(err):
		return ExitUsage
	case is[*checks.Unfit](err), is[*hook.Failed](err), is[*container.Exited](err), is[*container.NotStarted](err), is[*container.StillRunning](err):
		return ExitUnfit
	case step == StepSite, step == StepSwitch, step == StepVerify:
		return ExitRefused
	default:
		return ExitInternal
	}
}

// isUsage says whether other words or settings would mend the failure.
func isUsage(err error) bool {
	return is[*release.Invalid](err) || is[*release.InvalidName](err) || is[*release.NoRelease](err) ||
		is[*release.PoolFull](err) || is[*nginx.Invalid](err) || is[*checks.Invalid](err) ||
		is[*container.NoImage](err) || is[*container.PullFailed](err) || is[*container.PoolTaken](err) ||
		is[*container.InvalidSubnet](err) || is[*container.NameTaken](err) ||
		is[*hook.Unusable](err) || is[*container.NoBuilder](err) || is[*container.NoDockerfile](err) || is[*container.BuildFailed](err)
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
