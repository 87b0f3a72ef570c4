package checks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// selfSigned is a certificate for the host, and the pool that trusts it.
func selfSigned(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	pool := x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der)))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// serveTLS starts an app that speaks TLS with a certificate for app.example.com.
func serveTLS(t *testing.T, handler http.HandlerFunc) (string, *tls.Config) {
	t.Helper()
	certificate, pool := selfSigned(t, "app.example.com")
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(func() { noTrace(t) })
	return server.Listener.Addr().String(), &tls.Config{RootCAs: pool}
}

func TestRun_speaksTLSWhereItIsTold(t *testing.T) {
	address, trust := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "https://app.example.com/end", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.TLS.ServerName, " ", r.Host, " ", r.URL.Path)
	})
	target := Target{Name: "web-1", Address: address, Host: "app.example.com", TLS: trust, HTTPS: true}
	file := patient(t, "/ app.example.com app.example.com /end", "/a", "#: tcp")
	if err := Run(t.Context(), file, []Target{target}, Options{}).Err(); err != nil {
		t.Error(err)
	}
}

func TestRun_wantsACertificateThatHolds(t *testing.T) {
	address, trust := serveTLS(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made") })
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	named := trust.Clone()
	named.ServerName = "other.example.com"
	for _, tt := range []struct {
		name, address, line string
		tls                 *tls.Config
		label               string
		want                string // in the detail
	}{
		{"for another host", address, "//other.example.com/", trust, "certificate that is not trusted", "certificate is valid for app.example.com, not other.example.com"},
		{"for the name that it is told", address, "/", named, "certificate that is not trusted", "certificate is valid for app.example.com, not other.example.com"},
		{"of nobody that is trusted", address, "/", &tls.Config{RootCAs: x509.NewCertPool()}, "certificate that is not trusted", "certificate signed by unknown authority"},
		{"at all", plain, "/", trust, "no TLS", "first record does not look like a TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := verdict(t, patient(t, tt.line), Target{Name: "web-1", Address: tt.address, Host: "app.example.com", TLS: tt.tls})
			if r := report.Results[0]; r.OK || r.Tallies[0].What != tt.label || !strings.Contains(r.Detail, tt.want) {
				t.Errorf("result = %+v, want %q", r, tt.want)
			}
		})
	}
}

func TestRun_givesUpOnAHandshakeThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, pool := selfSigned(t, "app.example.com")
	report := Run(t.Context(), quick(t, "/"), []Target{{Name: "web-1", Address: listener.Addr().String(), TLS: &tls.Config{RootCAs: pool}}}, Options{})
	if got := report.Results[0].Summary(); report.Passed() || !strings.HasSuffix(got, "× no connection within 250 ms") {
		t.Errorf("summary = %q", got)
	}
	noTrace(t)
}
