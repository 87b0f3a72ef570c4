package container

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/docker/docker/client"
)

// Unreachable says that no Docker engine answers: it is not running, its
// address is wrong, or this user may not talk to it.
type Unreachable struct {
	Host  string // the address that was tried, as in DOCKER_HOST
	Cause error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("docker engine at %q: %v", u.Host, u.Cause)
}

func (u *Unreachable) Unwrap() error { return u.Cause }

// Hint says what the operator can do next.
func (u *Unreachable) Hint() string {
	if is[*Silent](u.Cause) {
		return "the engine takes connections and does not answer: see what holds it up (journalctl -u docker), " +
			"restart it (systemctl restart docker), then run the command again"
	}
	if is[*Stuck](u.Cause) {
		return "see what holds the engine up (journalctl -u docker), a volume's driver or a disk as a rule, then run the command again"
	}
	path, local := strings.CutPrefix(u.Host, "unix://")
	if !local {
		return "check DOCKER_HOST and DOCKER_CONTEXT, and that the engine there is running"
	}
	switch _, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("there is no socket %s: install and start Docker, or set DOCKER_HOST", path)
	case errors.Is(u.Cause, os.ErrPermission):
		return "run zdd as root, or as a user of the group that owns " + path
	default:
		return "start the Docker engine (systemctl start docker)"
	}
}

// NoImage says that the image asked for cannot be had: its name is not one,
// nobody knows it, or its registry refuses it or does not answer.
type NoImage struct {
	Ref   string
	Cause error // nil when the image is simply not on the engine
}

func (n *NoImage) Error() string {
	if n.Cause == nil {
		return fmt.Sprintf("no image %q on this engine", n.Ref)
	}
	return fmt.Sprintf("no image %q: %v", n.Ref, n.Cause)
}

func (n *NoImage) Unwrap() error { return n.Cause }

// Hint says what the operator can do next.
func (n *NoImage) Hint() string {
	return "check the name and the tag; for a private registry, docker login first"
}

// PullFailed says that the image exists and did not arrive whole: the download
// broke, or the disk is full.
type PullFailed struct {
	Ref   string
	Cause error
}

func (p *PullFailed) Error() string { return fmt.Sprintf("pulling image %q: %v", p.Ref, p.Cause) }

func (p *PullFailed) Unwrap() error { return p.Cause }

// Hint says what the operator can do next.
func (p *PullFailed) Hint() string {
	return "try again; an image that is already on this engine needs no registry (--pull never)"
}

// NoBuilder says that there is no docker command line to build with.
type NoBuilder struct{ Cause error }

func (n *NoBuilder) Error() string { return fmt.Sprintf("no docker command line: %v", n.Cause) }

func (n *NoBuilder) Unwrap() error { return n.Cause }

// Hint says what the operator can do next.
func (n *NoBuilder) Hint() string {
	return "install the docker command line (package docker-cli or docker.io), or build elsewhere and deploy the image"
}

// NoDockerfile says that the folder to build is not there or holds no
// Dockerfile.
type NoDockerfile struct {
	Dir   string
	Cause error
}

func (n *NoDockerfile) Error() string {
	return fmt.Sprintf("nothing to build in %q: %v", n.Dir, n.Cause)
}

func (n *NoDockerfile) Unwrap() error { return n.Cause }

// BuildFailed says that the docker command line ran and did not make an image.
// Its own words went to the writer given to Build.
type BuildFailed struct {
	Dir   string
	Cause error
}

func (b *BuildFailed) Error() string { return fmt.Sprintf("building %q: %v", b.Dir, b.Cause) }

func (b *BuildFailed) Unwrap() error { return b.Cause }

// PoolTaken says that the addresses asked for, or all that zdd would choose
// from, belong to another network.
type PoolTaken struct {
	Subnet string // the subnet asked for, or the range chosen from
	By     string // who has it, where that is known
	Cause  error  // the engine's refusal, where that is how it was found out
}

func (p *PoolTaken) Error() string {
	text := fmt.Sprintf("subnet %s is taken", p.Subnet)
	if p.By != "" {
		text += " by " + p.By
	}
	if p.Cause != nil {
		text += ": " + p.Cause.Error()
	}
	return text
}

