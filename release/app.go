package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zdd/durable"
)

// An App is one app's folder. The methods that write expect that the caller
// holds the app's lock.
type App struct {
	store *Store
	name  string
	dir   string
}

// App returns the app called name, which need not exist. It creates nothing;
// its error is an *InvalidName.
func (s *Store) App(name string) (*App, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return &App{store: s, name: name, dir: filepath.Join(s.root, "apps", name)}, nil
}

// Path is the app's folder, or what elem names below it.
func (a *App) Path(elem ...string) string {
	return filepath.Join(append([]string{a.dir}, elem...)...)
}

// Exists reports whether anything is known about the app. A folder that holds
// a lock alone does not count: a first deploy that failed may leave one.
func (a *App) Exists() bool {
	if isThere(a.Path(stateFile)) { // as a rule, and at a tenth of the cost
		return true
	}
	entries, _ := os.ReadDir(a.dir)
	for _, entry := range entries {
		if entry.Name() != lockFile && !durable.IsTemporary(entry.Name()) {
			return true
		}
	}
	return false
}

// Certificate returns the paths of the app's TLS certificate and key,
// tls/server.crt and tls/server.key, or two empty strings when it has neither.
// One without the other is an *Invalid error. That they can be read is for their
// reader to find.
func (a *App) Certificate() (certFile, keyFile string, err error) {
	if err := a.folder("tls"); err != nil {
		return "", "", err
	}
	certFile, keyFile = a.Path("tls", "server.crt"), a.Path("tls", "server.key")
	cert, key := isThere(certFile), isThere(keyFile)
	switch {
	case cert && key:
		return certFile, keyFile, nil
	case cert:
		return "", "", &Invalid{File: certFile, Message: "a certificate without its key", Hint: fmt.Sprintf("put the key at %q", keyFile)}
	case key:
		return "", "", &Invalid{File: keyFile, Message: "a key without its certificate", Hint: fmt.Sprintf("put the certificate at %q", certFile)}
	}
	return "", "", nil
}

// Snippets lists the app's own pieces of nginx configuration, nginx/*.conf, in
// the order of their names. Hidden files are passed over. Something else than a
// folder in the place of theirs is an *Invalid error.
func (a *App) Snippets() ([]string, error) {
	if err := a.folder("nginx"); err != nil {
		return nil, err
	}
	// The pattern has no special character but ours: Open and checkName saw to that.
	found, _ := filepath.Glob(a.Path("nginx", "[^.]*.conf"))
	return found, nil
}

// folder refuses what stands where a folder of the user's belongs and is none:
// for the link to a disk that is not mounted, say, a site would lose its
// certificate in silence. That there is nothing is no error.
func (a *App) folder(name string) error {
	path := a.Path(name)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), errors.Is(err, fs.ErrNotExist) && !isThere(path):
		return nil
	case err == nil:
		err = errors.New("not a folder")
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &Invalid{File: path, Message: "looking for the app's files: " + err.Error(), Hint: fmt.Sprintf("put a folder in the place of %q, or remove it", path)}
}

// ChecksFile returns the path of the CHECKS file in force: the one that the
// settings name, else CHECKS in the app's folder, else "" (the default checks
// apply). That what it names can be read is for its reader to find.
func (a *App) ChecksFile(s Settings) string {
	if s.Checks != "" {
		return a.resolve(s.Checks)
	}
	if file := a.Path("CHECKS"); isThere(file) {
		return file
	}
	return ""
}

// AppJSON returns the path of app.json in the app's folder, or "" where nothing
// is there. That it can be read is for its reader to find.
func (a *App) AppJSON() string {
	if file := a.Path("app.json"); isThere(file) {
		return file
	}
	return ""
}

// BeginHook notes that a hook of the app runs, whose processes are marked with
// owner, until EndHook. InterruptedHook is the owner of one that neither ended
// nor was ended, "" without one.
func (a *App) BeginHook(owner string) error {
	if err := a.writeFile(a.Path(hookFile), []byte(owner+"\n")); err != nil {
		return fmt.Errorf("noting the hook of app %q: %w", a.name, err)
	}
	return nil
}

// EndHook drops the note of BeginHook; that there is none is no error.
func (a *App) EndHook() error {
	if err := durable.Remove(a.Path(hookFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dropping the note of a hook of app %q: %w", a.name, err)
	}
	return nil
}

// InterruptedHook reads the note of BeginHook.
func (a *App) InterruptedHook() (owner string, err error) {
	note, err := os.ReadFile(a.Path(hookFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the note of a hook of app %q: %w", a.name, err)
	}
	return strings.TrimSuffix(string(note), "\n"), nil
}

// Environment returns the variables that the app gets: those of the file env
// in its folder, if there is one, replaced by those of the settings' env_file,
// replaced by those of the settings' env.
func (a *App) Environment(s Settings) (Env, error) {
	var files []string
	if file := a.Path("env"); isThere(file) {
		files = append(files, file)
	}
	if s.EnvFile != "" {
		files = append(files, a.resolve(s.EnvFile))
	}
	env := Env{}
	for _, file := range files {
		vars, err := ReadEnvFile(file)
		if err != nil {
			return nil, err
		}
		for key, value := range vars {
			env[key] = value
		}
	}
	for key, value := range s.Env {
		env[key] = value
	}
	return env, nil
}

// resolve makes a path of the settings absolute: relative ones start in the
// app's folder.
func (a *App) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return a.Path(path)
}

// Delete removes the app's folder with everything in it. The state goes last
// but one, so that an interrupted removal is still known as one, and the lock
// last, so that nobody begins before the end. Somebody who waited for the lock
// may have made the folder anew by then; that is no error.
func (a *App) Delete() error {
	entries, err := os.ReadDir(a.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing app %q: %w", a.name, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != stateFile && name != lockFile {
			if err := os.RemoveAll(a.Path(name)); err != nil {
				return fmt.Errorf("removing app %q: %w", a.name, err)
			}
		}
	}
	if err := durable.SyncDir(a.dir); err != nil {
		return fmt.Errorf("removing app %q: %w", a.name, err)
	}
	for _, name := range []string{stateFile, lockFile} {
		if err := durable.Remove(a.Path(name)); err != nil {
			return fmt.Errorf("removing app %q: %w", a.name, err)
		}
	}
	if err := os.Remove(a.dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("removing app %q: %w", a.name, err)
	}
	return durable.SyncDir(filepath.Dir(a.dir))
}

// Sweep removes what a command that was killed while it wrote left in the app's
// folder.
func (a *App) Sweep() error {
	return errors.Join(durable.Sweep(a.dir), durable.Sweep(a.Path(releasesDir)))
}

// isThere reports whether anything is at path, be it a link that leads nowhere:
// its reader says what is wrong with it.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
