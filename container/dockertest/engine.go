package dockertest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	base "github.com/fsouza/go-dockerclient/testing"
)

// APIVersion is the one that the fake speaks, that of the oldest engine zdd
// supports.
const APIVersion = "1.41"

// Op is a kind of API call, for Fail and Before.
type Op string

// The calls that tests interfere with.
const (
	OpPing            Op = "GET /_ping"
	OpInfo            Op = "GET /info"
	OpPull            Op = "POST /images/create"
	OpTag             Op = "POST /images/{name}/tag"
	OpInspectImage    Op = "GET /images/{name}/json"
	OpUntag           Op = "DELETE /images/{name}"
	OpCreate          Op = "POST /containers/create"
	OpStart           Op = "POST /containers/{id}/start"
	OpStop            Op = "POST /containers/{id}/stop"
	OpUpdate          Op = "POST /containers/{id}/update"
	OpRemove          Op = "DELETE /containers/{id}"
	OpWait            Op = "POST /containers/{id}/wait"
	OpAttach          Op = "POST /containers/{id}/attach"
	OpList            Op = "GET /containers/json"
	OpInspect         Op = "GET /containers/{id}/json"
	OpLogs            Op = "GET /containers/{id}/logs"
	OpArchive         Op = "GET /containers/{id}/archive"
	OpCreateExec      Op = "POST /containers/{id}/exec"
	OpStartExec       Op = "POST /exec/{id}/start"
	OpInspectExec     Op = "GET /exec/{id}/json"
	OpListNetworks    Op = "GET /networks"
	OpCreateNetwork   Op = "POST /networks/create"
	OpInspectNetwork  Op = "GET /networks/{id}"
	OpConnectNetwork  Op = "POST /networks/{id}/connect"
	OpRemoveNetwork   Op = "DELETE /networks/{id}"
	anyOtherOperation Op = "/"

	opReserve Op = "a creation has its name" // no call, but a moment of one
)

// Program is what a container runs, in place of its image's. It returns the
// exit status, and must return when p.Kill ends.
type Program func(p Process) int

// Engine is the fake. It is safe for concurrent use.
type Engine struct {
	images  *base.DockerServer
	storing sync.Mutex // held while images is asked
	server  *http.Server
	host    string
	program Program
	dataDir string

	mu         sync.Mutex
	meta       map[string]Image // by ID
	remote     map[string]remoteImage
	containers map[string]*instance  // by ID
	networks   map[string]*bridge    // by ID
	execs      map[string]*execution // by ID
	commands   Program               // what is run in containers that run
	faults     []*fault
	calls      map[Op]int
	reserved   map[string]bool // names of containers that are being made
}

// fault is what is to happen at a certain call of a kind.
type fault struct {
	op      Op
	left    int // calls until then
	status  int // 0: none, the call goes on
	message string
	before  func()
	hold    <-chan struct{} // closed when the engine may go on
}

// New starts an engine that ends with the test. Each of its containers runs
// program; nil is one that waits for its end.
func New(t testing.TB, program Program) *Engine {
	t.Helper()
	images, err := base.NewServer("127.0.0.1:0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(images.Stop)
	// Not t.TempDir: the path of a socket must be short.
	dir, err := os.MkdirTemp("", "zdd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if program == nil {
		program = func(p Process) int { <-p.Term.Done(); return 0 }
	}
	engine := &Engine{
		images: images, host: "unix://" + listener.Addr().String(), program: program, dataDir: dir,
		meta: map[string]Image{}, remote: map[string]remoteImage{},
		containers: map[string]*instance{}, networks: map[string]*bridge{},
		execs: map[string]*execution{}, calls: map[Op]int{}, reserved: map[string]bool{},
	}
	engine.server = &http.Server{Handler: engine.handler()}
	go func() { _ = engine.server.Serve(listener) }()
	t.Cleanup(engine.Down)
	return engine
}

// Host is the engine's address, for container.Config.
func (e *Engine) Host() string { return e.host }

// Down ends the engine as a crash would: its connections break, and so do its
// containers. It does not come back.
func (e *Engine) Down() {
	_ = e.server.Close()
	e.mu.Lock()
	var running []*instance
	for _, c := range e.containers {
		running = append(running, c)
	}
	e.mu.Unlock()
	for _, c := range running {
		e.end(context.Background(), c, 0)
	}
}

// Fail makes the nth call of a kind from now on, 1 being the next, fail with
// an HTTP status and message.
func (e *Engine) Fail(op Op, nth, status int, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &fault{op: op, left: nth, status: status, message: message})
}

