package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The limits of a hook that are used where a Command has none.
const (
	DefaultLimit = 5 * time.Minute
	DefaultGrace = 5 * time.Second
)

// Command is a hook to be run.
type Command struct {
	// Path of the program, absolute.
	Path string
	// Dir is the working directory; "" is that of this process.
	Dir string
	// Env are NAME=value, added to the environment of this process; of two for
	// one name the later one wins.
	Env []string
	// Limit is how long the hook may take; 0 means DefaultLimit.
	Limit time.Duration
	// Grace is how long it gets between SIGTERM and SIGKILL; 0 means DefaultGrace.
	Grace time.Duration
	// Output gets what the hook writes to stdout and stderr, as it comes and from
	// one goroutine. Its errors are ignored; nil drops everything.
	Output io.Writer
	// Owner says whose hook this is, to KillLeft. KillLeft cannot know which
	// children a hook left on purpose: an Owner that names one deploy keeps it
	// away from those of other deploys.
	Owner string
}

// errLimit is why a context ended that had no other reason to.
var errLimit = errors.New("the hook's limit is over")

// Run runs the hook, and returns when it and its output have ended. Its standard
// input is empty. The error is
//
//   - nil for exit code 0,
//   - *Failed for any other end, and for one that Limit brought about,
//   - *Unusable when the program cannot be run,
//   - one that wraps context.Cause(ctx) when ctx ended before the hook did.
//
// When processes of the hook are left that cannot be killed, *Unkilled is
// wrapped as well.
func (c Command) Run(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, c.limit(), errLimit)
	defer stop()
	if ctx.Err() != nil {
		return c.cancelled(ctx)
	}
	hook, err := c.start()
	if err != nil {
		return err
	}
	if hook.endsBefore(ctx) {
		return c.verdict(hook.finish())
	}
	unkilled := hook.terminate(c.grace())
	failed := hook.finish()
	if context.Cause(ctx) != errLimit {
		return with(c.cancelled(ctx), unkilled)
	}
	failed.TimedOut = true
	return with(failed, unkilled)
}

// start begins the hook; the error is an *Unusable where it cannot be run.
func (c Command) start() (*running, error) {
	if err := c.checkDir(); err != nil {
		return nil, err
	}
	run, err := newRun()
	if err != nil {
		return nil, err
	}
	out, in, err := newOutput(c.Output)
	if err != nil {
		return nil, fmt.Errorf("opening a pipe for hook %q: %w", c.name(), err)
	}
	hook := newRunning(c, run, out, in)
	err = hook.start()
	// The hook has its own copy; with this one open the output would not end.
	in.Close()
	if err != nil {
		out.finish()
		return nil, notStarted(c.Path, err)
	}
	return hook, nil
}

// checkDir tells a missing folder apart from a missing program: the kernel says
// the same of both.
func (c Command) checkDir() error {
	if c.Dir == "" {
		return nil
	}
	info, err := os.Stat(c.Dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%q is not a folder", c.Dir)
	}
	if err != nil {
		return fmt.Errorf("entering the folder of hook %q: %w", c.name(), err)
	}
	return nil
}

// environ are the variables of this process, the Command's, and last the marks,
// which nobody may replace.
func (c Command) environ(run string) []string {
	env := os.Environ()
	if c.Dir != "" {
		env = append(env, "PWD="+c.Dir)
	}
	env = append(env, c.Env...)
	return append(env, ownerVariable+"="+c.Owner, runVariable+"="+run)
}

// verdict is nil for a hook that ended well.
func (c Command) verdict(end *Failed) error {
	if end.Code == 0 {
		return nil
	}
	return end
}

func (c Command) cancelled(ctx context.Context) error {
	return fmt.Errorf("hook %q was cancelled: %w", c.name(), context.Cause(ctx))
}

func (c Command) name() string { return filepath.Base(c.Path) }

func (c Command) limit() time.Duration { return positive(c.Limit, DefaultLimit) }

func (c Command) grace() time.Duration { return positive(c.Grace, DefaultGrace) }

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// with adds to err what else went wrong, if anything did.
func with(err, also error) error {
	if also == nil {
		return err
	}
	return fmt.Errorf("%w; %w", err, also)
}
