package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"zdd/checks"
	"zdd/container"
	"zdd/nginx"
	"zdd/release"
)

// LogLines is how many of a container's last log lines a failure shows.
const LogLines = 20

// check asks whether the new release is fit to serve, while all of it stays up,
// and then lets the engine keep it up: from here on it may have to survive a
// reboot.
func (m *move) check(ctx context.Context) error {
	return m.run(ctx, StepCheck, func(ctx context.Context) (string, error) {
		detail, err := m.gates(ctx)
		if err != nil {
			return "", m.explain(ctx, err)
		}
		return detail, m.Engine.Promote(ctx, m.instances)
	})
}

// gates are the checks, or what is left of them where the app's check-deploy hook
// stands in their place, and that hook.
func (m *move) gates(ctx context.Context) (string, error) {
	detail, err := m.runChecks(ctx, StepCheck, m.replicaChecks(), m.targets(m.slot, m.instances))
	if err != nil || m.hooks[hookCheckDeploy] == "" {
		return detail, err
	}
	detail += "; hooks/check-deploy has agreed"
	if m.hookInstead() {
		detail += ", in place of the checks"
	}
	return detail, m.askHook(ctx)
}

// replicaChecks are put to every replica at its own address. Whatever they are,
// one of them wants an answer over HTTP: once the requests come, it is late to
// find out that there is none.
func (m *move) replicaChecks() checks.File {
	if m.hookInstead() {
		return checks.Reachable()
	}
	return m.checksFile().AndReachable()
}

// hookInstead says whether the app's check-deploy hook stands in the place of
// the checks.
func (m *move) hookInstead() bool {
	return m.hooks[hookCheckDeploy] != "" && m.settings.CheckHook == release.CheckHookInstead
}

// askHook runs the check-deploy hook, and ends it when a container exits.
func (m *move) askHook(ctx context.Context) error {
	guarded, stop := m.Engine.Guard(ctx, m.instances)
	defer stop()
	return m.runHook(guarded, hookCheckDeploy)
}

// targets are the instances of a slot at their own addresses.
func (m *move) targets(slot release.Slot, instances []container.Instance) []checks.Target {
	pool := m.pool(slot)
	targets := make([]checks.Target, len(instances))
	for i, instance := range instances {
		targets[i] = checks.Target{
			Name: instance.Name, Address: pool[i],
			Host: m.host(), HTTPS: m.hasCertificate(), Inside: inside{m.Engine, instance},
		}
	}
	return targets
}

// inside lets checks ask the engine about an instance.
type inside struct {
	engine   Engine
	instance container.Instance
}

func (i inside) Run(ctx context.Context, command []string, out io.Writer) (int, error) {
	return i.engine.Exec(ctx, i.instance, command, out)
}

func (i inside) Since(ctx context.Context) (time.Time, error) {
	since, _, err := i.engine.Running(ctx, i.instance)
	return since, err
}

// runChecks runs the checks of file against targets, and ends at once when a
// container of it exits or restarts.
func (m *move) runChecks(ctx context.Context, step Step, file checks.File, targets []checks.Target) (string, error) {
	guarded, stop := m.Engine.Guard(ctx, m.instances)
	defer stop()
	options := checks.Options{Observe: func(progress checks.Progress) { m.Progress(step, progress.String()) }}
	if step == StepCheck { // nginx's answers are those of releases that have held already
		options.Passes, options.HealthyFor = m.target.Settings.Passes, m.target.Settings.HealthyFor.Or(0)
	}
	report := checks.Run(guarded, file, targets, options)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	for _, warning := range report.Warnings() {
		m.warn(step, errors.New(report.Line(warning)+"; it is a check that only warns"))
	}
	m.onFailures(ctx, report)
	if err := report.Err(); err != nil {
		return "", err
	}
	return passed(file, len(targets), options), nil
}

// passed says what has passed, and how.
func passed(file checks.File, targets int, options checks.Options) string {
	deciding := 0
	for _, check := range file.Checks {
		if !check.Warn {
			deciding++
		}
	}
	text := fmt.Sprintf("%s (%s) passed", plural(deciding*targets, "check"), file.Used())
	if options.Passes > 1 {
		text += fmt.Sprintf(", %d times in a row", options.Passes)
	}
	if options.HealthyFor > 0 {
		text += fmt.Sprintf(", and held for %s", options.HealthyFor)
	}
	return text
}

// checksFile is what the release must pass.
func (m *move) checksFile() checks.File {
	if m.target.Checks == "" {
		return checks.Default()
	}
	file, _ := checks.Read(m.target.ChecksSource, []byte(m.target.Checks))
	return file
}

// explain adds to a failure of the new release the last log lines of the
// container that it is about.
func (m *move) explain(ctx context.Context, err error) error {
	if is[*container.Unreachable](err) || is[*nginx.Unreachable](err) {
		return err
	}
	failure := &Error{Exit: ExitUnfit, Err: err}
	if isUsage(err) {
		failure.Exit = ExitUsage
	}
	var hooked *Error
	if errors.As(err, &hooked) { // it knows what to do next
		failure.Hint = hooked.Hint
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ProofTimeout)
	defer cancel()
	instance := m.blamed(err)
	if found := m.elsewhere(ctx, err, instance); found != "" {
		failure.Err = fmt.Errorf("%w\n  %s", err, found)
	}
	lines, logErr := m.Engine.Logs(ctx, instance, LogLines)
	if logErr != nil {
		m.warn(m.step, logErr)
	}
	failure.Logs = lines
	return failure
}

// elsewhere says where the container listens, when nothing answered where it
// should.
func (m *move) elsewhere(ctx context.Context, err error, instance container.Instance) string {
	var unfit *checks.Unfit
	if !errors.As(err, &unfit) || unfit.Report.Reached() {
		return ""
	}
	listeners, err := m.Engine.Listeners(ctx, instance)
	if err != nil || listeners == nil {
		return ""
	}
	if len(listeners) == 0 {
		return "in the container nothing listens on any port"
	}
	addresses := make([]string, len(listeners))
	for i, listener := range listeners {
		if int(listener.Port()) == m.target.Port && (listener.Addr().IsUnspecified() || listener.Addr() == instance.Address) {
			return "" // that is not why
		}
		addresses[i] = listener.String()
	}
	return fmt.Sprintf("in the container something listens on %s; it must listen on 0.0.0.0:%d", strings.Join(addresses, ", "), m.target.Port)
}

// blamed is the container that err is about, else the first one.
func (m *move) blamed(err error) container.Instance {
	name := ""
	var unfit *checks.Unfit
	var exited *container.Exited
	if errors.As(err, &exited) {
		name = exited.Name
	} else if errors.As(err, &unfit) && len(unfit.Report.Failed()) > 0 {
		name = unfit.Report.Failed()[0].Target
	}
	for _, instance := range m.instances {
		if instance.Name == name {
			return instance
		}
	}
	return m.instances[0]
}
