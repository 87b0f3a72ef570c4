package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"zdd/container"
	"zdd/deploy"
	"zdd/release"
)

// command is one command of zdd.
type command func(context.Context, *deploy.Deployer) (deploy.Outcome, error)

// ended is how a command ended.
type ended struct {
	outcome deploy.Outcome
	err     error
	events  []deploy.Event
}

// failure is the error that every failed command gives.
func (e ended) failure(t *testing.T) *deploy.Error {
	t.Helper()
	var failure *deploy.Error
	if !errors.As(e.err, &failure) {
		t.Fatalf("error = %v (%T), want a *deploy.Error", e.err, e.err)
	}
	return failure
}

// steps are the events as "step status", the command's own last.
func (e ended) steps() []string {
	var steps []string
	for _, event := range e.events {
		steps = append(steps, fmt.Sprintf("%s %s", event.Step, event.Status))
	}
	return steps
}

// warnings are the details of the events that are one.
func (e ended) warnings() []string {
	var found []string
	for _, event := range e.events {
		if event.Status == deploy.Warning {
			found = append(found, event.Detail)
		}
	}
	return found
}

// run runs a command. At each point that it passes, see is called with its
// name, as "check started" or "Switch".
func (w *world) run(ctx context.Context, see func(point string), do command) (e ended) {
	var mu sync.Mutex
	d := w.deployer(see, func(event deploy.Event) {
		mu.Lock()
		e.events = append(e.events, event)
		mu.Unlock()
	})
	e.outcome, e.err = do(ctx, d)
	return e
}

func (p parts) deployer(see func(point string), report func(deploy.Event)) *deploy.Deployer {
	return deploy.New(deploy.Config{
		Store: p.store, Engine: p.engine, Proxy: &watched{p.proxy, see}, Holder: release.Self("zdd test"),
		Report: func(event deploy.Event) {
			report(event)
			see(fmt.Sprintf("%s %s", event.Step, event.Status))
		},
	})
}

func ignore(string) {}

// must runs a command and wants it to succeed without a warning.
func (w *world) must(do command) ended {
	w.t.Helper()
	e := w.run(w.t.Context(), ignore, do)
	if warnings := e.warnings(); e.err != nil || len(warnings) > 0 {
		w.t.Fatalf("error %v, warnings %q; events %q", e.err, warnings, e.steps())
	}
	return e
}

// deploying deploys an image as the next release of an app.
func deploying(app, image string, changes ...func(*release.Settings)) command {
	request := deploy.Request{App: app, Image: image, Pull: container.PullMissing}
	if len(changes) > 0 {
		request.Change = func(settings *release.Settings) error {
			for _, change := range changes {
				change(settings)
			}
			return nil
		}
	}
	return func(ctx context.Context, d *deploy.Deployer) (deploy.Outcome, error) { return d.Deploy(ctx, request) }
}

func rollingBack(app string, number int) command {
	return func(ctx context.Context, d *deploy.Deployer) (deploy.Outcome, error) {
		return d.Rollback(ctx, app, number, nil)
	}
}

func recovering(app string) command {
	return func(ctx context.Context, d *deploy.Deployer) (deploy.Outcome, error) { return d.Recover(ctx, app) }
}

func removing(app string) command {
	return func(ctx context.Context, d *deploy.Deployer) (deploy.Outcome, error) { return d.Remove(ctx, app, nil) }
}

// env sets a variable of the app, for good if the deploy is committed.
func env(name, value string) func(*release.Settings) {
	return func(s *release.Settings) {
		vars := release.Env{name: value}
		for key, value := range s.Env {
			if key != name {
				vars[key] = value
			}
		}
		s.Env = vars
	}
}

func releaseCommand(line string) func(*release.Settings) {
	return func(s *release.Settings) { s.ReleaseCommand = line }
}

// at calls do when the point is passed for the nth time, 1 being the first.
func at(point string, nth int, do func()) func(string) {
	passed := 0
	return func(name string) {
		if name != point {
			return
		}
		if passed++; passed == nth {
			do()
		}
	}
}
