package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"zdd/deploy"
	"zdd/release"
)

// childEnv tells a process of the test binary what to do in place of testing.
const childEnv = "ZDD_DEPLOY_TEST_CHILD"

// childOrder is one command for a child, and the point at which it is to kill
// itself with SIGKILL, for the nth time that it passes it.
type childOrder struct {
	Root, Addr, Engine string
	Point              string
	Nth                int
	Words              []string // deploy APP IMAGE [NAME=VALUE], rollback APP, remove APP
}

// child is the process that is killed.
func child() int {
	var order childOrder
	err := json.Unmarshal([]byte(os.Getenv(childEnv)), &order)
	if err == nil {
		err = order.run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (o childOrder) run(ctx context.Context) error {
	parts, err := connect(ctx, o.Root, o.Addr, o.Engine)
	if err != nil {
		return err
	}
	kill := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
	_, err = o.command()(ctx, parts.deployer(at(o.Point, o.Nth, kill), func(deploy.Event) {}))
	return err
}

func (o childOrder) command() command {
	app := o.Words[1]
	switch o.Words[0] {
	case "rollback":
		return rollingBack(app, 0)
	case "remove":
		return removing(app)
	}
	var changes []func(*release.Settings)
	for _, pair := range o.Words[3:] {
		name, value, _ := strings.Cut(pair, "=")
		changes = append(changes, env(name, value))
	}
	return deploying(app, o.Words[2], changes...)
}

// start begins a command in a process of its own.
func (w *world) start(point string, nth int, words ...string) *exec.Cmd {
	w.t.Helper()
	order, err := json.Marshal(childOrder{w.root, w.addr, w.line.host(), point, nth, words})
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(order))
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

// wasKilled waits for the end of a process, and wants it to be SIGKILL's work.
func (w *world) wasKilled(cmd *exec.Cmd) {
	w.t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // it tells where it is
	_ = cmd.Wait()                                                                        // how it ended is in ProcessState
	stuck.Stop()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		w.t.Fatalf("the child ended with %s, want killed: %s", cmd.ProcessState, cmd.Stderr)
	}
}

// killed runs a command that dies at a point, for the nth time that it passes it.
func (w *world) killed(point string, nth int, words ...string) {
	w.t.Helper()
	w.wasKilled(w.start(point, nth, words...))
}
