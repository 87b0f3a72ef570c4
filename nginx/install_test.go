package nginx

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInstall_servesTheSiteAndReloadsOnlyWhenItDiffers(t *testing.T) {
	t.Parallel()
	ctx, p := testContext(t), started(t)
	site, _, _ := blueGreen(t, "web")
	changed, err := p.Install(ctx, site)
	if err != nil || !changed {
		t.Fatalf("first install: changed %v, %v", changed, err)
	}
	if _, body := get(t, p, "web.localhost", "/"); body != "blue" {
		t.Errorf("answered by %q, want blue", body)
	}
	before, _, _, err := p.Generations()
	if err != nil {
		t.Fatal(err)
	}
	changed, err = p.Install(ctx, site)
	if err != nil || changed {
		t.Fatalf("second install of the same site: changed %v, %v", changed, err)
	}
	after, _, _, err := p.Generations()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the generation changed without a change (-want +got):\n%s", diff)
	}
}
