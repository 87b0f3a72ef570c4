package checks

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// serveGRPC starts a server of google.golang.org/grpc and returns its address.
func serveGRPC(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	t.Cleanup(func() { noTrace(t) })
	return listener.Addr().String()
}

// withHealth registers a health service that knows of the server and of a cart.
func withHealth(server *grpc.Server) {
	service := health.NewServer()
	service.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	service.SetServingStatus("shop.v1.Order", healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	healthpb.RegisterHealthServer(server, service)
}

func TestRun_asksForHealthByGRPC(t *testing.T) {
	tests := []struct {
		name, line  string
		register    func(*grpc.Server)
		want        string // the tally, empty if the check passes
		detail      string
		wantMissing string
	}{
		{"serving", "#: grpc", withHealth, "", "", ""},
		{"not serving", "#: grpc shop.v1.Cart", withHealth, "NOT_SERVING", "", "SERVING"},
		{"its health is not known", "#: grpc shop.v1.Order", withHealth, "SERVICE_UNKNOWN", "", "SERVING"},
		{"a service that it does not have", "#: grpc shop.v1.Kart", withHealth, "a service that is not known", "unknown service", "SERVING"},
		{"no health service", "#: grpc", func(*grpc.Server) {}, "no health service", "the app does not offer grpc.health.v1.Health", "SERVING"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := Target{Name: "web-1", Address: serveGRPC(t, tt.register), Host: "app.example.com"}
			report := verdict(t, patient(t, tt.line), target)
			r := report.Results[0]
			if tt.want == "" {
				if err := report.Err(); err != nil {
					t.Error(err)
				}
				return
			}
			if report.Passed() || r.Tallies[0].What != tt.want || r.Detail != tt.detail || r.Missing != tt.wantMissing {
				t.Errorf("result = %+v, want %q with detail %q", r, tt.want, tt.detail)
			}
		})
	}
}

func TestRun_waitsUntilTheServiceIsServing(t *testing.T) {
	service := health.NewServer()
	service.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	address := serveGRPC(t, func(server *grpc.Server) { healthpb.RegisterHealthServer(server, service) })
	report := Run(t.Context(), patient(t, "#: grpc"), []Target{{Name: "web-1", Address: address}}, Options{Observe: func(p Progress) {
		if len(p.Waiting) > 0 && p.Waiting[0].Reason == "NOT_SERVING" {
			service.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
		}
	}})
	if r := report.Results[0]; !report.Passed() || r.Tallies[0].What != "NOT_SERVING" {
		t.Errorf("result = %+v, want a pass after NOT_SERVING", r)
	}
}

func TestRun_tellsWhatIsNoGRPC(t *testing.T) {
	tests := []struct {
		name, address string
		want, detail  string
	}{
		{"HTTP/2 that is none", serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }), "404 and no gRPC", ""},
		{"200 without a status", serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("welcome")) }), "200 and no gRPC", ""},
		{"no message", serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Grpc-Status", "0") }), "an answer that is no health", "its frame is not that of one message"},
		{"an endless message", serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1000)); err == nil; {
				_, err = w.Write(make([]byte, 1000))
			}
		}), "200 and no gRPC", ""},
		{"another error", serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "16")
			w.Header().Set("Grpc-Message", "who are you%1b[31m")
		}), "gRPC status 16", `who are you\x1b[31m`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := verdict(t, patient(t, "#: grpc"), Target{Name: "web-1", Address: tt.address})
			if r := report.Results[0]; r.OK || r.Tallies[0].What != tt.want || r.Detail != tt.detail {
				t.Errorf("result = %+v, want %q with detail %q", r, tt.want, tt.detail)
			}
			assertScreen(t, unfit(t, report).Error())
		})
	}
}

// A server may hang up so soon that its answer is lost, but not each time.
func TestRun_tellsHTTP1FromGRPC(t *testing.T) {
	address := serve(t, func(http.ResponseWriter, *http.Request) {})
	if got := endsUnfit(t, quick(t, "#: grpc"), address).Summary(); !strings.Contains(got, "× HTTP/1.1 instead of gRPC") {
		t.Errorf("summary = %q", got)
	}
}

