package hook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Unusable says that a hook is there and cannot be run. Nothing was started.
type Unusable struct {
	Path   string
	Reason string // completes "hook PATH …"
	hint   string
}

func (e *Unusable) Error() string { return fmt.Sprintf("hook %q %s", e.Path, e.Reason) }

// Hint says what to do about it.
func (e *Unusable) Hint() string { return e.hint }

// unusable makes the error; hint is a format whose only argument is the path.
func unusable(path, reason, hint string) error {
	return &Unusable{Path: path, Reason: reason, hint: fmt.Sprintf(hint, path)}
}

// notStarted makes of the kernel's one word the reason that a user can act on:
// "no such file" is said of a script that is there.
func notStarted(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return notAProgram(path)
	case errors.Is(err, unix.ETXTBSY):
		return unusable(path, "is being written", "wait until whoever writes %[1]s has closed it")
	case errors.Is(err, fs.ErrNotExist):
		return missingInterpreter(path)
	case errors.Is(err, fs.ErrPermission):
		if err := usable(path); err != nil {
			return err
		}
		return unusable(path, fmt.Sprintf("cannot be run: its interpreter %q may not be executed", interpreter(path)), "correct the first line of %[1]s")
	}
	return fmt.Errorf("starting hook %q: %w", filepath.Base(path), err)
}

func notAProgram(path string) error {
	const hint = "let the first line of %[1]s name its interpreter: #!/bin/sh"
	head := firstBytes(path)
	switch {
	case len(head) == 0:
		return unusable(path, "is empty", hint)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf#!")):
		return unusable(path, "has a byte order mark before its #!", "sed -i '1s/^\\xef\\xbb\\xbf//' %[1]s")
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return unusable(path, "is a program for another kind of machine", "file %[1]s")
	case bytes.HasPrefix(head, []byte("#!")):
		return unusable(path, "names no interpreter that can be run in its #! line", hint)
	}
	return unusable(path, "is not a program this host can run: no #! line?", hint)
}

func missingInterpreter(path string) error {
	if err := usable(path); err != nil {
		return err
	}
	name := interpreter(path)
	switch {
	case name == "":
		return unusable(path, "needs a dynamic loader that does not exist on this host", "ldd %[1]s")
	case strings.HasSuffix(name, "\r"):
		return unusable(path, "has Windows line ends, so that its interpreter is not found", "sed -i 's/\\r$//' %[1]s")
	}
	return unusable(path, fmt.Sprintf("cannot be run: its interpreter %q does not exist", name), "install it, or correct the first line of %[1]s")
}

// interpreter is the one that the #! line names; "" without such a line.
func interpreter(path string) string {
	line, _, _ := strings.Cut(string(firstBytes(path)), "\n")
	rest, isScript := strings.CutPrefix(line, "#!")
	if !isScript {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	name, _, _ = strings.Cut(name, "\t")
	return name
}

// firstBytes are as many as the kernel looks at; none when they cannot be read.
func firstBytes(path string) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, 256))
	if err != nil {
		return nil
	}
	return head
}
