package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen: a busy machine is
// slow, and none of these waits is a measurement.
const patience = 2 * time.Minute

// host is a root of its own on the real engine, with a real nginx of its own,
// and the zdd binary that works on it.
type host struct {
	t    testing.TB
	root string
	addr string // where its nginx listens
	ids  string // where its apps write down what they processed
	app  string
	env  []string
}

// result is how one run of zdd ended.
type result struct {
	code           int
	signal         syscall.Signal // that ended it, 0 where it ended by itself
	stdout, stderr string
}

// builtIn is the folder that built made, for TestMain to remove.
var builtIn string

// built is the zdd binary, the one that can be struck at points (package
// failpoint), and the sample app, built once for all tests that want them.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "zdd-build-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	for name, what := range map[string][]string{
		"zdd": {"zdd"}, "zdd-failpoint": {"-tags", "failpoint", "zdd"}, "app": {"zdd/testdata/app"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-o", filepath.Join(dir, name)}, what...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// whole asks for the whole form of each drill: make drill.
var whole = flag.Bool("drill", false, "run the drills in their whole form")

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the time each of these tests waits for containers.
	if err := flag.Set("test.parallel", "3"); err != nil {
		panic(err)
	}
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

func binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// newHost makes a host, and sees to it that nothing of it is left.
func newHost(t testing.TB) *host {
	t.Helper()
	root, err := os.MkdirTemp("", "zdd-host-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o711); err != nil { // nginx's workers pass through it
		t.Fatal(err)
	}
	h := &host{
		t: t, root: filepath.Join(root, "root"), ids: filepath.Join(root, "ids"),
		addr: freeAddress(t), app: "t" + randomName(t),
	}
	for _, dir := range []string{h.root, h.ids} {
		if err := os.Mkdir(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	h.env = append(os.Environ(), "ZDD_ROOT="+h.root, "ZDD_LISTEN="+h.addr)
	t.Cleanup(func() {
		h.removeAll()
		h.assertNothingLeft()
		_ = os.RemoveAll(root)
	})
	return h
}

func randomName(t testing.TB) string {
	t.Helper()
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(random[:])
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// command prepares a run of zdd.
func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary(h.t, "zdd"), args...)
	cmd.Env = h.env
	return cmd
}

// zdd runs zdd to its end.
func (h *host) zdd(args ...string) result {
	h.t.Helper()
	return ended(h.t, h.command(args...))
}

func ended(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return resultOf(cmd.ProcessState, &stdout, &stderr)
}

func resultOf(state *os.ProcessState, stdout, stderr fmt.Stringer) result {
	r := result{code: state.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		r.signal = status.Signal()
	}
	return r
}

// must runs zdd and wants it to succeed.
func (h *host) must(args ...string) result {
	h.t.Helper()
	return h.wants(0, args...)
}

// wants runs zdd and wants it to end with code.
func (h *host) wants(code int, args ...string) result {
	h.t.Helper()
	r := h.zdd(args...)
	if r.code != code {
		h.t.Fatalf("zdd %s: exit %d, want %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// last is the last of the JSON objects that a run wrote.
func (r result) last(t testing.TB) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var object map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &object); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	return object
}

// image makes an image of the sample app with env set in it. No registry is
// needed for it.
func (h *host) image(env ...string) string {
	h.t.Helper()
	changes := make([]string, len(env))
	for i, pair := range env {
		changes[i] = "ENV " + pair
	}
	return h.imageWith(nil, changes...)
}

// imageWith makes an image of the sample app that has further files, and is
// changed as lines of a Dockerfile say.
func (h *host) imageWith(files map[string]string, changes ...string) string {
	h.t.Helper()
	name := "zdd-test/" + h.app + ":" + randomName(h.t)
	args := []string{"import", "--change", `ENTRYPOINT ["/app"]`, "--change", "EXPOSE 5000"}
	for _, change := range changes {
		args = append(args, "--change", change)
	}
	cmd := h.dockerCommand(append(args, "-", name)...)
	cmd.Stdin = appArchive(h.t, files)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("docker import: %v\n%s", err, out)
	}
	h.t.Cleanup(func() {
		if out, err := h.dockerCommand("image", "rm", "--force", name).CombinedOutput(); err != nil {
			h.t.Errorf("removing the image %s: %v\n%s", name, err, out)
		}
	})
	return name
}

// appArchive holds the sample app and further files, by their paths.
func appArchive(t testing.TB, files map[string]string) io.Reader {
	t.Helper()
	content, err := os.ReadFile(binary(t, "app"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, mode int64, content []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	add("app", 0o755, content)
	for name, content := range files {
		add(strings.TrimPrefix(name, "/"), 0o644, []byte(content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}

// get asks the app through its nginx.
func (h *host) get(path string) (status int, version, body string) {
	h.t.Helper()
	return h.ask(h.app+".localhost", path)
}

func (h *host) ask(name, path string) (status int, version, body string) {
	h.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+h.addr+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request.Host, request.Close = name, true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, "", err.Error()
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("X-Version"), string(content)
}

// killAt runs zdd and kills it with the signal when an event of the step has
// the status. It returns how it ended.
func (h *host) killAt(signal syscall.Signal, step, status string, args ...string) result {
	h.t.Helper()
	return h.atEvent(step, status, func(zdd *os.Process) {
		if err := zdd.Signal(signal); err != nil {
			h.t.Error(err)
		}
	}, args...)
}

// atEvent runs zdd to its end, and does something when an event of the step has
// the status.
func (h *host) atEvent(step, status string, do func(zdd *os.Process), args ...string) result {
	h.t.Helper()
	cmd := h.command(append(args, "--json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	decoder := json.NewDecoder(io.TeeReader(pipe, &stdout))
	seen := false
	for {
		var event struct{ Step, Status string }
		if err := decoder.Decode(&event); err != nil {
			break
		}
		if !seen && event.Step == step && event.Status == status {
			seen = true
			do(cmd.Process)
		}
	}
	_ = cmd.Wait() // how it ended is in ProcessState
	if !seen {
		h.t.Fatalf("no event %s %s from zdd %v\n%s%s", step, status, args, &stdout, &stderr)
	}
	return resultOf(cmd.ProcessState, &stdout, &stderr)
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited %s in vain until %s", patience, what)
		case <-tick.C:
		}
	}
}

func assertContains(t testing.TB, text string, wanted ...string) {
	t.Helper()
	missing := slices.DeleteFunc(wanted, func(want string) bool { return strings.Contains(text, want) })
	if len(missing) > 0 {
		t.Errorf("does not say %q:\n%s", missing, text)
	}
}