// A server of TLS may hang up before its alert has come: then nobody can tell.
func TestRun_doesNotTakeGRPCOverTLSForGRPC(t *testing.T) {
	certificate, _ := selfSigned(t, "app.example.com")
	address := serveGRPC(t, withHealth, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	possible := []string{"TLS instead of plain HTTP", "connection reset", "connection closed without an answer"}
	r := verdict(t, patient(t, "#: grpc"), Target{Name: "web-1", Address: address}).Results[0]
	if r.OK || !slices.Contains(possible, r.Tallies[0].What) {
		t.Errorf("result = %+v, want one of %q", r, possible)
	}
}

// serveHTTP2 starts an app that speaks HTTP/2 without TLS.
func serveHTTP2(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	t.Cleanup(func() { noTrace(t) })
	return listener.Addr().String()
}

func TestRun_endsWithinItsBudgetHoweverTheGRPCServerMisbehaves(t *testing.T) {
	t.Cleanup(func() { noTrace(t) })
	file := quick(t, "#: grpc")
	file.Timeout = 2 * time.Second
	report := Run(t.Context(), file, misbehaving(t, misbehaviours), Options{})
	if budget := file.Budget(file.Checks[0]); report.Elapsed > budget+patience/2 {
		t.Errorf("took %v, want about %v", report.Elapsed, budget)
	}
	want := map[string]string{
		"accepts and never answers": "no whole answer within 2.0 s",
		"closes at once":            "connection closed without an answer",
		"TLS on the plain port":     "TLS instead of plain HTTP",
		"status 999":                "HTTP/1.1 instead of gRPC",
		"HTTP/2":                    "",
	}
	for i, tt := range misbehaviours {
		result := report.Results[i]
		if result.OK || !strings.Contains(result.Summary(), want[tt.name]) || result.Attempts == 0 {
			t.Errorf("%s: OK = %v, summary = %q, want %q in it", tt.name, result.OK, result.Summary(), want[tt.name])
		}
		assertScreen(t, unfit(t, Report{Source: "CHECKS", Results: []Result{result}}).Error())
	}
}

func TestHealthResponse_takesOneWholeMessage(t *testing.T) {
	for _, tt := range []struct {
		name, framed string
		want         uint64
		ok           bool
	}{
		{"serving", "\x00\x00\x00\x00\x02\x08\x01", 1, true},
		{"empty, which is the zero value", "\x00\x00\x00\x00\x00", 0, true},
		{"with a field of the future", "\x00\x00\x00\x00\x05\x12\x01x\x08\x02", 2, true},
		{"compressed", "\x01\x00\x00\x00\x02\x08\x01", 0, false},
		{"too short", "\x00\x00\x00\x00\x03\x08\x01", 0, false},
		{"too long", "\x00\x00\x00\x00\x01\x08\x01", 0, false},
		{"cut", "\x00\x00\x00\x00\x01\x08", 0, false},
		{"no tag", "\x00\x00\x00\x00\x01\xff", 0, false},
		{"nothing", "", 0, false},
	} {
		got, err := healthResponse([]byte(tt.framed))
		if ok := err == nil; ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %d, %v, want %d, ok %v", tt.name, got, err, tt.want, tt.ok)
		}
	}
}

func TestRun_asksByGRPCOverTLSWhereThatIsSpoken(t *testing.T) {
	certificate, pool := selfSigned(t, "app.example.com")
	address := serveGRPC(t, withHealth, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	target := Target{Name: "web-1", Address: address, Host: "app.example.com", TLS: &tls.Config{RootCAs: pool}}
	if err := Run(t.Context(), patient(t, "#: grpc"), []Target{target}, Options{}).Err(); err != nil {
		t.Error(err)
	}
	target.Host = "other.example.com"
	if r := verdict(t, patient(t, "#: grpc"), target).Results[0]; r.OK || !strings.Contains(r.Detail, "app.example.com, not other.example.com") {
		t.Errorf("result = %+v, want the certificate refused", r)
	}
}
