package dockertest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/distribution/reference"

	zdd "zdd/container"
)

// Image is what the fake knows of an image besides its names.
type Image struct {
	Ports  []string // as in EXPOSE: "5000/tcp"
	Labels map[string]string
	User   string
	// Files are the contents of its regular files, and Links the targets of its
	// symbolic links, by absolute path. The folders that they need are there.
	Files, Links map[string]string
	WorkingDir   string
	Healthcheck  *zdd.Healthcheck
	Shell        []string
	id           string // in the image store
}

// remoteImage is one that a pull finds.
type remoteImage struct {
	image  Image
	broken string // the error that breaks the download off
}

// AddImage puts an image on the engine and gives its ID. The ref is taken from
// any image that had it.
func (e *Engine) AddImage(ref string, image Image) string {
	// The store makes an image only of a name that it does not know.
	e.store(http.MethodDelete, "/images/"+withTag(ref), nil)
	name, tag := split(ref)
	e.store(http.MethodPost, "/images/create", url.Values{"fromImage": {name}, "tag": {tag}})
	var stored struct {
		ID string `json:"Id"`
	}
	found := e.store(http.MethodGet, "/images/"+withTag(ref)+"/json", nil)
	if err := json.Unmarshal(found.Body.Bytes(), &stored); err != nil {
		panic(fmt.Sprintf("dockertest: image store: %v", err))
	}
	image.id = stored.ID
	id := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(stored.ID)))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.meta[id] = image
	return id
}

// AddRemote makes an image known to the registry, for a pull to find. Each pull
// of a ref gives the same image until AddRemote is called again.
func (e *Engine) AddRemote(ref string, image Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remote[withTag(ref)] = remoteImage{image: image}
}

// BreakPull makes pulls of ref break off with an error, after they have begun.
func (e *Engine) BreakPull(ref, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remote[withTag(ref)] = remoteImage{broken: message}
}

// store asks the image store behind the fake, one question at a time: it does
// not guard all that it has.
func (e *Engine) store(method, path string, query url.Values) *httptest.ResponseRecorder {
	e.storing.Lock()
	defer e.storing.Unlock()
	recorder := httptest.NewRecorder()
	e.images.ServeHTTP(recorder, httptest.NewRequest(method, path+"?"+query.Encode(), nil))
	return recorder
}

// storeName is what the store calls an image, and its ID. Both are "" for one
// that it does not have.
func (e *Engine) storeName(ref string) (name, id string) {
	e.mu.Lock()
	if image, known := e.meta[ref]; known {
		e.mu.Unlock()
		return image.id, ref
	}
	e.mu.Unlock()
	name = withTag(ref)
	found := e.store(http.MethodGet, "/images/"+name+"/json", nil)
	var stored struct {
		ID string `json:"Id"`
	}
	if found.Code != http.StatusOK || json.Unmarshal(found.Body.Bytes(), &stored) != nil {
		return "", ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, image := range e.meta {
		if image.id == stored.ID {
			return name, id
		}
	}
	return "", ""
}

func (e *Engine) inspectImage(w http.ResponseWriter, _ *http.Request, ref string) {
	_, id := e.storeName(ref)
	if id == "" {
		refuse(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	e.mu.Lock()
	image := e.meta[id]
	e.mu.Unlock()
	exposed := map[string]struct{}{}
	for _, port := range image.Ports {
		exposed[port] = struct{}{}
	}
	answer(w, http.StatusOK, map[string]any{
		"Id": id, "RepoDigests": []string{}, "Size": 1 << 20,
		"Config": map[string]any{
			"ExposedPorts": exposed, "Labels": image.Labels, "User": image.User, "WorkingDir": image.WorkingDir,
			"Healthcheck": image.Healthcheck, "Shell": image.Shell,
		},
	})
}

func (e *Engine) tag(w http.ResponseWriter, r *http.Request, ref string) {
	name, id := e.storeName(ref)
	if id == "" {
		refuse(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	repository, tag := split(r.URL.Query().Get("repo") + ":" + r.URL.Query().Get("tag"))
	e.store(http.MethodPost, "/images/"+name+"/tag", url.Values{"repo": {repository}, "tag": {tag}})
	w.WriteHeader(http.StatusCreated)
}

func (e *Engine) untag(w http.ResponseWriter, _ *http.Request, ref string) {
	name, id := e.storeName(ref)
	if id == "" {
		refuse(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	if e.names(id) == 1 && e.used(id) {
		refuse(w, http.StatusConflict, "conflict: unable to remove repository reference "+ref+" (must force)")
		return
	}
	e.store(http.MethodDelete, "/images/"+name, nil)
	answer(w, http.StatusOK, []map[string]string{{"Untagged": ref}})
}

// names counts the names of an image.
func (e *Engine) names(id string) int {
	e.mu.Lock()
	storeID := e.meta[id].id
	e.mu.Unlock()
	var stored []struct {
		ID       string `json:"Id"`
		RepoTags []string
	}
	if json.Unmarshal(e.store(http.MethodGet, "/images/json", nil).Body.Bytes(), &stored) != nil {
		return 0
	}
	for _, image := range stored {
		if image.ID == storeID {
			return len(image.RepoTags)
		}
	}
	return 0
}

// used says whether a container, running or not, was made of the image.
func (e *Engine) used(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		if c.config.Image == id {
			return true
		}
	}
	return false
}

func (e *Engine) pull(w http.ResponseWriter, r *http.Request) {
	ref := withTag(r.URL.Query().Get("fromImage") + ":" + r.URL.Query().Get("tag"))
	e.mu.Lock()
	found, known := e.remote[ref]
	e.mu.Unlock()
	if !known {
		refuse(w, http.StatusNotFound, "manifest for "+ref+" not found: manifest unknown")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"Pulling fs layer","id":"aa"}
{"status":"Downloading","progressDetail":{"current":500,"total":1000},"id":"aa"}
`)
	if found.broken != "" {
		// With status 200, which has been sent: as an engine does.
		_ = json.NewEncoder(w).Encode(map[string]any{
			"errorDetail": map[string]string{"message": found.broken}, "error": found.broken,
		})
		return
	}
	e.arrive(ref, found)
	_, _ = io.WriteString(w, `{"status":"Pull complete","id":"aa"}`+"\n")
}

// arrive puts a pulled image on the engine, unless it is there already.
func (e *Engine) arrive(ref string, found remoteImage) {
	if name, _ := e.storeName(ref); name != "" && found.image.id != "" {
		return
	}
	id := e.AddImage(ref, found.image)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remote[ref] = remoteImage{image: e.meta[id]}
}

// withTag completes a name as the engine does, and writes it the short way.
func withTag(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

func split(ref string) (name, tag string) {
	whole := withTag(ref)
	colon := strings.LastIndex(whole, ":")
	return whole[:max(colon, 0)], whole[colon+1:]
}
