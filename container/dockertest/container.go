package dockertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

const (
	stateCreated    = "created"
	stateRunning    = "running"
	stateRestarting = "restarting"
	stateExited     = "exited"
)

// instance is a container of the fake. Its fields are guarded by Engine.mu.
type instance struct {
	id, name string
	config   container.Config
	host     container.HostConfig
	networks []string   // names
	address  netip.Addr // asked for; invalid when it may be any
	dynamic  netip.Addr // chosen at the start where none was asked for
	policy   string
	state    string
	exitCode int
	restarts int
	pid      int // while a process runs
	started  time.Time
	// pretended are the listeners that only seem to be.
	pretended []netip.AddrPort
	stopped   bool // on purpose
	removed   bool
	run       *run          // nil when no process runs
	exit      chan struct{} // closed by the next exit
	gone      chan struct{} // closed by the removal
	output    output
}

// Containers are the names of all that exist, sorted.
func (e *Engine) Containers() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, c := range e.containers {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}

// Kill ends a container's process as a crash would. It says whether there was
// one to end.
func (e *Engine) Kill(name string) bool {
	e.mu.Lock()
	c := e.find(name)
	if c == nil || c.run == nil {
		e.mu.Unlock()
		return false
	}
	life := c.run
	e.mu.Unlock()
	life.kill()
	life.term()
	<-life.dead
	return true
}

// find is by ID or name. The caller holds e.mu.
func (e *Engine) find(ref string) *instance {
	if c := e.containers[ref]; c != nil {
		return c
	}
	for _, c := range e.containers {
		if c.name == ref {
			return c
		}
	}
	return nil
}

// get is find for a handler: it answers 404 itself.
func (e *Engine) get(w http.ResponseWriter, r *http.Request) *instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(r.PathValue("id"))
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container: "+r.PathValue("id"))
	}
	return c
}

func (e *Engine) create(w http.ResponseWriter, r *http.Request) {
	var request container.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	_, imageID := e.storeName(request.Image)
	if imageID == "" {
		refuse(w, http.StatusNotFound, "No such image: "+request.Image)
		return
	}
	name := r.URL.Query().Get("name")
	if !e.reserve(name) {
		refuse(w, http.StatusConflict, fmt.Sprintf("Conflict. The container name %q is already in use", "/"+name))
		return
	}
	for _, due := range e.due(opReserve) {
		<-due.hold
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.reserved, name)
	c := &instance{
		id: newID(), name: name, config: *request.Config, host: *request.HostConfig,
		policy: string(request.HostConfig.RestartPolicy.Name), state: stateCreated,
		exit: make(chan struct{}), gone: make(chan struct{}),
	}
	c.config.Image = imageID
	labels := map[string]string{}
	for _, source := range []map[string]string{e.meta[imageID].Labels, request.Labels} {
		for key, value := range source {
			labels[key] = value
		}
	}
	c.config.Labels = labels
	if request.NetworkingConfig != nil {
		for name, endpoint := range request.NetworkingConfig.EndpointsConfig {
			c.networks = append(c.networks, name)
			if endpoint.IPAMConfig != nil {
				c.address, _ = netip.ParseAddr(endpoint.IPAMConfig.IPv4Address)
			}
		}
	}
	e.containers[c.id] = c
	answer(w, http.StatusCreated, map[string]any{"Id": c.id, "Warnings": []string{}})
}

// reserve takes a name for a container that is going to be made, and says
// whether it was free.
func (e *Engine) reserve(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reserved[name] || e.find(name) != nil {
		return false
	}
	e.reserved[name] = true
	return true
}

func (e *Engine) start(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.state == stateRunning {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if status, problem := e.place(c); problem != "" {
		refuse(w, status, problem)
		return
	}
	c.stopped, c.restarts = false, 0
	e.launch(c)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) stop(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	grace := 10
	if text := r.URL.Query().Get("t"); text != "" {
		grace, _ = strconv.Atoi(text)
	}
	// The engine carries a stop out even when nobody waits for it any more.
	if !e.end(r.Context(), c, time.Duration(grace)*time.Second) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) update(w http.ResponseWriter, r *http.Request) {
	var request container.UpdateConfig
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	c := e.get(w, r)
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.policy = string(request.RestartPolicy.Name)
	answer(w, http.StatusOK, map[string]any{"Warnings": []string{}})
}

func (e *Engine) remove(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	e.mu.Lock()
	running := c.run != nil
	e.mu.Unlock()
	if running && r.URL.Query().Get("force") != "1" {
		refuse(w, http.StatusConflict, "You cannot remove a running container")
		return
	}
	e.end(r.Context(), c, 0)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.removed {
		c.removed = true
		delete(e.containers, c.id)
		close(c.gone)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) list(w http.ResponseWriter, r *http.Request) {
	wanted, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	all := r.URL.Query().Get("all") == "1"
	e.mu.Lock()
	defer e.mu.Unlock()
	found := []container.Summary{}
	for _, c := range e.containers {
		up := c.state == stateRunning || c.state == stateRestarting
		if (all || up) && wanted.MatchKVList("label", c.config.Labels) {
			found = append(found, c.summary())
		}
	}
	answer(w, http.StatusOK, found)
}

func (c *instance) summary() container.Summary {
	return container.Summary{
		ID: c.id, Names: []string{"/" + c.name}, Image: c.config.Image, ImageID: c.config.Image,
		Labels: c.config.Labels, State: c.state,
		NetworkSettings: &container.NetworkSettingsSummary{Networks: c.endpoints()},
	}
}

func (c *instance) endpoints() map[string]*network.EndpointSettings {
	endpoints := map[string]*network.EndpointSettings{}
	for i, name := range c.networks {
		endpoint := &network.EndpointSettings{}
		if i == 0 && c.address.IsValid() {
			endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: c.address.String()}
		}
		if i == 0 && c.run != nil && c.at().IsValid() {
			endpoint.IPAddress = c.at().String()
		}
		endpoints[name] = endpoint
	}
	return endpoints
}

func (e *Engine) inspect(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	up := c.state == stateRunning || c.state == stateRestarting
	e.showSockets(c)
	host := c.host
	host.RestartPolicy.Name = container.RestartPolicyMode(c.policy)
	answer(w, http.StatusOK, container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.id, Name: "/" + c.name, Image: c.config.Image, RestartCount: c.restarts, HostConfig: &host,
			State: &container.State{
				Status: c.state, Running: up, Restarting: c.state == stateRestarting, ExitCode: c.exitCode,
				Pid: c.pid, StartedAt: c.started.Format(time.RFC3339Nano),
			},
			ExecIDs: e.execIDs(c),
		},
		Config:          &c.config,
		NetworkSettings: &container.NetworkSettings{Networks: c.endpoints()},
	})
}

var lastID atomic.Uint64

// newID is of the form that the client accepts as one.
func newID() string { return strings.Repeat(fmt.Sprintf("%016x", lastID.Add(1)), 4) }
