package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zdd/testdata/load"
)

func TestRun_reportsLossesAsJSONAndByItsExitCode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{
		"-address", server.Listener.Addr().String(), "-clients", "2", "-for", "100ms", "-json",
	}, &out, &errs)
	if code != exitLost {
		t.Errorf("exit code %d, want %d; %s", code, exitLost, &errs)
	}
	var got load.Report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("reading the report: %v\n%s", err, &out)
	}
	if got.Lost == 0 || got.Lost != got.Sent || got.Reasons["status 404"] != got.Lost {
		t.Errorf("want all lost by their status:\n%s", got)
	}
}

func TestRun_speaksHTTP2OverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "trusted.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	run(t.Context(), []string{
		"-address", server.Listener.Addr().String(), "-host", "example.com", "-tls", file, "-gets", "1", "-clients", "0", "-for", "100ms",
	}, &out, &errs)
	if want := "status 404"; !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, want %q; %s", &out, want, &errs)
	}
}

func TestRun_refusesAWrongUse(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-address 10.0.0.1:80", "only 127.0.0.0/8"},
		{"-address 127.0.0.1:80 now", `unexpected argument "now"`},
		{"-address 127.0.0.1:80 -tls main.go", "no certificate"},
		{"-retry", "flag provided but not defined"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(t.Context(), strings.Fields(test.args), &out, &errs); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if !strings.Contains(errs.String(), test.want) {
				t.Errorf("it says %q, want %q", errs.String(), test.want)
			}
		})
	}
}