// Before runs do just before the nth call of a kind from now on, 1 being the
// next, is carried out.
func (e *Engine) Before(op Op, nth int, do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &fault{op: op, left: nth, before: do})
}

// DelayCreation makes the nth creation of a container from now on, 1 being the
// next, take until hold is closed. As with an engine, its name is taken
// meanwhile, and there is no container.
func (e *Engine) DelayCreation(nth int, hold <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &fault{op: opReserve, left: nth, hold: hold})
}

// Calls is how many calls of these kinds have come so far, of all kinds where
// none is named.
func (e *Engine) Calls(ops ...Op) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := 0
	for op, n := range e.calls {
		if len(ops) == 0 || slices.Contains(ops, op) {
			calls += n
		}
	}
	return calls
}

// Subnet is one of loopback, for EnsureNetwork, in which a Program can listen
// on its container's address. No other test on this machine has it at the
// same time.
func Subnet(t testing.TB) string {
	t.Helper()
	for range 100 {
		second, third := 1+rand.IntN(254), rand.IntN(256)
		// A socket in the range that no instance gets is the lock.
		guard, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.254:61999", second, third))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = guard.Close() })
		return fmt.Sprintf("127.%d.%d.0/24", second, third)
	}
	t.Fatal("no loopback subnet is free")
	return ""
}

var versionPrefix = regexp.MustCompile(`^/v1\.\d+/`)

// imagePath holds an image's name, which has slashes in it.
var imagePath = regexp.MustCompile(`^/images/(.+?)(/json|/tag)?$`)

func (e *Engine) handler() http.Handler {
	routes := map[Op]http.HandlerFunc{
		OpPing: e.ping, "HEAD /_ping": e.ping, OpInfo: e.info, OpPull: e.pull,
		OpCreate: e.create, OpStart: e.start, OpStop: e.stop, OpUpdate: e.update, OpRemove: e.remove,
		OpWait: e.wait, OpAttach: e.attach, OpList: e.list, OpInspect: e.inspect, OpLogs: e.logs,
		OpArchive: e.archive, OpCreateExec: e.createExec, OpStartExec: e.startExec, OpInspectExec: e.inspectExec,
		OpListNetworks: e.listNetworks, OpCreateNetwork: e.createNetwork, OpInspectNetwork: e.inspectNetwork,
		OpConnectNetwork: e.connectNetwork, OpRemoveNetwork: e.removeNetwork,
		anyOtherOperation: e.unknown,
	}
	mux := http.NewServeMux()
	for op, handle := range routes {
		mux.HandleFunc(string(op), e.faulty(op, handle))
	}
	imageOps := map[string]struct {
		op     Op
		handle func(http.ResponseWriter, *http.Request, string)
	}{
		"GET/json": {OpInspectImage, e.inspectImage}, "POST/tag": {OpTag, e.tag}, "DELETE": {OpUntag, e.untag},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = versionPrefix.ReplaceAllString(r.URL.Path, "/")
		if found := imagePath.FindStringSubmatch(r.URL.Path); found != nil && r.URL.Path != "/images/create" {
			if image, known := imageOps[r.Method+found[2]]; known {
				e.faulty(image.op, func(w http.ResponseWriter, r *http.Request) { image.handle(w, r, found[1]) })(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// faulty does what Fail and Before have asked for.
func (e *Engine) faulty(op Op, handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.calls[op]++
		e.mu.Unlock()
		for _, due := range e.due(op) {
			if due.before != nil {
				due.before()
			}
			if due.status != 0 {
				refuse(w, due.status, due.message)
				return
			}
		}
		handle(w, r)
	}
}

func (e *Engine) due(op Op) []*fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	var due []*fault
	for _, fault := range e.faults {
		if fault.op != op {
			continue
		}
		if fault.left--; fault.left == 0 {
			due = append(due, fault)
		}
	}
	return due
}

func (e *Engine) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("API-Version", APIVersion)
	w.Header().Set("OSType", "linux")
	w.WriteHeader(http.StatusOK)
}

func (e *Engine) info(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"LoggingDriver": "json-file", "DockerRootDir": e.dataDir, "ServerVersion": "dockertest", "OSType": "linux",
	})
}

// unknown is for calls that the fake does not know: better a failure than an
// answer that no engine would give.
func (e *Engine) unknown(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotImplemented, "dockertest does not know "+r.Method+" "+r.URL.Path)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse is how an engine tells an error.
func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message})
}
