package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// canaries are secrets, by the way that they come into zdd. None may come out.
type canaries map[string]string

// encodedWord is what may be base64, in which a login goes to the engine.
var encodedWord = regexp.MustCompile(`[A-Za-z0-9+/_-]{24,}`)

// in lists the ways whose secret stands in the text, or in a word of it that is
// encoded.
func (c canaries) in(text string) []string {
	for _, word := range encodedWord.FindAllString(text, -1) {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			plain, _ := encoding.DecodeString(word) // as far as it is base64
			text += "\n" + string(plain)
		}
	}
	var found []string
	for way, secret := range c {
		if strings.Contains(text, secret) {
			found = append(found, way)
		}
	}
	slices.Sort(found)
	return found
}

// TestDrillSecrets_comeOutNowhere gives zdd a secret in every way that there is,
// through deploys that succeed, fail and are killed, and looks for it in all
// that zdd says and writes, and in the arguments of every process meanwhile.
func TestDrillSecrets_comeOutNowhere(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	c := canaries{}
	for _, way := range []string{"env", "--env-file", "--env", "a broken line", "a broken --env", "the registry", "zdd's environment"} {
		c[way] = "canary" + randomName(t) + randomName(t)
	}
	login := base64.StdEncoding.EncodeToString([]byte("user:" + c["the registry"]))
	c["the registry, encoded"] = login
	var asked atomic.Bool
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok && password == c["the registry"] {
			asked.Store(true)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
	}))
	defer registry.Close()
	address := strings.TrimPrefix(registry.URL, "http://")
	config := filepath.Dir(h.file("config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, address, login)))
	h.env = append(h.env, "DOCKER_CONFIG="+config, "ZDD_TEST_TOKEN="+c["zdd's environment"])

	h.inApp("env", "A="+c["env"]+"\n", 0o600)
	// The hooks look at every process but zdd's own, whose arguments its user chose.
	args := filepath.Join(filepath.Dir(h.root), "args")
	patterns := h.file("patterns", strings.Join([]string{c["env"], c["--env-file"], c["--env"], c["the registry"], login, c["zdd's environment"]}, "\n")+"\n")
	for _, name := range []string{"pre-deploy", "check-deploy", "post-deploy", "deploy-failed"} {
		h.hook(name, fmt.Sprintf(`echo "looked in %s" >>%s
for line in /proc/[0-9]*/cmdline; do
	[ "$line" = /proc/$PPID/cmdline ] && continue
	if grep -qsaFf %s $line; then echo "$line: $(tr '\0' ' ' <$line)" >>%s; fi
done
exit 0`, name, args, patterns, args))
	}
	named := h.file("named", "B="+c["--env-file"]+"\n")
	good, bad := h.image("VERSION=v1"), h.image("VERSION=v2", "STATUS=500")
	// A release that is fit gets the time that a busy machine takes.
	quick, patient := h.file("CHECKS", quickChecks), h.file("PATIENT", "WAIT=1\nTIMEOUT=30\nATTEMPTS=4\n/healthz ok\n")

	var said strings.Builder
	run := func(code int, args ...string) {
		t.Helper()
		r := h.wants(code, args...)
		said.WriteString(r.stdout + r.stderr)
	}
	run(0, "deploy", h.app, good, "--env", "C="+c["--env"], "--env-file", named, "--checks", patient)
	run(0, "deploy", h.app, good, "--json")
	run(5, "deploy", h.app, bad, "--checks", quick)
	run(5, "deploy", h.app, bad, "--checks", quick, "--json")
	run(2, "deploy", h.app, good, "--env-file", h.file("broken", "A=1\n"+c["a broken line"]+"\n"))
	run(2, "deploy", h.app, good, "--env", "1BAD="+c["a broken --env"])
	run(2, "deploy", h.app, good, "--env", c["a broken --env"])
	killed := h.killAt(syscall.SIGKILL, "check", "started", "deploy", h.app, good, "--env", "C="+c["--env"], "--checks", patient)
	holder := strings.Join(written(t, filepath.Join(h.root, "apps", h.app, "lock")), "\n") // whoever waits is told of it
	assertContains(t, holder, "zdd deploy "+h.app)
	said.WriteString(killed.stdout + killed.stderr + holder)
	run(0, "recover", h.app)
	denied := h.zdd("deploy", h.app, address+"/web:1")
	said.WriteString(denied.stdout + denied.stderr)
	if denied.code == 0 || !asked.Load() {
		t.Errorf("the registry was asked with the password: %v; exit %d\n%s", asked.Load(), denied.code, denied.stderr)
	}
	run(0, "rollback", h.app)
	for _, args := range [][]string{{"status", h.app}, {"history", h.app}, {"check", h.app}} {
		run(0, args...)
		run(0, append(args, "--json")...)
	}

	if found := c.in(said.String()); len(found) > 0 {
		t.Errorf("zdd says the secrets of %q:\n%s", found, said.String())
	}
	looks := strings.Join(written(t, args), "\n")
	if found := c.in(looks); len(found) > 0 || strings.Count(looks, "\n") < 8 {
		t.Errorf("secrets of %q in arguments; what the hooks saw:\n%s", found, looks)
	}
	if strings.Contains(looks, "/proc/") {
		t.Errorf("secrets in arguments:\n%s", looks)
	}
	h.assertSecretsIn(c)
}

// assertSecretsIn wants the secrets in the files alone that must hold them: the
// user's own, the settings, and the records of releases, without which no
// rollback could be.
func (h *host) assertSecretsIn(c canaries) {
	h.t.Helper()
	app := filepath.Join("apps", h.app)
	may := map[string][]string{
		filepath.Join(app, "env"):      {"env"},
		filepath.Join(app, "app.yaml"): {"--env"},
	}
	seen := 0
	err := filepath.WalkDir(h.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(h.root, path)
		if err != nil {
			return err
		}
		allowed := may[name]
		if filepath.Dir(name) == filepath.Join(app, "releases") {
			allowed = []string{"--env", "--env-file", "env"}
		}
		for way, secret := range c {
			if !bytes.Contains(content, []byte(secret)) {
				continue
			}
			seen++
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if !slices.Contains(allowed, way) || info.Mode().Perm() != 0o600 {
				h.t.Errorf("the secret of %s is in %s, which has the mode %v", way, name, info.Mode())
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	// A search that finds nothing anywhere would prove nothing.
	if seen < 5 {
		h.t.Errorf("%d secrets found in the files that hold them", seen)
	}
}
