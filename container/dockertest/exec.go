package dockertest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// NoCommand is what the Program of OnExec returns for a command that its image
// does not have.
const NoCommand = -1

// notRunnable is the exit status that an engine gives such a command.
const notRunnable = 126

// execution is a command in a container that runs. Its fields are guarded by
// Engine.mu.
type execution struct {
	id      string
	in      *instance
	config  container.ExecOptions
	running bool
	code    int
	pid     int // 0 when it never ran
}

// OnExec makes program what is run for each command in a running container from
// now on (docker exec): p.Args is the whole command, and p.Kill ends when the
// command is killed or its container ends. Until then no command is known.
//
// So that a command can be killed as a real one is, each has a process on this
// machine, which does nothing.
func (e *Engine) OnExec(program Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commands = program
}

func (e *Engine) createExec(w http.ResponseWriter, r *http.Request) {
	var config container.ExecOptions
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	c := e.get(w, r)
	if c == nil {
		return
	}
	if len(config.Cmd) == 0 {
		refuse(w, http.StatusBadRequest, "No exec command specified")
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.run == nil {
		refuse(w, http.StatusConflict, "Container "+c.id+" is not running")
		return
	}
	made := &execution{id: newID(), in: c, config: config}
	e.execs[made.id] = made
	answer(w, http.StatusCreated, map[string]string{"Id": made.id})
}

// exec finds the command that a request is about, and answers itself when there
// is none any more.
func (e *Engine) exec(w http.ResponseWriter, r *http.Request) *execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.execs[r.PathValue("id")]
	switch {
	case found == nil || found.in.removed:
		refuse(w, http.StatusNotFound, "No such exec instance: "+r.PathValue("id"))
		return nil
	case found.in.run == nil:
		refuse(w, http.StatusConflict, "Container "+found.in.id+" is not running")
		return nil
	}
	return found
}

func (e *Engine) inspectExec(w http.ResponseWriter, r *http.Request) {
	found := e.exec(w, r)
	if found == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"ID": found.id, "ContainerID": found.in.id, "Running": found.running, "ExitCode": found.code, "Pid": found.pid,
	})
}

// execIDs are the commands that were begun in a container. The caller holds
// e.mu.
func (e *Engine) execIDs(c *instance) []string {
	var ids []string
	for id, made := range e.execs {
		if made.in == c {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *Engine) startExec(w http.ResponseWriter, r *http.Request) {
	found := e.exec(w, r)
	if found == nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	connection, ready, err := takeOver(w)
	if err != nil {
		return
	}
	defer connection.Close()
	ready()
	e.mu.Lock()
	program, life := e.commands, found.in.run
	e.mu.Unlock()
	if program == nil {
		program = func(Process) int { return NoCommand }
	}
	if life == nil {
		return
	}
	code, pid := e.execute(found, program, life, connection)
	if code == NoCommand {
		code, pid = notRunnable, 0
		_, _ = io.WriteString(stdcopy.NewStdWriter(connection, stdcopy.Stdout),
			"OCI runtime exec failed: exec failed: unable to start container process: exec: \""+
				found.config.Cmd[0]+"\": executable file not found in $PATH: unknown\r\n")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found.running, found.code, found.pid = false, code, pid
}

// execute runs a command to its end.
func (e *Engine) execute(found *execution, program Program, life *run, connection net.Conn) (code, pid int) {
	standIn, stop, err := newStandIn()
	if err != nil {
		panic("dockertest: a process for a command: " + err.Error())
	}
	pid = standIn.Process.Pid
	kill, end := context.WithCancel(context.Background())
	e.mu.Lock()
	e.showProcess(found.in, pid)
	found.running, found.pid = true, pid
	process := Process{
		Name: found.in.name, Args: found.config.Cmd, Env: found.in.config.Env, Labels: found.in.config.Labels,
		Address: found.in.at(), Term: kill, Kill: kill, Pretend: found.in.pretend(e),
		Stdout: patient{stdcopy.NewStdWriter(connection, stdcopy.Stdout)},
		Stderr: patient{stdcopy.NewStdWriter(connection, stdcopy.Stderr)},
	}
	e.mu.Unlock()
	ended := make(chan int, 1)
	go func() { ended <- program(process) }()
	died := make(chan struct{})
	go func() {
		defer close(died)
		_ = standIn.Wait()
	}()
	select {
	case code = <-ended:
	case <-died:
		code = killed
	case <-life.dead:
		code = killed
	}
	end()
	stop()
	<-died
	e.mu.Lock()
	e.hide(pid)
	e.mu.Unlock()
	return code, pid
}

// newStandIn starts a process that waits for stop, or for the end of this one.
func newStandIn() (waiting *exec.Cmd, stop func(), err error) {
	waiting = exec.Command("cat")
	input, err := waiting.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	return waiting, func() { _ = input.Close() }, waiting.Start()
}

// patient takes everything: the engine reads a command's output also when
// nobody listens any more.
type patient struct{ to io.Writer }

func (p patient) Write(data []byte) (int, error) {
	_, _ = p.to.Write(data)
	return len(data), nil
}
