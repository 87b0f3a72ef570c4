package container_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// registry is an image registry with one repository, "app": the tag v1 is an
// image of the probe, the tag torn one whose layer arrives with other bytes
// than promised. With a user, it asks for a login.
type registry struct {
	address        string // host:port, which the engine takes for insecure because it is loopback
	user, password string
	blobs          map[string][]byte
	manifests      map[string][]byte // by tag and by digest
}

func newRegistry(t *testing.T, user, password string) *registry {
	t.Helper()
	r := &registry{user: user, password: password, blobs: map[string][]byte{}, manifests: map[string][]byte{}}
	plain, err := probeLayer()
	if err != nil {
		t.Fatal(err)
	}
	r.add(t, "v1", plain, false)
	// Content of its own, or the engine would have the layer already.
	r.add(t, "torn", append(bytes.Clone(plain), make([]byte, 512)...), true)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	return r
}

func (r *registry) ref(tag string) string { return r.address + "/app:" + tag }

// add makes an image of one layer, see
// https://github.com/opencontainers/image-spec/blob/main/manifest.md.
func (r *registry) add(t *testing.T, tag string, plain []byte, torn bool) {
	t.Helper()
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	if _, err := packer.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	config := fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/probe"],"ExposedPorts":{"8080/tcp":{}},"Labels":{"unique":%q}},"rootfs":{"type":"layers","diff_ids":[%q]}}`,
		unique("image"), digest(plain))
	const kind = "application/vnd.docker.distribution.manifest.v2+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": kind,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": packed.Len(), "digest": digest(packed.Bytes())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	layer := packed.Bytes()
	name := digest(layer)
	if torn {
		layer = bytes.Clone(layer)
		layer[len(layer)-1] ^= 0xff
	}
	r.blobs[name], r.blobs[digest(config)] = layer, config
	r.manifests[tag], r.manifests[digest(manifest)] = manifest, manifest
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	user, password, _ := request.BasicAuth()
	if user != r.user || password != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	path := request.URL.Path
	switch {
	case path == "/v2/":
		_, _ = io.WriteString(w, "{}")
	case strings.HasPrefix(path, "/v2/app/manifests/"):
		body, known := r.manifests[strings.TrimPrefix(path, "/v2/app/manifests/")]
		if !known {
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
			return
		}
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
		w.Header().Set("Docker-Content-Digest", digest(body))
		_, _ = w.Write(body)
	case strings.HasPrefix(path, "/v2/app/blobs/"):
		_, _ = w.Write(r.blobs[strings.TrimPrefix(path, "/v2/app/blobs/")])
	default:
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// login is what a docker configuration holds for a user of the registry.
func (r *registry) login() string {
	return base64.StdEncoding.EncodeToString([]byte(r.user + ":" + r.password))
}
