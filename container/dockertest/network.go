package dockertest

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// bridge is a network of the fake.
type bridge struct {
	id, name string
	subnet   netip.Prefix
	created  time.Time
	options  network.CreateOptions
}

// Networks are the names of all that exist, sorted.
func (e *Engine) Networks() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, b := range e.networks {
		names = append(names, b.name)
	}
	slices.Sort(names)
	return names
}

// network is by ID or name. The caller holds e.mu.
func (e *Engine) network(ref string) *bridge {
	if b := e.networks[ref]; b != nil {
		return b
	}
	for _, b := range e.networks {
		if b.name == ref {
			return b
		}
	}
	return nil
}

func (b *bridge) inspect() network.Inspect {
	return network.Inspect{
		ID: b.id, Name: b.name, Created: b.created, Scope: "local", Driver: b.options.Driver,
		IPAM: *b.options.IPAM, Options: b.options.Options, Labels: b.options.Labels,
	}
}

func (e *Engine) listNetworks(w http.ResponseWriter, r *http.Request) {
	wanted, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found := []network.Summary{}
	for _, b := range e.networks {
		if wanted.MatchKVList("label", b.options.Labels) {
			found = append(found, b.inspect())
		}
	}
	answer(w, http.StatusOK, found)
}

func (e *Engine) inspectNetwork(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.network(r.PathValue("id"))
	if b == nil {
		refuse(w, http.StatusNotFound, "network "+r.PathValue("id")+" not found")
		return
	}
	found := b.inspect()
	found.Containers = map[string]network.EndpointResource{}
	for id, c := range e.containers {
		if c.run != nil && slices.Contains(c.networks, b.name) {
			found.Containers[id] = network.EndpointResource{Name: c.name}
		}
	}
	answer(w, http.StatusOK, found)
}

func (e *Engine) createNetwork(w http.ResponseWriter, r *http.Request) {
	var request network.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if request.IPAM == nil || len(request.IPAM.Config) != 1 {
		refuse(w, http.StatusBadRequest, "dockertest makes only networks of one given subnet")
		return
	}
	subnet, err := netip.ParsePrefix(request.IPAM.Config[0].Subnet)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.network(request.Name) != nil {
		refuse(w, http.StatusConflict, "network with name "+request.Name+" already exists")
		return
	}
	for _, other := range e.networks {
		if other.subnet.Overlaps(subnet) {
			refuse(w, http.StatusForbidden, "Pool overlaps with other one on this address space")
			return
		}
	}
	id := newID()
	e.networks[id] = &bridge{id: id, name: request.Name, subnet: subnet, created: time.Now(), options: request.CreateOptions}
	answer(w, http.StatusCreated, map[string]string{"Id": id})
}

func (e *Engine) connectNetwork(w http.ResponseWriter, r *http.Request) {
	var request network.ConnectOptions
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b, c := e.network(r.PathValue("id")), e.find(request.Container)
	if b == nil || c == nil {
		refuse(w, http.StatusNotFound, "no such network or container")
		return
	}
	c.networks = append(c.networks, b.name)
	w.WriteHeader(http.StatusOK)
}

func (e *Engine) removeNetwork(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.network(r.PathValue("id"))
	if b == nil {
		refuse(w, http.StatusNotFound, "network "+r.PathValue("id")+" not found")
		return
	}
	for _, c := range e.containers {
		if c.run != nil && slices.Contains(c.networks, b.name) {
			refuse(w, http.StatusForbidden, "error while removing network: network "+b.name+" has active endpoints")
			return
		}
	}
	delete(e.networks, b.id)
	w.WriteHeader(http.StatusNoContent)
}
