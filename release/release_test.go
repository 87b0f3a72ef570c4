package release

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someRelease(n int) Release {
	return Release{
		App: "web", Number: n, Image: "ghcr.io/acme/web:1.4.2", ImageID: "sha256:1", Digest: "ghcr.io/acme/web@sha256:2",
		Port: 3000, Settings: full().WithDefaults(), Env: Env{"A": "<&>"}, Checks: "/ ok\n", ChecksSource: "CHECKS",
		Created: time.Date(2026, 11, 23, 14, 0, 0, 1, time.UTC), By: "ada@build",
	}
}

func TestSaveRelease_isReadBackTheSame(t *testing.T) {
	app := newApp(t, "web")
	want := someRelease(12)
	if err := app.SaveRelease(want); err != nil {
		t.Fatal(err)
	}
	got, err := app.Release(12)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, release (-want +got):\n%s", err, diff)
	}
}

func TestSaveRelease_neverChangesOne(t *testing.T) {
	app := newApp(t, "web")
	first := someRelease(1)
	if err := errors.Join(app.SaveRelease(first), app.SaveRelease(first)); err != nil {
		t.Fatal(err)
	}
	before := readTestFile(t, app.Path("releases/1.json"))
	second := first
	second.ImageID = "sha256:3"
	var exists *ReleaseExists
	if err := app.SaveRelease(second); !errors.As(err, &exists) {
		t.Errorf("error %v, want a *ReleaseExists", err)
	}
	if diff := cmp.Diff(before, readTestFile(t, app.Path("releases/1.json"))); diff != "" {
		t.Errorf("the file changed:\n%s", diff)
	}
	for _, wrong := range []Release{{App: "api", Number: 1}, {App: "web"}} {
		if err := app.SaveRelease(wrong); err == nil {
			t.Errorf("release %d of %q was saved for web", wrong.Number, wrong.App)
		}
	}
}

func TestRelease_namesThoseThatExist(t *testing.T) {
	app := newApp(t, "web")
	for _, n := range []int{10, 2, 9} {
		if err := app.SaveRelease(someRelease(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, stray := range []string{"releases/.3.json", "releases/03.json", "releases/x.json", "releases/4.json~", "releases/0.json"} {
		writeTestFile(t, app.Path(stray), "{}")
	}
	if err := errors.Join(app.DeleteRelease(2), app.DeleteRelease(2)); err != nil {
		t.Fatal(err)
	}
	_, err := app.Release(2)
	var none *NoRelease
	if !errors.As(err, &none) {
		t.Fatalf("error %v, want a *NoRelease", err)
	}
	if diff := cmp.Diff(&NoRelease{App: "web", Number: 2, Numbers: []int{9, 10}}, none); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("these exist: 9, 10", none.Hint()); diff != "" {
		t.Errorf("hint (-want +got):\n%s", diff)
	}
}

func TestRelease_refusesTheFileOfAnother(t *testing.T) {
	app := newApp(t, "web")
	if err := app.SaveRelease(someRelease(1)); err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, app.Path("releases/2.json"), readTestFile(t, app.Path("releases/1.json")))
	var corrupt *Corrupt
	if _, err := app.Release(2); !errors.As(err, &corrupt) {
		t.Errorf("error %v, want a *Corrupt", err)
	}
}
