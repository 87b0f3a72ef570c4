package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// importProbe makes an image of nothing but the probe. The time of its making
// is part of the image's ID, so no other process of these tests has the same.
func importProbe(ctx context.Context, tag string) (string, error) {
	layer, err := probeLayer()
	if err != nil {
		return "", err
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return "", err
	}
	defer api.Close()
	answer, err := api.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(layer), SourceName: "-"}, tag, image.ImportOptions{
		Changes: []string{`ENTRYPOINT ["/probe"]`, "EXPOSE 5000/tcp", "EXPOSE 5001/udp", "WORKDIR /", "LABEL zdd.task=release"},
	})
	if err != nil {
		return "", err
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return "", err
	}
	made, err := api.ImageInspect(ctx, tag)
	return made.ID, err
}

// probeLayer is a tar archive with the probe as a static program.
func probeLayer() ([]byte, error) {
	program, err := probeProgram()
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	if err := writer.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := writer.Write(program); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

// probeProgram compiles the probe, once.
var probeProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", program, "./testdata/probe/cmd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the probe: %w\n%s", err, out)
	}
	return os.ReadFile(program)
})
