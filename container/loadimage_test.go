package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/docker/docker/api/types/image"

	"zdd/container/dockertest"
)

// loadImage makes an image of the real engine as it is described for the fake.
func loadImage(t *testing.T, described dockertest.Image) string {
	t.Helper()
	var entries []entry
	for name, content := range described.Files {
		entries = append(entries, entry{tar.Header{Name: name[1:], Mode: 0o644, Size: int64(len(content))}, []byte(content)})
	}
	for name, target := range described.Links {
		entries = append(entries, entry{tar.Header{Name: name[1:], Linkname: target, Typeflag: tar.TypeSymlink}, nil})
	}
	config := map[string]any{"WorkingDir": described.WorkingDir}
	if described.Healthcheck != nil {
		config["Healthcheck"] = described.Healthcheck
	}
	if described.Shell != nil {
		config["Shell"] = described.Shell
	}
	return loadConfigured(t, config, entries)
}

// entry is a file of an archive.
type entry struct {
	header  tar.Header
	content []byte
}

// loadConfigured makes an image of one layer, until the test ends.
func loadConfigured(t *testing.T, config map[string]any, entries []entry) string {
	t.Helper()
	layer := pack(t, entries)
	about := marshal(t, map[string]any{
		"architecture": "amd64", "os": "linux", "config": config,
		// It makes the ID one of this test's.
		"author": unique("author"),
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	tag := unique("zdd-loaded") + ":1"
	manifest := marshal(t, []map[string]any{{"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer.tar"}}})
	whole := pack(t, []entry{
		{tar.Header{Name: "config.json", Mode: 0o644, Size: int64(len(about))}, about},
		{tar.Header{Name: "layer.tar", Mode: 0o644, Size: int64(len(layer))}, layer},
		{tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(manifest))}, manifest},
	})
	api := rawClient(t)
	answer, err := api.ImageLoad(t.Context(), bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	made, err := api.ImageInspect(t.Context(), tag)
	if err != nil {
		t.Fatalf("loading an image: %v: %s", err, said)
	}
	t.Cleanup(func() {
		if _, err := api.ImageRemove(context.Background(), tag, image.RemoveOptions{PruneChildren: true}); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return made.ID
}

func pack(t *testing.T, entries []entry) []byte {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, entry := range entries {
		if err := writer.WriteHeader(&entry.header); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(entry.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
