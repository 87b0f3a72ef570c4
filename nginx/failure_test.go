package nginx

import (
	"errors"
	"fmt"
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
	ctx, p, site := startedWithWeb(t)
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
	ctx, p, site := startedWithWeb(t)
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
	checkNamesUs(t, err, taken.Addr().String())
	checkServes(t, p, "web", "blue", before)
}

// checkNamesUs tells whether the failure names this process as the one that
// listens at the address.
func checkNamesUs(t *testing.T, err error, addr string) {
	t.Helper()
	for _, want := range []string{addr + " is taken by ", fmt.Sprintf("(process %d)", os.Getpid())} {
		if !contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || hinted.Hint() != takenHint {
		t.Errorf("no hint what to do about a port in use: %v", err)
	}
}

// The first certificate makes nginx listen at one address more.
func TestInstall_saysWhoHasThePortThatACertificateNeeds(t *testing.T) {
	t.Parallel()
	ctx, p, site := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	taken, err := net.Listen("tcp", p.config.ListenTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	site.Certificate, _ = selfSigned(t, "web.localhost")
	_, err = p.Install(ctx, site)
	var late *NotTaken
	if !errors.As(err, &late) {
		t.Fatalf("got %v, want *NotTaken", err)
	}
	checkNamesUs(t, err, p.config.ListenTLS[0])
	checkServes(t, p, "web", "blue", before)
	if left, _ := filepath.Glob(p.paths.copies() + "/*"); len(left) > 0 {
		t.Errorf("copies of the certificate are left: %v", left)
	}
	_ = taken.Close()
	if changed, err := p.Install(ctx, site); err != nil || !changed {
		t.Errorf("with the port free: changed %v, %v", changed, err)
	}
}

// A file of somebody else's is broken: zdd says whose it is, leaves it alone, and
// takes back what it has written itself.
func TestInstall_namesTheFileOfSomebodyElseThatNginxRefuses(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := startDistribution(t, "include conf.d/*.conf;")
	p := d.proxy(t)
	if err := p.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	site, _, _ := blueGreen(t, "web")
	install(t, p, site)
	before := installedBytes(t, p, "web")
	const broken = "server { no_such_directive on; }\n"
	theirs := writeFile(t, filepath.Join(d.dir, "conf.d", "theirs.conf"), broken)
	changed := site
	changed.Gzip = true
	_, err := p.Install(ctx, changed)
	var refused *Refused
	if !errors.As(err, &refused) || refused.File != theirs || refused.Ours || refused.App != "" {
		t.Fatalf("got %#v, want *Refused that names %q", err, theirs)
	}
	if want := fmt.Sprintf("because of %q, which is not zdd's", theirs); !contains(err.Error(), want) {
		t.Errorf("the error does not say %q: %v", want, err)
	}
	checkServes(t, p, "web", "blue", before)
	if got := string(mustRead(t, theirs)); got != broken {
		t.Errorf("their file was changed to %q", got)
	}
	// What needs no reload works on.
	if _, err := p.Ensure(ctx); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.Switch("web", Green), p.Prove(ctx, "web", Green)); err != nil {
		t.Error(err)
	}
	if err := os.Remove(theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Install(ctx, changed); err != nil {
		t.Errorf("with their file mended: %v", err)
	}
}

func TestInstall_namesTheAppWhoseFileNginxRefuses(t *testing.T) {
	t.Parallel()
	ctx, p, site := startedWithWeb(t)
	before := installedBytes(t, p, "web")
	other, _, _ := blueGreen(t, "other")
	other.Certificate, _ = selfSigned(t, "other.localhost")
	install(t, p, other)
	keys, err := filepath.Glob(p.paths.copies() + "/other.*")
	if err != nil || len(keys) != 2 {
		t.Fatalf("copies of the certificate and key: %v, %v", keys, err)
	}
	site.Gzip = true
	for _, broken := range []string{p.paths.site("other"), keys[0]} {
		good := mustRead(t, broken)
		writeFile(t, broken, "broken\n")
		_, err := p.Install(ctx, site)
		var refused *Refused
		if !errors.As(err, &refused) || refused.File != broken || !refused.Ours || refused.App != "other" {
			t.Errorf("got %v, want *Refused that names %q and its app", err, broken)
		}
		if err != nil && !contains(err.Error(), `which is of app "other"`) {
			t.Errorf("the error does not say whose file it is: %v", err)
		}
		checkServes(t, p, "web", "blue", before)
		writeFile(t, broken, string(good))
	}
	if _, err := p.Install(ctx, site); err != nil {
		t.Errorf("with the other app's file mended: %v", err)
	}
}

func TestRevert_putsTheFormerSiteBackInALaterProcess(t *testing.T) {
	t.Parallel()
	ctx, p, site := startedWithWeb(t)
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
	ctx, p, site := startedWithWeb(t)
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
