package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrows are the imports between the packages of this module that are allowed,
// apart from those of their tests. A package that is not here may import none.
var arrows = map[string][]string{
	// container, nginx, checks and release are for wiring and for values: the
	// order of their calls is deploy's.
	"zdd":                      {"zdd/hook", "zdd/deploy", "zdd/console", "zdd/release", "zdd/container", "zdd/nginx", "zdd/checks"},
	"zdd/console":              {"zdd/deploy", "zdd/release", "zdd/checks"},
	"zdd/deploy":               {"zdd/container", "zdd/checks", "zdd/nginx", "zdd/release", "zdd/hook", "zdd/failpoint"},
	"zdd/container":            {"zdd/durable", "zdd/failpoint"},
	"zdd/checks":               {"zdd/durable"},
	"zdd/nginx":                {"zdd/durable", "zdd/failpoint"},
	"zdd/release":              {"zdd/durable", "zdd/failpoint"},
	"zdd/durable":              {"zdd/failpoint"},
	"zdd/container/dockertest": {"zdd/container"},
	"zdd/testdata/loadgen":     {"zdd/testdata/load"},
}

// testArrows are what every test may import besides.
var testArrows = []string{"zdd/testdata/load", "zdd/container/dockertest"}

// owners are the only packages that may import what begins with the path; a
// path without owners is for tests alone.
var owners = map[string][]string{
	"github.com/docker/docker":          {"zdd/container", "zdd/container/dockertest"},
	"github.com/docker/cli":             {"zdd/container", "zdd/container/dockertest"},
	"github.com/docker/go-connections":  {"zdd/container", "zdd/container/dockertest"},
	"github.com/fsouza/go-dockerclient": {"zdd/container/dockertest"},
	"github.com/urfave/cli":             {"zdd"},
	"github.com/google/go-cmp":          {},
	"github.com/rogpeppe/go-internal":   {},
}

// A node is a package and what it imports; the fields are those of go list.
type node struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestArrows_runOneWay(t *testing.T) {
	nodes := packages(t, "./...", "./testdata/app", "./testdata/load", "./testdata/loadgen")
	// A list that is not the module's would have nothing to object to.
	for _, want := range []string{"zdd", "zdd/deploy", "zdd/container", "zdd/nginx", "zdd/checks", "zdd/release", "zdd/console"} {
		if !slices.ContainsFunc(nodes, func(n node) bool { return n.ImportPath == want }) {
			t.Errorf("package %s is not in the list", want)
		}
	}
	for _, v := range violations(nodes) {
		t.Error(v)
	}
}

func TestViolations_namesEachArrowThatIsNotAllowed(t *testing.T) {
	got := violations([]node{
		{ImportPath: "zdd/deploy", Imports: []string{"zdd/nginx", "zdd/console", "context"}},
		{ImportPath: "zdd/nginx", Imports: []string{"zdd/durable", "zdd/checks"}},
		{ImportPath: "zdd/durable", Imports: []string{"zdd/release", "github.com/google/renameio/v2"}},
		{ImportPath: "zdd/checks", Imports: []string{"github.com/docker/docker/client", "github.com/docker/go-units"}},
		{ImportPath: "zdd/container", Imports: []string{"github.com/docker/docker/client", "github.com/fsouza/go-dockerclient"}},
		{ImportPath: "zdd/console", Imports: []string{"github.com/urfave/cli/v2", "github.com/google/go-cmp/cmp"}},
		{
			ImportPath:   "zdd/release",
			TestImports:  []string{"github.com/google/go-cmp/cmp", "zdd/testdata/load", "zdd/container/dockertest"},
			XTestImports: []string{"zdd/release", "zdd/release/releasetest", "zdd/deploy"},
		},
		{ImportPath: "zdd/cloud", Imports: []string{"zdd/container"}},
	})
	want := []string{
		"zdd/checks imports github.com/docker/docker/client",
		"zdd/cloud imports zdd/container",
		"zdd/console imports github.com/google/go-cmp/cmp",
		"zdd/console imports github.com/urfave/cli/v2",
		"zdd/container imports github.com/fsouza/go-dockerclient",
		"zdd/deploy imports zdd/console",
		"zdd/durable imports zdd/release",
		"zdd/nginx imports zdd/checks",
		"zdd/release imports zdd/deploy (in a test)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// violations lists the imports that are against the arrows, sorted.
func violations(nodes []node) []string {
	var found []string
	for _, n := range nodes {
		for _, to := range n.Imports {
			if !mayImport(n.ImportPath, to) {
				found = append(found, fmt.Sprintf("%s imports %s", n.ImportPath, to))
			}
		}
		for _, to := range slices.Concat(n.TestImports, n.XTestImports) {
			if !testMayImport(n.ImportPath, to) {
				found = append(found, fmt.Sprintf("%s imports %s (in a test)", n.ImportPath, to))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func mayImport(from, to string) bool {
	if within(to, "zdd") {
		return slices.Contains(arrows[from], to)
	}
	for path, allowed := range owners {
		if within(to, path) && !slices.Contains(allowed, from) {
			return false
		}
	}
	return true
}

// testMayImport is about our own packages only: tests choose their libraries.
// The tests of the command see the whole of it.
func testMayImport(from, to string) bool {
	return !within(to, "zdd") || from == "zdd" || within(to, from) ||
		slices.Contains(testArrows, to) || slices.Contains(arrows[from], to)
}

func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func packages(t *testing.T, patterns ...string) []node {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, patterns...)...)
	var problems bytes.Buffer
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing packages: %v\n%s", err, &problems)
	}
	var nodes []node
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var n node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nodes
		}
		if err != nil {
			t.Fatalf("reading the list of packages: %v", err)
		}
		nodes = append(nodes, n)
	}
}
