package deploy_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zdd/container"
	"zdd/container/dockertest"
	"zdd/deploy"
	"zdd/release"
)

// What these tests hold does not hang on the clock: they count what grows with
// the number of apps. BenchmarkScale prints how long it takes.

func TestStatus_asksTheEngineOnceHoweverManyAppsThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	apps := []string{"blog", "shop", web}
	for _, app := range apps {
		w.must(deploying(app, w.image()))
		w.must(deploying(app, w.image())) // its former container is kept, and has ended
		// A ping beside the calls comes when it is due, and asks for nothing.
		asked := func() int { return w.fake.Calls() - w.fake.Calls(dockertest.OpPing) }
		before := asked()
		statuses, err := w.deployer(ignore, func(deploy.Event) {}).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if calls := asked() - before; calls != 1 {
			t.Errorf("the status of %d apps took %d calls of the engine, want 1", len(statuses), calls)
		}
		for _, status := range statuses {
			if status.State != deploy.StateLive || len(status.Replicas) != 1 || status.Replicas[0].State != "running" {
				t.Errorf("status %+v, want it live", status)
			}
		}
	}
	w.must(removing(apps[0]))
	d := w.deployer(ignore, func(deploy.Event) {})
	up, err := d.Engine.List(t.Context(), container.Filter{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Engine.Stop(t.Context(), up, 0); err != nil {
		t.Fatal(err)
	}
	statuses, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, status := range statuses {
		got = append(got, status.App+" "+string(status.State))
	}
	if diff := cmp.Diff([]string{"shop stopped", "web live"}, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// TestDeploy_opensNoFileOfAnotherApp lists those that a move opens. One that
// brings domains must read the settings of all apps, to refuse what is theirs;
// and nginx, which is reloaded for it, reads all sites.
func TestDeploy_opensNoFileOfAnotherApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying("shop", w.image(), env("A", "1"))) // so it has settings of its own
	w.must(deploying(web, w.image()))
	for _, tt := range []struct {
		name string
		do   command
		want []string
	}{
		{"a deploy", deploying(web, w.image()), nil},
		{"a deploy that fails", deploying(web, w.image(), env("EXIT", "3")), nil},
		{"a rollback", rollingBack(web, 0), nil},
		{"a recovery", recovering(web), nil},
		{"a deploy with another domain", deploying(web, w.image(), domain("web.example.com")), []string{"apps/shop/app.yaml", "nginx/sites/shop.conf"}},
	} {
		opened := w.watch("shop")
		w.run(t.Context(), ignore, tt.do)
		if diff := cmp.Diff(tt.want, opened()); diff != "" {
			t.Errorf("%s opens of another app (-want +got):\n%s", tt.name, diff)
		}
	}
	w.assertServes("shop", 1)
}

func domain(name string) func(*release.Settings) {
	return func(s *release.Settings) { s.Domains = []string{name} }
}

// watch watches which files of an app are opened, by whomever: its folder and
// all in it, its site and its switch. The result, which is to be asked for once,
// is sorted and has each file once.
func (w *world) watch(app string) (opened func() []string) {
	w.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		w.t.Fatal(err)
	}
	folders := map[int32]string{}
	for _, folder := range []string{"apps/" + app, "apps/" + app + "/releases", "nginx/sites", "nginx/switch"} {
		watch, err := unix.InotifyAddWatch(fd, filepath.Join(w.root, folder), unix.IN_OPEN)
		if err != nil {
			w.t.Fatal(err)
		}
		folders[int32(watch)] = folder
	}
	return func() []string {
		w.t.Helper()
		file := os.NewFile(uintptr(fd), "inotify")
		defer file.Close()
		var found []string
		buffer := make([]byte, 1<<16)
		for {
			n, err := unix.Read(fd, buffer)
			if err != nil { // there is no more
				slices.Sort(found)
				return slices.Compact(found)
			}
			for rest := buffer[:n]; len(rest) > 0; {
				length := binary.NativeEndian.Uint32(rest[12:])
				name := bytes.TrimRight(rest[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], "\x00")
				watch := int32(binary.NativeEndian.Uint32(rest))
				if folder := folders[watch]; strings.HasPrefix(folder, "apps/") || string(name) == app+".conf" {
					found = append(found, filepath.Join(folder, string(name)))
				}
				rest = rest[unix.SizeofInotifyEvent+length:]
			}
		}
	}
}
