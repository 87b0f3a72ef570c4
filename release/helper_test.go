package release

import (
	"os"
	"path/filepath"
	"testing"
)

// newStore opens a store in a folder of its own, which does not exist yet.
func newStore(t *testing.T) *Store {
	t.Helper()
	base, err := os.MkdirTemp("", "zdd-release-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	store, err := Open(filepath.Join(base, "root"))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// newApp returns an app of a store of its own; it does not exist yet.
func newApp(t *testing.T, name string) *App {
	t.Helper()
	app, err := newStore(t).App(name)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func writeTestFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readTestFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
