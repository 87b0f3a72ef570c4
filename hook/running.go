package hook

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// running is a hook from its start until it is reaped.
type running struct {
	command Command
	cmd     *exec.Cmd
	run     string
	output  *output

	ended  chan struct{} // closed when the hook itself has ended and is not yet reaped
	reap   chan struct{} // closed when no signal will be sent any more
	reaped chan struct{}
}

func newRunning(c Command, run string, out *output, in *os.File) *running {
	cmd := exec.Command(c.Path)
	cmd.Dir = c.Dir
	cmd.Env = c.environ(run)
	// One file for both, or the order of what they say would be lost.
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	return &running{
		command: c, cmd: cmd, run: run, output: out,
		ended: make(chan struct{}), reap: make(chan struct{}), reaped: make(chan struct{}),
	}
}

func (r *running) start() error {
	started := make(chan error)
	go r.attend(started)
	err := <-started
	if err != nil {
		<-r.reaped
	}
	return err
}

// attend is the hook's parent. The kernel sends the hook its Pdeathsig when the
// thread that forked it ends, and Go ends threads as it likes: this one is held
// until the hook is gone.
func (r *running) attend(started chan<- error) {
	defer close(r.reaped)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := r.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	r.awaitEnd()
	close(r.ended)
	<-r.reap
	_ = r.cmd.Wait() // how it ended is in the ProcessState
}

// awaitEnd leaves the hook a zombie: until it is reaped the number of its
// process group cannot become another's.
func (r *running) awaitEnd() {
	for {
		err := unix.Waitid(unix.P_PID, r.group(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// group is the number of the hook's process and of its process group.
func (r *running) group() int { return r.cmd.Process.Pid }

// endsBefore waits for either end. A hook that has ended in time is not blamed
// for the context that ended in the same moment.
func (r *running) endsBefore(ctx context.Context) bool {
	select {
	case <-r.ended:
	case <-ctx.Done():
	}
	return r.hasEnded()
}

func (r *running) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// finish takes what is left to read, reaps the hook and says how it ended. A
// hook that cannot be killed is reaped when the kernel lets go of it.
func (r *running) finish() *Failed {
	failed := &Failed{Path: r.command.Path, Limit: r.command.limit(), Code: -1, Tail: r.output.finish()}
	close(r.reap)
	if !r.hasEnded() {
		return failed
	}
	<-r.reaped
	status := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	failed.Code = status.ExitStatus()
	if status.Signaled() {
		failed.Signal = status.Signal()
	}
	return failed
}

// terminate asks the hook and its children to end, and kills them after grace.
func (r *running) terminate(grace time.Duration) error {
	family := newFamily(r.group(), r.owns)
	family.ask()
	family.await(grace)
	_, err := family.kill()
	// The kernel may report the end a moment after a scan no longer sees it.
	wait, stop := context.WithTimeout(context.Background(), killLimit)
	defer stop()
	r.endsBefore(wait)
	return err
}

// owns tells whether the process is the hook's by its group or its marks.
func (r *running) owns(p process) bool { return p.group == r.group() || p.run == r.run }
