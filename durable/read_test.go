package durable

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadRegular_refusesWhatIsNoFileAndWaitsForNothing(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	link := func(name, target string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		path string
		want error
	}{
		{pipe, ErrNotRegular},
		{link("to-a-pipe", pipe), ErrNotRegular},
		{dir, ErrNotRegular},
		{filepath.Join(dir, "socket"), ErrNotRegular},
		{"/dev/zero", ErrNotRegular},
		{link("to-nowhere", filepath.Join(dir, "none")), fs.ErrNotExist},
		{link("to-itself", filepath.Join(dir, "to-itself")), unix.ELOOP},
	} {
		data, err := ReadRegular(tt.path, 10)
		var at *fs.PathError
		if !errors.Is(err, tt.want) || !errors.As(err, &at) || at.Path != tt.path {
			t.Errorf("%s: %q, %v, want an error of this path: %v", tt.path, data, err, tt.want)
		}
	}
}

func TestReadRegular_readsUpToItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for size, fits := range map[int]bool{0: true, 10: true, 11: false, 1 << 20: false} {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := ReadRegular(path, 10)
		if (err == nil) != fits || fits && len(data) != size {
			t.Errorf("%d bytes: read %d, %v", size, len(data), err)
		}
	}
}
