package container_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"

	zdd "zdd/container"
)

func pullsWhatIsMissing(t *testing.T, w *world) {
	ref, _, _ := w.registry(t)
	var last zdd.Progress
	first, err := pulled(t, w, ref, zdd.PullMissing, func(p zdd.Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if !first.Pulled || len(first.Ports) != 1 || first.Ports[0] != 8080 {
		t.Errorf("image: %+v", first)
	}
	if last.Ref != ref || last.Layers == 0 || last.Ready != last.Layers || last.Done != last.Total {
		t.Errorf("last progress: %+v", last)
	}
	for _, policy := range []zdd.PullPolicy{zdd.PullMissing, zdd.PullAlways, zdd.PullNever, ""} {
		again, err := w.engine.Resolve(t.Context(), ref, policy, nil)
		if err != nil || again.ID != first.ID || again.Pulled {
			t.Errorf("again, policy %q: %+v, %v", policy, again, err)
		}
	}
}

func tellsPullFailures(t *testing.T, w *world) {
	_, unknown, torn := w.registry(t)
	var (
		none   *zdd.NoImage
		failed *zdd.PullFailed
	)
	if _, err := w.engine.Resolve(t.Context(), unknown, zdd.PullMissing, nil); !errors.As(err, &none) {
		t.Errorf("unknown: %v, want NoImage", err)
	}
	if _, err := w.engine.Resolve(t.Context(), torn, zdd.PullMissing, nil); !errors.As(err, &failed) {
		t.Errorf("torn: %v, want PullFailed", err)
	}
	if _, err := w.engine.TaggedImage(t.Context(), torn); !errors.As(err, &none) {
		t.Errorf("after a torn download: %v, want NoImage", err)
	}
}

func resolvesByTagAndID(t *testing.T, w *world) {
	byTag, err := w.engine.Resolve(t.Context(), w.tag, zdd.PullMissing, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{5000}, byTag.Ports); diff != "" {
		t.Errorf("ports (want, got):\n%s", diff)
	}
	byID, err := w.engine.Resolve(t.Context(), byTag.ID, zdd.PullMissing, nil)
	if err != nil {
		t.Fatal(err)
	}
	byTag.Ref, byID.Ref = "", ""
	if diff := cmp.Diff(byTag, byID); diff != "" {
		t.Errorf("by tag and by ID (want, got):\n%s", diff)
	}
}

func knowsNoUnknownImage(t *testing.T, w *world) {
	for _, ref := range []string{unique("nobody"), "sha256:" + strings.Repeat("0", 64), "Not A Name", ""} {
		_, err := w.engine.Resolve(t.Context(), ref, zdd.PullNever, nil)
		var unknown *zdd.NoImage
		if !errors.As(err, &unknown) || unknown.Ref != ref {
			t.Errorf("Resolve(%q): %v, want NoImage", ref, err)
		}
	}
}

func tagsAndUntags(t *testing.T, w *world) {
	first, second := unique("zdd/tagged")+":1", unique("zdd/tagged")+":2"
	for _, tag := range []string{first, second} {
		if err := w.engine.Tag(t.Context(), w.image, tag); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time it is gone already
		if err := w.engine.Untag(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	var gone *zdd.NoImage
	if _, err := w.engine.TaggedImage(t.Context(), first); !errors.As(err, &gone) {
		t.Errorf("TaggedImage after Untag: %v, want NoImage", err)
	}
	if kept, err := w.engine.TaggedImage(t.Context(), second); err != nil || kept.ID != w.image {
		t.Errorf("the other tag: %+v, %v", kept, err)
	}
	if err := w.engine.Untag(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.TaggedImage(t.Context(), w.tag); err != nil {
		t.Errorf("the image's first name went too: %v", err)
	}
	if err := w.engine.Tag(t.Context(), "sha256:"+strings.Repeat("0", 64), first); !errors.As(err, &gone) {
		t.Errorf("Tag of no image: %v, want NoImage", err)
	}
}

func makesTheNetworkOnce(t *testing.T, w *world) {
	again, created, err := w.engine.EnsureNetwork(t.Context(), w.network.Subnet.String())
	if err != nil || created {
		t.Fatalf("EnsureNetwork again: created %v, %v", created, err)
	}
	if diff := cmp.Diff(w.network, again, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("network (want, got):\n%s", diff)
	}
	if _, _, err := w.engine.EnsureNetwork(t.Context(), "10.9.0.0/16"); err == nil {
		t.Error("EnsureNetwork with another subnet: no error")
	}
}

func refusesATakenSubnet(t *testing.T, w *world) {
	other := w.other(t, "/srv/"+unique("other"))
	_, created, err := other.EnsureNetwork(t.Context(), w.network.Subnet.String())
	var taken *zdd.PoolTaken
	if !errors.As(err, &taken) || created || !strings.Contains(taken.By, w.network.Name) {
		t.Errorf("created %v, %v; want PoolTaken by %s", created, err, w.network.Name)
	}
	if err := other.RemoveNetwork(t.Context()); err != nil {
		t.Errorf("RemoveNetwork without one: %v", err)
	}
}

func keepsANetworkInUse(t *testing.T, w *world) {
	w.start(t, w.spec(1))
	if err := w.engine.RemoveNetwork(t.Context()); err == nil {
		t.Error("RemoveNetwork with a container on it: no error")
	}
}

func keepsTheLastNameInUse(t *testing.T, w *world) {
	ref, _, _ := w.registry(t)
	image, err := pulled(t, w, ref, zdd.PullMissing, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := w.spec(1)
	spec.Image, spec.Command = image.ID, []string{"stubborn"}
	instances, err := w.engine.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Stop(t.Context(), instances, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Untag(t.Context(), ref); !errdefs.IsConflict(err) {
		t.Errorf("Untag of the last name of an image in use: %v, want a conflict", err)
	}
	if _, done, err := w.engine.Restart(t.Context(), spec); !done || err != nil {
		t.Errorf("Restart after it: %v, %v", done, err)
	}
	if err := w.engine.Remove(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
}
