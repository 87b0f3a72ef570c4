package container_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	zdd "zdd/container"
)

// TestRemoveNetwork_leavesOneThatTheEngineMiscounts asks an engine that calls a
// network in use, as 20.10 now and then does until it is restarted. Whether
// something is attached to it decides.
func TestRemoveNetwork_leavesOneThatTheEngineMiscounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, attached, want string
	}{
		{"nothing is attached", `{}`, ""},
		{"a container is attached", `{"c1":{"Name":"theirs"}}`, "has active endpoints"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Api-Version", "1.41")
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.Method == http.MethodDelete:
					asked.Add(1)
					w.WriteHeader(http.StatusForbidden)
					_, _ = w.Write([]byte(`{"message":"network has active endpoints"}`))
				case strings.HasSuffix(r.URL.Path, "/networks"):
					_, _ = w.Write([]byte(`[{"Id":"n1","Name":"zdd","Labels":{"zdd.root":"/srv/zdd"}}]`))
				case strings.Contains(r.URL.Path, "/networks/"):
					_, _ = w.Write([]byte(`{"Id":"n1","Name":"zdd","Containers":` + tt.attached + `}`))
				default: // a ping
					_, _ = w.Write([]byte("OK"))
				}
			}))
			defer engine.Close()
			e, err := zdd.Connect(t.Context(), zdd.Config{Root: "/srv/zdd", Host: "tcp://" + engine.Listener.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			err = e.RemoveNetwork(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if asked.Load() == 0 {
				t.Error("the engine was not asked")
			}
		})
	}
}
