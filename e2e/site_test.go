package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zdd/testdata/load"
)

// TestDeploy_answersByHTTPAndHTTPSSideBySide gives an app a certificate, and
// then another one.
func TestDeploy_answersByHTTPAndHTTPSSideBySide(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	secure := freeAddress(t)
	h.env = append(h.env, "ZDD_LISTEN_TLS="+secure)
	image := h.image("VERSION=v1")
	h.must("deploy", h.app, image)
	first := h.certificate(1)
	h.must("deploy", h.app, image)

	if status, _, _ := h.get("/"); status != 200 {
		t.Errorf("HTTP answers %d", status)
	}
	if serial, proto := h.askTLS(secure, first); serial != 1 || proto != "HTTP/2.0" {
		t.Errorf("HTTPS answers with certificate %d by %s, want 1 by HTTP/2.0", serial, proto)
	}
	second := h.certificate(2)
	assertContains(t, h.must("deploy", h.app, image).stderr, "nginx reloaded")
	if serial, _ := h.askTLS(secure, second); serial != 2 {
		t.Errorf("HTTPS answers with certificate %d, want the new one", serial)
	}
	key := filepath.Join(h.root, "apps", h.app, "tls", "server.key")
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.wants(2, "deploy", h.app, image)
	assertContains(t, r.stderr, "server.key", "as before", "hint:")
	if serial, _ := h.askTLS(secure, second); serial != 2 {
		t.Errorf("HTTPS answers with certificate %d after a refused one", serial)
	}
	h.certificate(3)
}

// certificate puts a self-signed certificate into the app's folder, and
// returns what trusts it.
func (h *host) certificate(serial int64) *x509.CertPool {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	name := h.app + ".localhost"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		h.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		h.t.Fatal(err)
	}
	folder := filepath.Join(h.root, "apps", h.app, "tls")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		h.t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{
		"server.crt": certificate,
		"server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(folder, file), content, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool
}

// askTLS asks the app by HTTPS, and returns the certificate's serial number and
// the protocol.
func (h *host) askTLS(address string, trusted *x509.CertPool) (serial int64, proto string) {
	h.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: h.app + ".localhost"}, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, "https://"+address+"/", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request.Host = h.app + ".localhost"
	response, err := transport.RoundTrip(request)
	if err != nil {
		h.t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
		h.t.Errorf("HTTPS answers %d, %v", response.StatusCode, err)
	}
	return response.TLS.PeerCertificates[0].SerialNumber.Int64(), response.Proto
}

// TestSetup_deploysBehindTheDistributionsNginx uses an nginx that is not zdd's,
// with a server of its own.
func TestSetup_deploysBehindTheDistributionsNginx(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	conf := h.startDistribution()
	h.must("setup", "--nginx-conf", conf)
	h.must("deploy", h.app, h.image("VERSION=v1", "IDS=/ids"), "--volume", h.ids+":/ids")
	run := h.load(load.Config{Clients: 16})
	h.must("deploy", h.app, h.image("VERSION=v2", "IDS=/ids"))
	h.must("rollback", h.app)
	h.assertLossless(run)
	h.assertServes("v1", 1)
	if _, _, body := h.ask("theirs.example.test", "/"); body != "theirs" {
		t.Errorf("the distribution's own server answers %q", body)
	}
	h.wants(2, "setup", "--undo")
	h.must("remove", h.app, "--yes")
	h.must("setup", "--undo")
	if _, _, body := h.ask("theirs.example.test", "/"); body != "theirs" {
		t.Errorf("the distribution's own server answers %q after all", body)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(conf), "conf.d", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in conf.d: %v, %v", left, err)
	}
}

// startDistribution starts an nginx as a distribution would, on the host's
// address, and returns its main configuration.
func (h *host) startDistribution() string {
	h.t.Helper()
	dir := filepath.Join(filepath.Dir(h.root), "etc")
	if err := os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	content := fmt.Sprintf(`user www-data; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
    server { listen %[2]s default_server; return 200 "theirs"; }
    include %[1]s/conf.d/*.conf;
}
`, dir, h.addr)
	if err := os.WriteFile(conf, []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
	nginx := func(args ...string) {
		h.t.Helper()
		if out, err := exec.Command("nginx", append([]string{"-e", dir + "/error.log", "-c", conf}, args...)...).CombinedOutput(); err != nil {
			h.t.Errorf("nginx %v: %v\n%s", args, err, out)
		}
	}
	nginx()
	h.t.Cleanup(func() {
		h.removeAll()
		nginx("-s", "stop")
		eventually(h.t, "the distribution's nginx has ended", func() bool {
			for _, line := range h.processesOf(dir) {
				if strings.Contains(line, "master") {
					return false
				}
			}
			return true
		})
	})
	return conf
}

// TestDeploy_buildsTheImage builds from a folder in place of taking an image.
func TestDeploy_buildsTheImage(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	folder := filepath.Join(filepath.Dir(h.root), "build")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(binary(t, "app"), filepath.Join(folder, "app")); err != nil {
		t.Fatal(err)
	}
	dockerfile := "FROM scratch\nENV VERSION=%s\nCOPY app /app\nEXPOSE 5000\nENTRYPOINT [%q]\n"
	build := func(version, entrypoint string) {
		if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), fmt.Appendf(nil, dockerfile, version, entrypoint), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build("v1", "/app")
	r := h.must("deploy", "--build", folder, h.app)
	assertContains(t, r.stderr, "COPY app /app")
	build("v2", "/app")
	if r := h.must("deploy", h.app, "--build", folder, "--json"); strings.Contains(r.stdout, "COPY") {
		t.Errorf("the builder's words are in the JSON:\n%s", r.stdout)
	}
	h.assertServes("v2", 2)
	build("v3\nNOSUCHINSTRUCTION", "/app")
	assertContains(t, h.wants(2, "deploy", h.app, "--build", folder).stderr, "NOSUCHINSTRUCTION", "serving: release 2", "hint:")
	h.assertServes("v2", 2)
	if tags := h.docker("image", "ls", "--format", "{{.Tag}}", "zdd/"+h.app); len(tags) != 2 {
		t.Errorf("tags %v, want those of two releases", tags)
	}
}

// TestDeploy_keepsAsManyReleasesAsItIsTold prunes images with their releases.
func TestDeploy_keepsAsManyReleasesAsItIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for n := 1; n <= 5; n++ {
		h.must("deploy", h.app, h.image(fmt.Sprintf("VERSION=v%d", n)), "--keep", "3")
	}
	tags := h.docker("image", "ls", "--format", "{{.Tag}}", "zdd/"+h.app)
	if len(tags) != 3 {
		t.Errorf("tags %v, want those of 3 releases", tags)
	}
	if containers := h.containers(); len(containers) != 2 {
		t.Errorf("containers %v, want the live one and the one before", containers)
	}
	h.must("rollback", h.app, "3")
	h.assertServes("v3", 3)
	h.must("rollback", h.app)
	h.assertServes("v5", 5)
	assertContains(t, h.wants(2, "rollback", h.app, "1").stderr, "3", "5")
}
