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

func TestTouch_makesAnEmptyFileAndKeepsTheOneThatIsThere(t *testing.T) {
	former := syscall.Umask(0o077)
	defer syscall.Umask(former)
	path := filepath.Join(t.TempDir(), "flag")
	for _, want := range []string{"", "kept"} {
		if err := Touch(path, 0o644); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil || string(content) != want {
			t.Errorf("content %q, %v, want %q", content, err, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("permissions %v, %v, want 0644", info.Mode().Perm(), err)
		}
		if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
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

func TestAppendLine_endsALineWhoseWriterDied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(path, []byte("one\ntw"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AppendLine(path, []byte("three\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "one\ntw\nthree\n" {
		t.Errorf("content %q, %v", content, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v, want 0600", info.Mode().Perm(), err)
	}
}

func TestSweep_removesWhatIsNotWholeAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{temporary + "state.json.1234", ".state.json", "state.json"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(folder); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left %v, %v, want the two that are whole", left, err)
	}
	if err := Sweep(filepath.Join(folder, "none")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}
