package deploy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zdd/hook"
	"zdd/release"
)

// The hooks of an app: executable files in its folder hooks.
const (
	hookPreDeploy    = "pre-deploy"    // before anything of the release runs; decides
	hookCheckDeploy  = "check-deploy"  // when the release runs, before traffic; decides
	hookPostDeploy   = "post-deploy"   // when the former release is retired
	hookDeployFailed = "deploy-failed" // when a failure is undone
)

// findHooks looks for the app's hooks before anything runs. One that decides
// and cannot be run is refused: left out in silence, it would be a check that
// always passes.
func (m *move) findHooks() error {
	m.hooks = map[string]string{}
	var refused error
	for _, name := range []string{hookPreDeploy, hookCheckDeploy, hookPostDeploy, hookDeployFailed} {
		path, found, err := hook.Find(m.app.Path("hooks"), name)
		switch {
		case err != nil && (name == hookPreDeploy || name == hookCheckDeploy):
			refused = errors.Join(refused, err)
		case err != nil:
			m.warn(StepResolve, fmt.Errorf("%w; it will not run", err))
		case found:
			m.hooks[name] = path
		}
	}
	return refused
}

// lookForHooks is findHooks where it is late to refuse one.
func (m *move) lookForHooks() {
	if err := m.findHooks(); err != nil {
		m.warn(m.step, err)
	}
}

// preDeploy asks the app's pre-deploy hook, if it has one.
func (m *move) preDeploy(ctx context.Context) error {
	if m.hooks[hookPreDeploy] == "" {
		return nil
	}
	return m.run(ctx, StepPreDeploy, func(ctx context.Context) (string, error) {
		if err := m.runHook(ctx, hookPreDeploy); err != nil {
			return "", err
		}
		return "hooks/pre-deploy has agreed", nil
	})
}

// postDeploy tells the app's post-deploy hook that all is done.
func (m *move) postDeploy(ctx context.Context) {
	if m.hooks[hookPostDeploy] == "" {
		return
	}
	m.after(StepPostDeploy, func() (string, error) {
		return "hooks/post-deploy has run", m.runHook(ctx, hookPostDeploy)
	})
}

// afterInterrupt is how long the deploy-failed hook may take when the failure is
// an interrupt: whoever sent that waits for the end.
const afterInterrupt = 30 * time.Second

// tellFailed tells the app's deploy-failed hook of a failure, which is undone
// by now. It outlives the interrupt that may be the failure.
func (m *move) tellFailed(ctx context.Context, failure *Error) {
	if m.hooks[hookDeployFailed] == "" || m.appLock == nil || m.gone {
		return
	}
	if ctx.Err() != nil {
		steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterInterrupt)
		defer cancel()
		ctx = steady
	}
	m.after(StepDeployFailed, func() (string, error) {
		return "hooks/deploy-failed has run", m.runHook(ctx, hookDeployFailed,
			"ZDD_ERROR="+environmentText(headline(failure.Err)), "ZDD_STEP="+string(failure.Step), "ZDD_EXIT="+strconv.Itoa(int(failure.Exit)))
	})
}

// runHook runs one of the hooks that were found. While it runs, a note of it is
// on disk: whoever takes the lock next ends what a kill has left of it.
func (m *move) runHook(ctx context.Context, name string, more ...string) error {
	m.Progress(m.step, "hooks/"+name+" runs")
	owner := fmt.Sprintf("%s %s %d", m.app.Path(), name, time.Now().UnixNano())
	if err := m.app.BeginHook(owner); err != nil {
		return err
	}
	err := hook.Command{
		Path: m.hooks[name], Dir: m.app.Path(), Env: append(m.hookEnv(), more...),
		Limit: m.settings.HookTimeout.Or(release.DefaultHookTimeout), Output: m.Output, Owner: owner,
	}.Run(ctx)
	if endErr := m.app.EndHook(); endErr != nil {
		m.warn(m.step, endErr)
	}
	var failed *hook.Failed
	if errors.As(err, &failed) {
		failure := &Error{Exit: ExitUnfit, Err: err, Hint: "see what the hook has printed: " + m.hooks[name]}
		if failed.TimedOut {
			failure.Hint = "if it needs longer: --hook-timeout " + release.Duration(2*failed.Limit).String()
		}
		return failure
	}
	return err
}

// hookEnv is what a hook is told.
func (m *move) hookEnv() []string {
	addresses := make([]string, len(m.addresses))
	for i, address := range m.addresses {
		addresses[i] = address.String()
	}
	return []string{
		"ZDD_ROOT=" + m.Store.Root(),
		"ZDD_COMMAND=" + string(m.kind),
		"ZDD_APP=" + m.name,
		"ZDD_RELEASE=" + numberOrNone(m.target.Number),
		"ZDD_IMAGE=" + m.target.Image,
		"ZDD_ADDRESSES=" + strings.Join(addresses, " "),
		"ZDD_PORT=" + numberOrNone(m.target.Port),
		"ZDD_DOMAINS=" + strings.Join(hosts(m.name, m.settings), " "),
		"ZDD_LIVE=" + numberOrNone(m.state.Live),
	}
}

// endHooks ends what a killed command left running of a hook.
func (m *move) endHooks() error {
	owner, err := m.app.InterruptedHook()
	if err != nil || owner == "" {
		return err
	}
	ended, err := hook.KillLeft(owner)
	if err != nil {
		return fmt.Errorf("ending what an interrupted hook has left: %w", err)
	}
	if ended > 0 {
		m.warn(m.step, fmt.Errorf("ended %s that an interrupted hook had left", plural(ended, "process")))
	}
	return m.app.EndHook()
}

func numberOrNone(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// environmentText is a text without what cannot stand in a variable.
func environmentText(text string) string { return strings.ReplaceAll(text, "\x00", "") }
