package e2e

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// mostMemory is what zdd may have used at the end of a deploy, in KiB. Without a
// hostile app it is some 20 MiB; what has no end here brings more than 100 MiB in
// the second that an app is asked.
const mostMemory = 64 << 10

// mostSaid is what zdd may say of a failed deploy, in bytes: 20 lines of the log,
// each of 2,048 bytes that are longer when they are escaped, and its own words.
const mostSaid = 96 << 10

// TestDrillHostile_cannotHurtZdd deploys apps that want to be the end of their
// checker. Each deploy must fail as that of any unfit app, in memory that has a
// bound, and without a request to where the app points.
func TestDrillHostile_cannotHurtZdd(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// It stands for the metadata service of a cloud, 169.254.169.254: what zdd
	// must not do is to follow an app to wherever only this host can go.
	var followed atomic.Int64
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		_, _ = w.Write([]byte("ok"))
	}))
	t.Cleanup(metadata.Close)
	checks := h.file("CHECKS", "WAIT=1\nTIMEOUT=1\nATTEMPTS=1\n/healthz ok\n")
	for name, env := range map[string][]string{
		"logs":     {"HOSTILE=logs", "STATUS=500"},
		"headers":  {"HOSTILE=headers"},
		"body":     {"HOSTILE=body"},
		"bomb":     {"HOSTILE=bomb"},
		"redirect": {"HOSTILE=redirect:" + metadata.URL + "/latest/meta-data/"},
		"link":     {"HOSTILE=redirect:http://169.254.169.254/latest/meta-data/"},
	} {
		image := h.image(env...)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
			defer cancel()
			app := h.app + "-" + name
			// The hook is zdd's child and comes after the checks: it sees the most that
			// zdd had. (What wait(2) says of it counts the memory of this test, too.)
			peak := filepath.Join(filepath.Dir(h.root), "peak-"+name)
			hooks := filepath.Join(h.root, "apps", app, "hooks")
			if err := os.MkdirAll(hooks, 0o700); err != nil {
				t.Fatal(err)
			}
			script := "#!/bin/sh\nawk '/^VmHWM/ { print $2 }' /proc/$PPID/status >" + peak + "\n"
			if err := os.WriteFile(filepath.Join(hooks, "deploy-failed"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, binary(t, "zdd"), "deploy", app, image, "--checks", checks, "--stop-timeout", "1s")
			cmd.Env = h.env
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 5 {
				t.Errorf("%v, want exit 5\n%.2000s", err, said.String())
			}
			used, err := strconv.Atoi(strings.TrimSpace(strings.Join(written(t, peak), "")))
			if err != nil || used > mostMemory {
				t.Errorf("zdd used %d KiB of memory, %v, want at most %d", used, err, mostMemory)
			}
			if said.Len() > mostSaid || strings.Contains(said.String(), "\x1b") {
				t.Errorf("zdd passes on what the app says: %d bytes\n%.2000q", said.Len(), said.String())
			}
			assertContains(t, said.String(), "serving: nothing", "hint:")
			if n := followed.Load(); n > 0 {
				t.Errorf("zdd followed a redirect %d times", n)
			}
			t.Logf("%d KiB of memory, %d bytes said", used, said.Len())
		})
	}
}
