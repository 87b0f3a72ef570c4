package nginx

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// selfSigned writes a certificate for the names and returns it with its pool.
func selfSigned(t *testing.T, names ...string) (*Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := publicDir(t)
	c := &Certificate{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	writeFile(t, c.CertFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, c.KeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return c, pool
}

func TestSite_answersHTTPAndHTTPSSideBySide(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	blue, green := startApp(t, "blue", echo), startApp(t, "green", nil)
	cert, pool := selfSigned(t, "web.example.com")
	site := Site{App: "web", Domains: []string{"web.example.com"}, Blue: []string{blue.addr}, Green: []string{green.addr}, Certificate: cert}
	install(t, p, site)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.config.ListenTLS[0])
		},
	}}
	fetch := func(host string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(ctx, "POST", "https://"+host+"/a%2Fb", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	for _, closing := range []bool{false, true} {
		if closing {
			setClosing(t, p)
		}
		resp, body, err := fetch("web.example.com")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(p.config.ListenTLS[0])
		want := "HTTP/2.0 POST /a%2Fb x host=web.example.com X-Forwarded-For=127.0.0.1 X-Forwarded-Proto=https X-Forwarded-Host=web.example.com X-Forwarded-Port=" + port
		if diff := cmp.Diff(want, resp.Proto+" "+body); diff != "" {
			t.Errorf("HTTPS, closing=%v (-want +got):\n%s", closing, diff)
		}
	}
	if err := os.Remove(p.paths.closing()); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, p, "web.example.com", "/"); status != 200 {
		t.Errorf("HTTP beside HTTPS answers %d", status)
	}
	if _, _, err := fetch("unknown.example.com"); err == nil || !contains(err.Error(), "unrecognized name") {
		t.Errorf("unknown host by HTTPS: %v, want a refused handshake", err)
	}
	if status, _ := get(t, p, "unknown.example.com", "/"); status != 404 {
		t.Errorf("unknown host by HTTP answers %d, want 404", status)
	}
	site.HTTPSRedirect = true
	install(t, p, site)
	for _, tt := range []struct {
		path string
		want int
	}{{"/p?q=1", 308}, {"/.well-known/acme-challenge/x", 200}} {
		if status, _ := get(t, p, "web.example.com", tt.path); status != tt.want {
			t.Errorf("%s with a redirect answers %d, want %d", tt.path, status, tt.want)
		}
	}
	if _, body, err := fetch("web.example.com"); err != nil || !contains(body, "X-Forwarded-Proto=https") {
		t.Errorf("HTTPS with a redirect: %q, %v", body, err)
	}
}

func TestInstall_takesARenewedCertificateAndRefusesAWrongPair(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	site.Certificate, _ = selfSigned(t, "web.localhost")
	install(t, p, site)
	renewed, _ := selfSigned(t, "web.localhost")
	for from, to := range map[string]string{renewed.CertFile: site.Certificate.CertFile, renewed.KeyFile: site.Certificate.KeyFile} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, to, string(data))
	}
	changed, err := p.Install(ctx, site)
	if err != nil || !changed {
		t.Errorf("a renewed certificate in the same files: changed %v, %v", changed, err)
	}
	other, _ := selfSigned(t, "web.localhost")
	site.Certificate = &Certificate{renewed.CertFile, other.KeyFile}
	var invalid *Invalid
	if _, err := p.Install(ctx, site); !asError(err, &invalid) {
		t.Errorf("a key of another certificate: %v, want *Invalid", err)
	}
}
