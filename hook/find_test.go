package hook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind_findsAnExecutableFile(t *testing.T) {
	path := sh(t, "exit 0")
	got, found, err := Find(filepath.Dir(path), "check-deploy")
	if err != nil || !found {
		t.Fatalf("found %v, error %v", found, err)
	}
	if diff := cmp.Diff(path, got); diff != "" {
		t.Error(diff)
	}
}

func TestFind_returnsAnAbsolutePath(t *testing.T) {
	path := sh(t, "exit 0")
	t.Chdir(filepath.Dir(path))
	got, _, err := Find(".", "check-deploy")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(path, got); diff != "" {
		t.Error(diff)
	}
}

func TestFind_findsNothingWithoutFileOrFolder(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if path, found, err := Find(dir, "check-deploy"); path != "" || found || err != nil {
			t.Errorf("path %q, found %v, error %v", path, found, err)
		}
	}
}

func TestFind_refusesWhatCouldNotBeRun(t *testing.T) {
	tests := []struct {
		name         string
		make         func(path string) error
		reason, hint string
	}{
		{"not executable", func(p string) error { return os.WriteFile(p, nil, 0o644) }, "is not executable", "chmod +x PATH"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o755) }, "is a folder", "put a program at PATH, or remove the folder"},
		{"dangling link", func(p string) error { return os.Symlink("nothing", p) }, "is a link to a file that does not exist", "rm PATH, or restore what it links to"},
		{"link to itself", func(p string) error { return os.Symlink(filepath.Base(p), p) }, "is a link that leads back to itself", "rm PATH, or restore what it links to"},
		{"device", func(p string) error { return os.Symlink("/dev/null", p) }, "is not a regular file", "put a program at PATH"},
		{
			"writable by all", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o755), os.Chmod(p, 0o777)) },
			"can be changed by every user of this host", "chmod o-w PATH",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "pre-deploy")
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			_, found, err := Find(dir, "pre-deploy")
			if found {
				t.Error("it was found")
			}
			assertUnusable(t, err, path, test.reason, test.hint)
		})
	}
}

func TestFind_followsALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(sh(t, "exit 0"), filepath.Join(dir, "pre-deploy")); err != nil {
		t.Fatal(err)
	}
	if _, found, err := Find(dir, "pre-deploy"); !found || err != nil {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestRun_saysWhyAProgramCannotBeRun(t *testing.T) {
	const interpret = "let the first line of PATH name its interpreter: #!/bin/sh"
	tests := []struct{ name, text, reason, hint string }{
		{"empty", "", "is empty", interpret},
		{"no #! line", "echo hello\n", "is not a program this host can run: no #! line?", interpret},
		{"#! without a name", "#!\necho\n", "names no interpreter that can be run in its #! line", interpret},
		{"missing interpreter", "#! /bin/foo -e\n", `cannot be run: its interpreter "/bin/foo" does not exist`, "install it, or correct the first line of PATH"},
		{"interpreter that may not run", "#!/etc/passwd\n", `cannot be run: its interpreter "/etc/passwd" may not be executed`, "correct the first line of PATH"},
		{"Windows line ends", "#!/bin/sh\r\nexit 0\r\n", "has Windows line ends, so that its interpreter is not found", `sed -i 's/\r$//' PATH`},
		{"byte order mark", "\xef\xbb\xbf#!/bin/sh\n", "has a byte order mark before its #!", `sed -i '1s/^\xef\xbb\xbf//' PATH`},
		{"foreign program", "\x7fELF\x01\x01\x01", "is a program for another kind of machine", "file PATH"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := script(t, test.text)
			assertUnusable(t, command(path).Run(context.Background()), path, test.reason, test.hint)
		})
	}
}

func TestRun_looksAtTheFileAgain(t *testing.T) {
	path := sh(t, "exit 0")
	c := command(path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	assertUnusable(t, c.Run(context.Background()), path, "is not executable", "chmod +x PATH")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	assertUnusable(t, c.Run(context.Background()), path, "does not exist", "restore PATH")
}

func TestRun_doesNotRunAFileThatIsBeingWritten(t *testing.T) {
	path := sh(t, "exit 0")
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	assertUnusable(t, command(path).Run(context.Background()), path, "is being written", "wait until whoever writes PATH has closed it")
}

func assertUnusable(t *testing.T, err error, path, reason, hint string) {
	t.Helper()
	var unusable *Unusable
	if !errors.As(err, &unusable) {
		t.Fatalf("error %v, want an *Unusable", err)
	}
	if diff := cmp.Diff(`hook "`+path+`" `+reason, err.Error()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(strings.ReplaceAll(hint, "PATH", path), unusable.Hint()); diff != "" {
		t.Error(diff)
	}
}

func TestFind_refusesAFolderThatIsNone(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"is a link to a folder that does not exist": func(path string) error { return os.Symlink("/nonexistent/hooks", path) },
		"is not a folder": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "hooks")
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		_, _, err := Find(dir, "pre-deploy")
		var unusable *Unusable
		if !errors.As(err, &unusable) || unusable.Reason != name || unusable.Hint() == "" {
			t.Errorf("error %v, want that it %s", err, name)
		}
	}
}
