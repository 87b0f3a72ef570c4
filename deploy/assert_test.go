package deploy_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"zdd/container"
	"zdd/release"
)

// ask asks an app through nginx.
func (w *world) ask(app string) (status int, body string) {
	w.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+w.addr+"/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Host = app + ".localhost"
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func (w *world) app(name string) *release.App {
	w.t.Helper()
	app, err := w.store.App(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return app
}

func (w *world) state(name string) release.State {
	w.t.Helper()
	state, err := w.app(name).State()
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

func (w *world) settings(name string) release.Settings {
	w.t.Helper()
	settings, err := w.app(name).Settings()
	if err != nil {
		w.t.Fatal(err)
	}
	return settings
}

// assertServes wants the app's requests answered by a release, and everything
// of the app in order: the end of every test of a failure.
func (w *world) assertServes(app string, number int) {
	w.t.Helper()
	if status, body := w.ask(app); status != http.StatusOK || body != strconv.Itoa(number) {
		w.t.Errorf("GET / is %d %q, want 200 by release %d", status, body, number)
	}
	state := w.state(app)
	if state.Live != number {
		w.t.Errorf("release %d is live by the state, want %d", state.Live, number)
	}
	if slot, err := w.proxy.Answers(w.t.Context(), app); err != nil || string(slot) != string(state.Slot) {
		w.t.Errorf("the door names slot %q (%v), the state %q", slot, err, state.Slot)
	}
	w.assertInOrder(app)
}

// assertInOrder wants nothing unfinished: no journal, no lock, the live release
// running, of the others at most the previous one kept, each tag with its
// record and each record with its tag.
func (w *world) assertInOrder(app string) {
	w.t.Helper()
	state := w.state(app)
	if state.Deploy != nil {
		w.t.Errorf("a journal is left: %+v", *state.Deploy)
	}
	if holder, busy := w.app(app).Busy(); busy {
		w.t.Errorf("the lock is left to %s", holder)
	}
	w.assertContainers(app, state)
	for number := 1; number <= state.Next; number++ {
		_, err := w.app(app).Release(number)
		tagged := w.has("zdd/" + app + ":" + strconv.Itoa(number))
		if recorded := err == nil; recorded != tagged {
			w.t.Errorf("release %d: record %t, tag %t", number, recorded, tagged)
		}
	}
	for _, pattern := range []string{"nginx/closing", "nginx/sites/.*", "nginx/live/.*"} {
		if left, _ := filepath.Glob(filepath.Join(w.root, pattern)); len(left) > 0 {
			w.t.Errorf("left in nginx's folder: %v", left)
		}
	}
}

func (w *world) assertContainers(app string, state release.State) {
	w.t.Helper()
	all, err := w.engine.List(w.t.Context(), container.Filter{App: app, All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, instance := range all {
		running := instance.State == container.StateRunning
		if running != (instance.Release == state.Live) || instance.Release != state.Live && instance.Release != state.Previous {
			w.t.Errorf("container %s is %s beside live release %d and previous %d", instance.Name, instance.State, state.Live, state.Previous)
		}
	}
	for _, name := range w.fake.Containers() {
		ours := slices.ContainsFunc(all, func(instance container.Instance) bool { return instance.Name == name })
		if !ours && strings.HasPrefix(name, "zdd-"+app+"-") {
			w.t.Errorf("container %s is left", name)
		}
	}
}

// has says whether the engine knows the image's name.
func (w *world) has(ref string) bool {
	w.t.Helper()
	_, err := w.engine.TaggedImage(w.t.Context(), ref)
	var missing *container.NoImage
	if err != nil && !errors.As(err, &missing) {
		w.t.Fatal(err)
	}
	return err == nil
}

// assertNothing wants what a first deploy that failed may leave: the app's
// folder, and nothing of it anywhere else.
func (w *world) assertNothing(app string) {
	w.t.Helper()
	state := w.state(app)
	if state.Live != 0 || state.Slot != "" || len(state.Slots) != 0 {
		w.t.Errorf("state = %+v, want nothing live and no addresses", state)
	}
	if inUse, err := w.store.InUse(); err != nil || inUse {
		w.t.Errorf("addresses are in use: %t, %v", inUse, err)
	}
	if releases, err := w.app(app).Releases(); err != nil || len(releases) > 0 {
		w.t.Errorf("releases left: %v, %v", releases, err)
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
	if _, err := os.Stat(filepath.Join(w.root, "nginx", "sites", app+".conf")); !errors.Is(err, fs.ErrNotExist) {
		w.t.Errorf("the site is left: %v", err)
	}
	w.assertInOrder(app)
}

// assertAsBefore wants what a command must leave that was undone: the former
// release serves, or nothing is left where there was none.
func (w *world) assertAsBefore(app string, former int) {
	w.t.Helper()
	if former == 0 {
		w.assertNothing(app)
		return
	}
	w.assertServes(app, former)
}

// assertHistory wants exactly these entries, but for times, IDs and texts.
func (w *world) assertHistory(app string, want ...release.Entry) {
	w.t.Helper()
	got, err := w.app(app).History()
	if err != nil {
		w.t.Fatal(err)
	}
	for i, entry := range got {
		if entry.Time.IsZero() || entry.Seconds <= 0 || entry.By == "" || (entry.Outcome == release.Done) != (entry.Error == "") {
			w.t.Errorf("entry %d is not whole: %+v", i, entry)
		}
		got[i] = release.Entry{
			Kind: entry.Kind, Release: entry.Release, From: entry.From, Image: entry.Image, Outcome: entry.Outcome,
			Step: entry.Step, Drained: entry.Drained, Serving: entry.Serving,
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("history (-want +got):\n%s", diff)
	}
}
