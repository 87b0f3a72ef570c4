package deploy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zdd/container/dockertest"
	"zdd/deploy"
	"zdd/release"
)

// bad is what no nginx takes, and what it says about it.
const bad = "no_such_directive on;\n"

func (w *world) snippet(app, content string) {
	w.t.Helper()
	dir := w.app(app).Path("nginx")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.conf"), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) site(app string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.root, "nginx", "sites", app+".conf"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

func TestDeploy_putsTheFormerSiteBackWhenNginxRefusesTheNewOne(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{release.SwitchFlag, release.SwitchReload} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(deploying(web, w.image(), func(s *release.Settings) { s.Switch = strategy }))
			before := w.site(web)
			w.snippet(web, bad)
			e := w.run(t.Context(), ignore, deploying(web, w.image()))
			w.assertFailure(e, deploy.ExitRefused)
			if failure := e.failure(t); !strings.Contains(failure.Error(), "no_such_directive") {
				t.Errorf("does not show nginx's own words: %v", failure)
			}
			if diff := cmp.Diff(before, w.site(web)); diff != "" {
				t.Errorf("site (-want +got):\n%s", diff)
			}
			w.assertServes(web, 1)
			w.snippet(web, "add_header X-Mended yes;\n")
			w.must(deploying(web, w.image()))
			w.assertServes(web, 3)
		})
	}
}

func TestDeploy_leavesNothingWhenNginxRefusesTheFirstSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.snippet(web, bad)
	e := w.run(t.Context(), ignore, deploying(web, w.image()))
	w.assertFailure(e, deploy.ExitRefused)
	w.assertNothing(web)
}

func TestDeploy_isUndoneInBothStrategiesWhenNginxShowsItUnfit(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{release.SwitchFlag, release.SwitchReload} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(deploying(web, w.image(), func(s *release.Settings) { s.Switch = strategy }))
			// It ends when it has all the requests: only the verification sees it.
			die := func() { w.fake.Kill("zdd-web-2-1") }
			e := w.run(t.Context(), at("verify started", 1, die), deploying(web, w.image()))
			w.assertFailure(e, deploy.ExitUnfit)
			w.assertServes(web, 1)
		})
	}
}

func TestDeploy_sharesNginxAndNetworkAmongApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	networks := w.fake.Networks()
	e := w.run(t.Context(), ignore, deploying("shop", w.image(), env("EXIT", "3")))
	w.assertFailure(e, deploy.ExitUnfit)
	w.assertServes(web, 1)
	w.must(deploying("shop", w.image()))
	w.assertServes("shop", 2)
	w.assertServes(web, 1)
	if diff := cmp.Diff(networks, w.fake.Networks()); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	w.must(deploying(web, w.image()))
	w.assertServes("shop", 2)

	w.must(removing(web))
	w.assertServes("shop", 2)
	if status, _ := w.ask(web); status != http.StatusNotFound {
		t.Errorf("GET / of the removed app is %d, want 404", status)
	}
	w.must(removing("shop"))
	w.assertGone("shop")
}

// assertGone wants nothing of an app that was the last one.
func (w *world) assertGone(app string) {
	w.t.Helper()
	if apps, err := w.store.Apps(); err != nil || len(apps) > 0 {
		w.t.Errorf("apps left: %v, %v", apps, err)
	}
	if left := w.fake.Containers(); len(left) > 0 {
		w.t.Errorf("containers left: %v", left)
	}
	if left := w.fake.Networks(); len(left) > 0 {
		w.t.Errorf("networks left: %v", left)
	}
	if running, _, _, err := w.proxy.Generations(); err != nil || running != 0 {
		w.t.Errorf("nginx runs generation %d, %v; want none", running, err)
	}
	if w.has("zdd/" + app + ":1") {
		w.t.Errorf("an image's tag is left")
	}
}

func TestRemove_isFinishedAfterAKill(t *testing.T) {
	t.Parallel()
	first := newWorld(t)
	first.must(deploying(web, first.image()))
	all := first.pointsOf(removing(web))
	spread(t, beginnings(all), func(*world) {}, func(w *world, at point) {
		w.must(deploying(web, w.image()))
		w.killed(at.name, at.nth, "remove", web)
		if apps, err := w.store.Apps(); err != nil {
			w.t.Fatal(err)
		} else if len(apps) > 0 {
			w.must(recovering(web))
		}
		if apps, _ := w.store.Apps(); len(apps) > 0 {
			w.assertServes(web, 1) // it had not begun
			w.must(removing(web))
		}
		w.assertGone(web)
	})
}

func TestDeploy_dropsPulledNamesWithTheirLastRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.AddRemote("acme/pulled:1", dockertest.Image{})
	w.fake.AddImage("acme/own:1", dockertest.Image{})
	keepOne := func(s *release.Settings) { s.Keep = 1 }
	w.must(deploying(web, "acme/pulled:1", keepOne))
	w.must(deploying(web, "acme/pulled:1"))
	w.must(deploying(web, "acme/own:1"))
	if !w.has("acme/pulled:1") {
		t.Error("the pulled name is gone, though release 2 can be rolled back to")
	}
	w.must(deploying(web, w.image()))
	if w.has("acme/pulled:1") {
		t.Error("the pulled name is left, though no release needs it")
	}
	w.must(deploying(web, w.image()))
	if !w.has("acme/own:1") {
		t.Error("a name is gone that zdd did not pull")
	}
	w.assertServes(web, 5)
}
