package deploy_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zdd/container"
	"zdd/deploy"
	"zdd/release"
)

func TestDeploy_keepsTheNewestReleasesAndNeverDropsTheLiveOrThePrevious(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keep := func(n int) func(*release.Settings) { return func(s *release.Settings) { s.Keep = n } }
	for _, tt := range []struct {
		do   command
		want []int
	}{
		{deploying(web, w.image(), keep(3)), []int{1}},
		{deploying(web, w.image()), []int{1, 2}},
		{deploying(web, w.image()), []int{1, 2, 3}},
		{rollingBack(web, 1), []int{1, 2, 3}},
		{deploying(web, w.image()), []int{1, 3, 4}}, // 1 served before: 2 goes
		{deploying(web, w.image(), keep(1)), []int{4, 5}},
	} {
		w.must(tt.do)
		got, err := w.app(web).Releases()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("releases with %d live (-want +got):\n%s", w.live(web), diff)
		}
		w.assertServes(web, w.live(web))
	}
}

func TestRollback_startsTheKeptContainersAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.must(deploying(web, w.image()))
	}
	kept := w.id("zdd-web-2-1")
	w.must(rollingBack(web, 0))
	w.assertServes(web, 2)
	if got := w.id("zdd-web-2-1"); got != kept {
		t.Errorf("release 2 runs in container %s, want the kept one, %s", got, kept)
	}
	w.must(rollingBack(web, 1)) // whose containers are gone
	w.assertServes(web, 1)
	w.must(rollingBack(web, 3))
	w.assertServes(web, 3)
	for _, tt := range []struct {
		name string
		do   command
	}{
		{"to the live release", rollingBack(web, 3)},
		{"to none that there is", rollingBack(web, 9)},
		{"of no app", rollingBack("nobody", 0)},
	} {
		e := w.run(t.Context(), ignore, tt.do)
		if failure := e.failure(t); failure.Exit != deploy.ExitUsage || failure.Hint == "" {
			t.Errorf("%s: exit %d (%v), hint %q; want exit 2 and a hint", tt.name, failure.Exit, failure, failure.Hint)
		}
		w.assertServes(web, 3)
	}
}

// id is the engine's ID of a container.
func (w *world) id(name string) string {
	w.t.Helper()
	all, err := w.engine.List(w.t.Context(), container.Filter{All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, instance := range all {
		if instance.Name == name {
			return instance.ID
		}
	}
	w.t.Fatalf("no container %q", name)
	return ""
}

func TestDeploy_growsTheAddressesOfAnAppWithItsReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := func(n int) func(*release.Settings) { return func(s *release.Settings) { s.Replicas = n } }
	held := map[release.Slot][]netip.Addr{}
	for number, tt := range []struct{ replicas, addresses int }{{1, 1}, {3, 3}, {2, 3}, {3, 3}} {
		w.must(deploying(web, w.image(), replicas(tt.replicas)))
		w.assertServes(web, number+1)
		state := w.state(web)
		for slot, known := range state.Slots {
			if len(known.Addresses) != tt.addresses {
				t.Errorf("%s has %v, want %d addresses", slot, known.Addresses, tt.addresses)
			}
			if !slices.Equal(held[slot], known.Addresses[:len(held[slot])]) {
				t.Errorf("%s has %v, want those that it had, %v, first", slot, known.Addresses, held[slot])
			}
			held[slot] = known.Addresses
		}
		running, err := w.engine.List(t.Context(), container.Filter{App: web})
		if err != nil {
			t.Fatal(err)
		}
		if len(running) != tt.replicas {
			t.Errorf("%d containers run, want %d", len(running), tt.replicas)
		}
	}
	w.must(rollingBack(web, 1)) // to fewer again
	w.assertServes(web, 1)
}

func TestDeploy_remembersSettingsAtTheCommitAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image(), env("SAYS", "")))
	before := w.settings(web)
	check := func(name string) {
		if diff := cmp.Diff(before.Env["SECOND"], w.settings(web).Env["SECOND"]); diff != "" {
			t.Errorf("%s: settings (-want +got):\n%s", name, diff)
		}
	}
	w.run(t.Context(), at("verify done", 1, func() { check("before the commit") }), deploying(web, w.image(), env("SECOND", "2")))
	before.Env["SECOND"] = "2"
	check("after the commit")
	w.run(t.Context(), ignore, deploying(web, w.image(), env("SECOND", "3"), env("EXIT", "3")))
	check("after a failure")
	w.must(rollingBack(web, 1))
	check("after a rollback")
}

// TestDeploy_staysUnfinishedUntilItsSettingsAreTheApps: they cannot be written
// after the commit. The next command must not begin with those of before.
func TestDeploy_staysUnfinishedUntilItsSettingsAreTheApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image(), env("FIRST", "1")))
	file := w.app(web).Path("app.yaml")
	away := filepath.Join(t.TempDir(), "app.yaml")
	e := w.run(t.Context(), at("commit done", 1, func() {
		if err := errors.Join(os.Rename(file, away), os.Mkdir(file, 0o700)); err != nil {
			t.Error(err)
		}
	}), deploying(web, w.image(), env("SECOND", "2")))
	if e.err != nil || !slices.ContainsFunc(e.warnings(), func(s string) bool { return strings.Contains(s, "zdd recover "+web) }) {
		t.Errorf("error %v, warnings %q; want a warning that says what to do", e.err, e.warnings())
	}
	if state := w.state(web); state.Live != 2 || state.Deploy == nil {
		t.Fatalf("state %+v, want release 2 live and the deploy unfinished", state)
	}
	if e := w.run(t.Context(), ignore, rollingBack(web, 1)); e.err == nil {
		t.Error("the next command has begun with the former settings")
	}
	if err := errors.Join(os.Remove(file), os.Rename(away, file)); err != nil {
		t.Fatal(err)
	}
	w.must(recovering(web))
	w.assertServes(web, 2)
	if settings := w.settings(web); settings.Env["FIRST"] != "1" || settings.Env["SECOND"] != "2" {
		t.Errorf("settings %v, want those of both deploys", settings.Env)
	}
	w.assertInOrder(web)
}

func TestDeploy_failsWhenTheEngineDiesInItsMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	e := w.run(t.Context(), at("check started", 1, w.fake.Down), deploying(web, w.image()))
	w.assertFailure(e, deploy.ExitIncomplete)
	if w.state(web).Deploy == nil {
		t.Error("no journal is left, though there is something left to undo")
	}
	e = w.run(t.Context(), ignore, deploying(web, "acme/web:1"))
	var failure *deploy.Error
	if !errors.As(e.err, &failure) || failure.Exit == deploy.ExitDone {
		t.Errorf("with the engine down: %v", e.err)
	}
}

func TestDeploy_saysWhatTheReleaseCommandDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	e := w.run(t.Context(), ignore, deploying(web, w.image(), releaseCommand("migrate all"), env("MIGRATION", "4")))
	w.assertFailureIn(e, deploy.StepReleaseCommand, deploy.ExitUnfit)
	w.assertServes(web, 1)
}

func (w *world) assertFailureIn(e ended, step deploy.Step, exit deploy.Exit) {
	w.t.Helper()
	failure := e.failure(w.t)
	if failure.Step != step || failure.Exit != exit || failure.Serving == "" || failure.Hint == "" {
		w.t.Errorf("%+v, want exit %d in step %s, with what serves and a hint", *failure, exit, step)
	}
}
