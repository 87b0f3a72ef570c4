package hook

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// TestMain is also the zdd that some tests kill, and the one that may not kill:
// with a variable set it does that one thing.
func TestMain(m *testing.M) {
	if pid, err := strconv.Atoi(os.Getenv("HOOK_TEST_KILL")); err == nil {
		_, err := newFamily(0, func(p process) bool { return p.pid == pid }).kill()
		fmt.Print(err)
		os.Exit(0)
	}
	if path := os.Getenv("HOOK_TEST_RUN"); path != "" {
		c := Command{Path: path, Dir: filepath.Dir(path), Owner: os.Getenv("HOOK_TEST_OWNER"), Output: os.Stdout}
		if c.Run(context.Background()) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(runAll(m))
}

// runAll gives the tests a folder of their own: the owners of their hooks are
// files in it, by which a process that is left can be told from those of others.
func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "zdd-hook-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("TMPDIR", dir)
	code := m.Run()
	if left := leftOver(); len(left) > 0 {
		fmt.Println("processes that the tests left:", left)
		return 1
	}
	return code
}

// leftOver are the processes of any test's hooks. What has been killed gets a
// moment to end.
func leftOver() (pids []int) {
	for deadline := time.Now().Add(patience); ; time.Sleep(lookEvery) {
		all, _, _ := scan(onlyLook)
		pids = nil
		for _, p := range all {
			if p.marked && strings.HasPrefix(p.owner, os.TempDir()) {
				pids = append(pids, p.pid)
			}
		}
		if len(pids) == 0 || time.Now().After(deadline) {
			return pids
		}
	}
}

// script writes an executable file in a folder of its own. What it leaves in
// *.pid files there is killed at the end of the test.
func script(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { endLeft(dir) })
	return write(t, filepath.Join(dir, "check-deploy"), text, 0o755)
}

func sh(t *testing.T, lines ...string) string {
	t.Helper()
	return script(t, "#!/bin/sh\n"+strings.Join(lines, "\n")+"\n")
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask took bits away
		t.Fatal(err)
	}
	return path
}

func endLeft(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 && alive(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func alive(pid int) bool {
	_, ok := look(pid)
	return ok
}

// command runs the script in its folder; tests set what they need.
func command(path string) Command {
	return Command{Path: path, Dir: filepath.Dir(path), Owner: path}
}

// eventually polls, for what another process or the kernel does meanwhile.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting %v until %s", patience, what)
		}
	}
}

// pidIn waits until the script has written the number of a process into the
// file name.pid in its folder.
func pidIn(t *testing.T, path, name string) (pid int) {
	t.Helper()
	eventually(t, name+".pid is written", func() bool {
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(path), name+".pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0 && strings.HasSuffix(string(text), "\n")
	})
	return pid
}

// within fails when run takes longer; a hanging Run must not hang the test.
func within(t *testing.T, limit time.Duration, run func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatalf("waiting for Run: not back after %v", limit)
		return nil
	}
}

// buffer may be read while it is written to.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

func statOf(t *testing.T, pid int) procfs.ProcStat {
	t.Helper()
	proc, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := proc.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return stat
}

func stateOf(t *testing.T, pid int) string {
	t.Helper()
	return statOf(t, pid).State
}

// zombies are the ended children that this process has not reaped.
func zombies(t *testing.T) (count int) {
	t.Helper()
	all, err := procfs.AllProcs()
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range all {
		if stat, err := proc.Stat(); err == nil && stat.PPID == os.Getpid() && stat.State == "Z" {
			count++
		}
	}
	return count
}

// runInAThreadOfItsOwn returns when the thread is about to end.
func runInAThreadOfItsOwn(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // without an unlock the thread ends with the goroutine
		do()
	}()
	<-done
}

// asNobody runs this test binary as a user without rights, and returns what it
// prints.
func asNobody(t *testing.T, env string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The folder of the binary is root's alone: it is passed as an open file.
	file, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Dir, cmd.Env = "/", append(os.Environ(), env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
