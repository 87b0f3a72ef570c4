package deploy

import (
	"context"
	"errors"
	"fmt"

	"zdd/checks"
	"zdd/container"
	"zdd/nginx"
)

// LogLines is how many of a container's last log lines a failure shows.
const LogLines = 20

// check holds the checks against every replica's own address, while all of
// them stay up, and then lets the engine keep them up: from here on they may
// have to survive a reboot.
func (m *move) check(ctx context.Context) error {
	return m.run(ctx, StepCheck, func(ctx context.Context) (string, error) {
		targets := make([]checks.Target, len(m.instances))
		for i, instance := range m.instances {
			targets[i] = checks.Target{
				Name: instance.Name, Address: m.pool(m.slot)[i],
				Host: m.host(), HTTPS: m.hasCertificate(),
			}
		}
		detail, err := m.runChecks(ctx, StepCheck, m.checksFile(), targets)
		if err != nil {
			return "", m.explain(ctx, err)
		}
		return detail, m.Engine.Promote(ctx, m.instances)
	})
}

// runChecks runs the checks of file against targets, and ends at once when a
// container of it exits or restarts.
func (m *move) runChecks(ctx context.Context, step Step, file checks.File, targets []checks.Target) (string, error) {
	guarded, stop := m.Engine.Guard(ctx, m.instances)
	defer stop()
	report := checks.Run(guarded, file, targets, checks.Options{
		Observe: func(progress checks.Progress) { m.Progress(step, progress.String()) },
	})
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := report.Err(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s) passed", plural(len(file.Checks)*len(targets), "check"), file.Source), nil
}

// checksFile is what the release must pass.
func (m *move) checksFile() checks.File {
	if m.target.Checks == "" {
		return checks.Default()
	}
	file, _ := checks.Parse(m.target.ChecksSource, []byte(m.target.Checks))
	return file
}

// explain adds to a failure of the new release the last log lines of the
// container that it is about.
func (m *move) explain(ctx context.Context, err error) error {
	if is[*container.Unreachable](err) || is[*nginx.Unreachable](err) {
		return err
	}
	failure := &Error{Exit: ExitUnfit, Err: err}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ProofTimeout)
	defer cancel()
	instance := m.blamed(err)
	lines, logErr := m.Engine.Logs(ctx, instance, LogLines)
	if logErr != nil {
		m.warn(m.step, logErr)
	}
	failure.Logs = lines
	return failure
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