func (p *PoolTaken) Unwrap() error { return p.Cause }

// Hint says what the operator can do next.
func (p *PoolTaken) Hint() string {
	return "free one of 10.210.0.0/16 to 10.249.0.0/16; see: docker network ls"
}

// InvalidSubnet says that a subnet given by the operator is not one that zdd
// can use.
type InvalidSubnet struct{ Subnet, Reason string }

func (i *InvalidSubnet) Error() string { return fmt.Sprintf("subnet %q: %s", i.Subnet, i.Reason) }

// NameTaken says that a container or a network has the name that zdd needs and
// is not this root's.
type NameTaken struct {
	Kind string // "container" or "network"
	Name string
	Root string // the zdd root that owns it; "" when no zdd made it
}

func (n *NameTaken) Error() string {
	owner := "something that zdd did not make"
	if n.Root != "" {
		owner = fmt.Sprintf("another zdd root, %q", n.Root)
	}
	return fmt.Sprintf("%s name %q is taken by %s", n.Kind, n.Name, owner)
}

// Hint says what the operator can do next.
func (n *NameTaken) Hint() string {
	return fmt.Sprintf("remove or rename that %s, or choose another app name", n.Kind)
}

// StillRunning says that a container of the release is already there and runs,
// so that a second one would answer beside it.
type StillRunning struct{ Name string }

func (s *StillRunning) Error() string {
	return fmt.Sprintf("container %q runs already", s.Name)
}

// NotStarted says that an instance of a release did not start. Nothing that
// was made for the release is left.
type NotStarted struct {
	Name    string     // the container
	Address netip.Addr // the one it was to have
	Logs    []string   // its last lines, safe to print; may be empty
	Cause   error
}

func (n *NotStarted) Error() string {
	return fmt.Sprintf("starting container %q: %v", n.Name, n.Cause)
}

func (n *NotStarted) Unwrap() error { return n.Cause }

// Exited says that a container is no longer the process that was started: it
// ended, was started again by the engine, or is gone.
type Exited struct {
	Name      string
	Code      int  // exit status; 128 + signal number for a signal; meaningless when Removed
	OOMKilled bool // the kernel ended it for want of memory; false too where the engine missed that
	Restarted bool // the engine has started it again since
	Removed   bool // someone removed it
}

func (e *Exited) Error() string {
	switch {
	case e.Removed:
		return fmt.Sprintf("container %q was removed", e.Name)
	case e.OOMKilled:
		return fmt.Sprintf("container %q exited with status %d: out of memory", e.Name, e.Code)
	case e.Restarted:
		return fmt.Sprintf("container %q exited with status %d and was started again", e.Name, e.Code)
	default:
		return fmt.Sprintf("container %q exited with status %d", e.Name, e.Code)
	}
}

// Hint says what the operator can do next.
func (e *Exited) Hint() string {
	if e.OOMKilled {
		return "give the app more memory (--memory)"
	}
	return ""
}

// NoCommand says that a container runs and that a command cannot be run in it:
// its image does not have the program, or the container's user may not execute
// it.
type NoCommand struct {
	Name    string // the container
	Command string // the program
	Code    int    // 126 or 127, as of a shell; which of the two is the engine's choice
}

func (n *NoCommand) Error() string {
	return fmt.Sprintf("container %q: no command %q", n.Name, n.Command)
}

// Hint says what the operator can do next.
func (n *NoCommand) Hint() string {
	return "name a program that the image has, with its path if it is not in PATH"
}

// typed turns a lost connection and an engine that hangs into *Unreachable, and
// leaves every other error as it is.
func (e *Engine) typed(err error) error {
	var known *Unreachable
	if err == nil || errors.As(err, &known) {
		return err
	}
	var silent *Silent
	if errors.As(err, &silent) { // the client's words about it would mislead
		return &Unreachable{Host: e.host, Cause: silent}
	}
	if client.IsErrConnectionFailed(err) {
		return &Unreachable{Host: e.host, Cause: err}
	}
	return err
}

// is says whether an error is, or wraps, one of the type.
func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
