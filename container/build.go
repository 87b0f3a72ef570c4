package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

// buildGrace is how long a cancelled build may take to end by itself.
const buildGrace = 5 * time.Second

// Build makes an image of the folder with the docker command line, which uses
// BuildKit where it has it, and names it tag. The builder's own words, both
// streams, go to out as they come.
//
// The error is *NoBuilder without a docker command line, *NoDockerfile when
// there is nothing to build, and *BuildFailed when the build ended without an
// image. When ctx ends, so does the build, with all its processes.
func (e *Engine) Build(ctx context.Context, dir, tag string, out io.Writer) (Image, error) {
	program, err := exec.LookPath("docker")
	if err != nil {
		return Image{}, &NoBuilder{Cause: err}
	}
	if err := checkDockerfile(dir); err != nil {
		return Image{}, &NoDockerfile{Dir: dir, Cause: err}
	}
	watched, cancel := e.watch.during(ctx)
	defer cancel()
	if err := e.runBuild(watched, exec.CommandContext(watched, program, "build", "--force-rm", "--tag", tag, "."), dir, out); err != nil {
		if watched.Err() != nil {
			return Image{}, fmt.Errorf("building %q: %w", dir, e.typed(context.Cause(watched)))
		}
		return Image{}, &BuildFailed{Dir: dir, Cause: err}
	}
	return e.TaggedImage(ctx, tag)
}

func checkDockerfile(dir string) error {
	info, err := os.Stat(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("its Dockerfile is not a file")
	}
	return nil
}

func (e *Engine) runBuild(ctx context.Context, command *exec.Cmd, dir string, out io.Writer) error {
	command.Dir = dir
	command.Stdout, command.Stderr = out, out
	command.Env = os.Environ()
	if e.given != "" {
		command.Env = append(command.Env, client.EnvOverrideHost+"="+e.given)
	}
	// A group of its own, because the command line runs its builder as a
	// child, which has to go with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = buildGrace
	err := command.Run()
	if ctx.Err() != nil && command.Process != nil {
		// What is left of the group keeps its number taken.
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	return err
}
