package nginx

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// checkServes holds after every failure: the former site serves, disk and
// processes agree, nothing is left over.
func checkServes(t *testing.T, p *Proxy, app, want string, site []byte) {
	t.Helper()
	if _, body := get(t, p, app+".localhost", "/"); body != want {
		t.Errorf("answered by %q, want %q", body, want)
	}
	now, err := readIfThere(p.paths.site(app))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(site), string(now)); diff != "" {
		t.Errorf("installed site (-want +got):\n%s", diff)
	}
	running, disk, _, err := p.Generations()
	if err != nil || running != disk {
		t.Errorf("generation %d runs, %d is on disk, %v", running, disk, err)
	}
	for _, path := range []string{p.paths.former(app), p.paths.closing()} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is left: %v", path, err)
		}
	}
}

func installedBytes(t *testing.T, p *Proxy, app string) []byte {
	t.Helper()
	data, err := os.ReadFile(p.paths.site(app))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInstall_restoresTheFormerSiteWhenNginxRefusesIt(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	before := installedBytes(t, p, "web")
	site.Snippets = []string{writeFile(t, filepath.Join(t.TempDir(), "bad.conf"), "no_such_directive on;\n")}
	_, err := p.Install(ctx, site)
	var refused *Refused
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want *Refused", err)
	}
	if !contains(refused.Output, "no_such_directive") || !contains(refused.File, "bad.conf") || !refused.Ours {
		t.Errorf("refusal does not say what and where: %+v", refused)
	}
	checkServes(t, p, "web", "blue", before)
	if left, _ := filepath.Glob(p.paths.copies() + "/*"); len(left) > 0 {
		t.Errorf("snippets are left: %v", left)
	}
}

func TestInstall_refusesADomainOfAnotherSite(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	first, _, _ := blueGreen(t, "one")
	first.Domains = []string{"shop.example.com"}
	install(t, p, first)
	second, _, _ := blueGreen(t, "two")
	second.Domains = []string{"SHOP.example.com"}
	_, err := p.Install(ctx, second)
	var refused *Refused
	if !errors.As(err, &refused) || !contains(err.Error(), "shop.example.com") {
		t.Fatalf("got %v, want *Refused that names the domain", err)
	}
	if _, installed, _ := p.Live("two"); installed {
		t.Error("the refused site is installed")
	}
}

// A port in use passes nginx -t, the reload signal is delivered, and nothing
// changes: only the proof notices.
func TestInstall_restoresTheFormerSiteWhenTheReloadIsNotTaken(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	before := installedBytes(t, p, "web")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	site.Snippets = []string{writeFile(t, filepath.Join(t.TempDir(), "port.conf"), "listen "+taken.Addr().String()+";\n")}
	_, err = p.Install(ctx, site)
	var late *NotTaken
	if !errors.As(err, &late) {
		t.Fatalf("got %v, want *NotTaken", err)
	}
	if !contains(strings.Join(late.Log, "\n"), taken.Addr().String()) {
		t.Errorf("the error does not quote nginx's log: %v", err)
	}
	checkServes(t, p, "web", "blue", before)
}

func TestRevert_putsTheFormerSiteBackInALaterProcess(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	before := installedBytes(t, p, "web")
	changed := site
	changed.Domains = []string{"web.localhost", "other.example.com"}
	if _, err := p.Install(ctx, changed); err != nil {
		t.Fatal(err)
	}
	later, err := New(p.Config())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := later.Revert(ctx, "web"); err != nil {
			t.Fatal(err)
		}
		checkServes(t, p, "web", "blue", before)
	}
	if status, _ := get(t, p, "other.example.com", "/"); status != 404 {
		t.Errorf("the reverted domain answers %d, want 404", status)
	}
}

func TestRevert_removesASiteThatHadNoFormer(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	if _, err := p.Install(ctx, site); err != nil {
		t.Fatal(err)
	}
	if err := p.Revert(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, p, "web.localhost", "/"); status != 404 {
		t.Errorf("answered %d, want 404", status)
	}
	if _, installed, err := p.Live("web"); installed || err != nil {
		t.Errorf("installed %v, %v", installed, err)
	}
}

// Whatever of an install was written when zdd was killed, Revert and Settle end
// with the former site served.
func TestRevert_worksAfterACrashAtAnyWrite(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	before := installedBytes(t, p, "web")
	changed := site.withDefaults()
	changed.Domains = []string{"web.localhost", "other.example.com"}
	edits, err := p.siteEdits(changed, material{})
	if err != nil {
		t.Fatal(err)
	}
	broken := []edit{{p.paths.site("web"), []byte("# torn"), 0o644}}
	for name, crash := range map[string]func() error{
		"former only": func() error { return nil },
		"generation":  func() error { return writeAll([]edit{{p.paths.generation(), []byte("90\n"), 0o644}}) },
		"edits":       func() error { return writeAll(append([]edit{{p.paths.generation(), []byte("91\n"), 0o644}}, edits...)) },
		"refused": func() error {
			return writeAll(append([]edit{{p.paths.generation(), []byte("92\n"), 0o644}}, broken...))
		},
		"closing": func() error { return writeAll([]edit{{p.paths.closing(), []byte{}, 0o644}}) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := errors.Join(p.keepFormer(changed), crash()); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(p.Revert(ctx, "web"), p.Settle(ctx)); err != nil {
				t.Fatal(err)
			}
			checkServes(t, p, "web", "blue", before)
		})
	}
}

func TestRemove_takesTheAppOutAndLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	site.Snippets = []string{writeFile(t, filepath.Join(t.TempDir(), "a.conf"), "add_header X-Snippet yes always;\n")}
	install(t, p, site)
	if err := p.Switch("web", Green); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Remove(ctx, "web"); err != nil {
			t.Fatal(err)
		}
	}
	if status, _ := get(t, p, "web.localhost", "/"); status != 404 {
		t.Errorf("answered %d, want 404", status)
	}
	for _, dir := range []string{p.paths.sites(), p.paths.live(), p.paths.switches(), p.paths.copies()} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in %q: %v, %v", dir, left, err)
		}
	}
}
