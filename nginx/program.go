package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"zdd/failpoint"
)

// program is the nginx program as found on this host.
type program struct {
	path    string
	version [3]int
	build   string // the output of nginx -V
}

// minVersion is the oldest nginx that zdd works with: the -e option (1.19.5)
// and ssl_reject_handshake (1.19.4) are needed.
var minVersion = [3]int{1, 20, 0}

var sbinFolders = []string{"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/nginx/sbin", "/usr/local/openresty/nginx/sbin"}

// findProgram looks the program up and asks for its version. Without it, or
// when it is too old, the error is *Unreachable.
func (p *Proxy) findProgram(ctx context.Context) (*program, error) {
	path, err := exec.LookPath(p.config.Program)
	for _, dir := range sbinFolders {
		if err == nil || strings.Contains(p.config.Program, "/") {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, p.config.Program))
	}
	if err != nil {
		return nil, &Unreachable{Reason: fmt.Sprintf("no nginx program %q (install nginx)", p.config.Program)}
	}
	out, err := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	if err != nil {
		return nil, &Unreachable{Reason: fmt.Sprintf("running %q -V", path), Err: err}
	}
	prog := &program{path: path, build: string(out)}
	m := versionLine.FindStringSubmatch(prog.build)
	if m == nil {
		return nil, &Unreachable{Reason: fmt.Sprintf("%q does not say which version of nginx it is", path)}
	}
	for i := range prog.version {
		prog.version[i], _ = strconv.Atoi(m[i+1])
	}
	if !prog.atLeast(minVersion[0], minVersion[1], minVersion[2]) {
		return nil, &Unreachable{Reason: fmt.Sprintf("nginx %s.%s.%s is too old: %d.%d is needed", m[1], m[2], m[3], minVersion[0], minVersion[1])}
	}
	return prog, nil
}

var versionLine = regexp.MustCompile(`(?m)^nginx version: \S+?/(\d+)\.(\d+)\.(\d+)`)

func (g *program) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if g.version[i] != want {
			return g.version[i] > want
		}
	}
	return true
}

// tempPaths names the modules whose temporary folders must be set, because the
// built-in ones belong to root. A module that was left out has no such directive.
func (g *program) tempPaths() []string {
	var names []string
	for _, name := range []string{"proxy", "fastcgi", "uwsgi", "scgi"} {
		if !strings.Contains(g.build, "--without-http_"+name+"_module") {
			names = append(names, name)
		}
	}
	return names
}

// option returns the value of a configure option like "--conf-path", or "".
func (g *program) option(name string) string {
	for field := range strings.FieldsSeq(g.build) {
		if value, ok := strings.CutPrefix(field, name+"="); ok {
			return strings.Trim(value, "'")
		}
	}
	return ""
}

// args are the options that select this proxy's configuration.
func (p *Proxy) args(more ...string) []string {
	var args []string
	switch {
	case p.config.Mode == Managed:
		args = []string{"-p", p.paths.dir + "/", "-c", p.paths.mainConf(), "-e", p.paths.errorLog()}
	case p.config.Conf != "":
		args = []string{"-c", p.config.Conf}
	}
	return append(args, more...)
}

// test asks nginx whether the configuration on disk is valid: *Refused when it
// is not, or when nginx would ignore one of the names. It returns how long
// nginx took and, on success, its output with warnings.
func (p *Proxy) test(ctx context.Context, prog *program, names []string) (time.Duration, error) {
	start := time.Now()
	out, err := p.run(ctx, prog, "-t")
	took := time.Since(start)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && ctx.Err() == nil:
		return took, p.refused(out)
	case err != nil:
		return took, fmt.Errorf("running nginx -t: %w", err)
	}
	for _, name := range names {
		if line := conflict(out, name); line != "" {
			return took, &Refused{Output: line + p.ownerOf(name)}
		}
	}
	return took, nil
}

// run runs the program with this proxy's configuration and returns both its
// outputs.
func (p *Proxy) run(ctx context.Context, prog *program, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, prog.path, p.args(args...)...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	// A daemon that keeps the pipe must not keep us.
	cmd.WaitDelay = 5 * time.Second
	failpoint.Hit("before nginx " + strings.Join(args, " "))
	err := cmd.Run()
	failpoint.Hit("after nginx " + strings.Join(args, " "))
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return strings.TrimSpace(out.String()), err
}

// logPrefix stands before nginx's words where its built-in error log is stderr.
var logPrefix = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[\w+\]) \d+#\d+: `)

var (
	inFile     = regexp.MustCompile(` in (/[^\s:]+):\d+`)
	quotedFile = regexp.MustCompile(`"(/[^"]+)"`)
)

// refused turns nginx's words into an error that says whose file is wrong.
func (p *Proxy) refused(output string) *Refused {
	r := &Refused{}
	var words []string
	for line := range strings.Lines(output) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "nginx: ")
		line = logPrefix.ReplaceAllString(line, "$1 ")
		if line == "" || strings.HasPrefix(line, "[warn]") || strings.HasPrefix(line, "[notice]") {
			continue
		}
		if !slices.Contains(words, line) { // nginx tries five times to bind
			words = append(words, line)
		}
		if m := inFile.FindStringSubmatch(line); m != nil && r.File == "" {
			r.File = m[1]
		}
	}
	r.Output = strings.Join(words, "; ")
	if m := quotedFile.FindStringSubmatch(r.Output); m != nil && r.File == "" {
		r.File = m[1] // a certificate, say, which nginx reads after all lines
	}
	r.Ours = strings.HasPrefix(r.File, p.paths.dir+string(os.PathSeparator))
	r.App = p.appOf(r.File)
	return r
}

// appOf says to which app's site the file belongs; "" when to none.
func (p *Proxy) appOf(file string) string {
	switch filepath.Dir(file) {
	case p.paths.sites(), p.paths.switches(), p.paths.copies():
		app, _, _ := strings.Cut(filepath.Base(file), ".")
		return app
	}
	return ""
}

// ownerOf says which app's site has the name, as far as it is zdd's. It reads
// all sites, which only a conflict is worth.
func (p *Proxy) ownerOf(name string) string {
	files, err := filepath.Glob(filepath.Join(p.paths.sites(), "*.conf"))
	if err != nil {
		return ""
	}
	var owners []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), ";"))
			if len(words) > 1 && words[0] == "server_name" && slices.Contains(words[1:], name) {
				owners = append(owners, strings.TrimSuffix(filepath.Base(file), ".conf"))
				break
			}
		}
	}
	if len(owners) < 2 {
		return fmt.Sprintf(" (a server that is not zdd's has the name %s)", name)
	}
	return fmt.Sprintf(" (the name %s belongs to more than one of the apps: %s)", name, strings.Join(owners, ", "))
}

// conflict returns the warning with which nginx says that it ignores a name
// because another server has it.
func conflict(output, name string) string {
	for line := range strings.Lines(output) {
		if strings.Contains(line, fmt.Sprintf("conflicting server name %q", name)) {
			return strings.TrimPrefix(strings.TrimSpace(line), "nginx: ")
		}
	}
	return ""
}
