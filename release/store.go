package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"zdd/durable"
	"zdd/failpoint"
)

// longestRoot leaves room for the longest path that zdd binds a unix socket
// to; the kernel takes 107 bytes and the zero (unix(7), sun_path).
const longestRoot = 107 - len("/nginx/door.sock")

// A Store is zdd's root folder.
type Store struct {
	root string
}

// DefaultRoot is /var/lib/zdd for root, else zdd in the user's data folder
// ($XDG_DATA_HOME, by default ~/.local/share). It is "" where there is neither
// that variable nor a home.
func DefaultRoot() string {
	if os.Geteuid() == 0 {
		return "/var/lib/zdd"
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "zdd")
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, ".local", "share", "zdd")
}

// Open returns the store at root, an absolute, clean path. It creates nothing.
// The path goes into nginx's configuration and into a socket's address, so it
// may hold no character that means something to nginx, and is at most 91 bytes
// long. Errors are of type *Invalid.
func Open(root string) (*Store, error) {
	invalid := func(message, hint string) error {
		return &Invalid{Key: "root", Message: message, Hint: hint}
	}
	switch {
	case !filepath.IsAbs(root):
		return nil, invalid(fmt.Sprintf("the root folder %q is not an absolute path", root), "give the whole path, such as /var/lib/zdd")
	case root == "/":
		return nil, invalid("the root folder of zdd cannot be that of the file system", "give a folder of its own, such as /var/lib/zdd")
	case filepath.Clean(root) != root:
		return nil, invalid(fmt.Sprintf("the root folder %q is not written in its shortest form", root), fmt.Sprintf("write %q", filepath.Clean(root)))
	case len(root) > longestRoot:
		return nil, invalid(fmt.Sprintf("the root folder's path has %d bytes, the longest is %d", len(root), longestRoot), "choose a shorter one: a unix socket below it has a limit")
	}
	if i := strings.IndexFunc(root, unfitForNginx); i >= 0 {
		r := []rune(root[i:])[0]
		return nil, invalid(fmt.Sprintf("the root folder %q contains %q", root, r), "choose letters, digits and - _ . only: the path stands in nginx's configuration")
	}
	return &Store{root: root}, nil
}

// unfitForNginx reports whether r could end, quote or expand a word of nginx's
// configuration.
func unfitForNginx(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar || strings.ContainsRune("\"'`\\;{}$#*?[]", r)
}

// Root is the folder's path.
func (s *Store) Root() string { return s.root }

// NginxDir is the folder that package nginx keeps.
func (s *Store) NginxDir() string { return filepath.Join(s.root, "nginx") }

// Apps lists the names of the apps that exist, sorted. Entries that cannot be
// apps are passed over.
func (s *Store) Apps() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, "apps"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the apps: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if app, err := s.App(entry.Name()); err == nil && app.Exists() {
			names = append(names, app.name)
		}
	}
	return names, nil
}

// Sweep removes what a command that was killed while it wrote left in the root
// folder itself. The caller holds the root's lock.
func (s *Store) Sweep() error { return durable.Sweep(s.root) }

// makeRoot makes the root folder. An empty folder that somebody made for zdd
// gets the root's permissions too; a folder in use keeps what its owner chose.
func (s *Store) makeRoot() error {
	if entries, err := os.ReadDir(s.root); err == nil && len(entries) > 0 {
		return nil
	}
	return makeDir(s.root, 0o711)
}

// makeDir makes the folder at path with exactly the permissions perm, and
// those above it with 0755 less the umask.
func makeDir(path string, perm fs.FileMode) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := failpoint.Fail("making the folder " + filepath.Base(path)); err != nil {
			return err
		}
		if err = os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := durable.SyncDir(filepath.Dir(path)); err != nil {
			return err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("a file is in the way")}
	}
	if info.Mode().Perm() == perm {
		return nil
	}
	return os.Chmod(path, perm)
}
