package durable

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteFile_hasItsPermissionsWhateverTheUmaskIs(t *testing.T) {
	former := syscall.Umask(0o077)
	defer syscall.Umask(former)
	path := filepath.Join(t.TempDir(), "site.conf")
	if err := WriteFile(path, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("two"), 0o640); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "two" {
		t.Errorf("content %q, %v, want the second one", content, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v, %v, want 0640", info.Mode().Perm(), err)
	}
}

func TestWriteFile_leavesTheFormerFileAndNoOtherWhenItCannotWrite(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "site.conf")
	if err := os.Mkdir(path, 0o755); err != nil { // a rename onto a folder fails
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("two"), 0o644); err == nil {
		t.Error("no error")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v, want the folder alone", entries, err)
	}
}

func TestRemove_isContentWithWhatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flag")
	for range 2 {
		if err := Remove(path); err != nil {
			t.Error(err)
		}
		if err := WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Remove(path); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("it is still there: %v", err)
		}
	}
}
