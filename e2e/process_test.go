package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// nginxMaster is the process that the host's nginx says is its master.
func (h *host) nginxMaster() int {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, "nginx", "nginx.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// childrenOf lists the processes that a process has started.
func childrenOf(parent int) []int {
	var children []int
	for pid := range commandLines() {
		if fields := statOf(pid); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}

// processState is the letter by which ps(1) shows a process's state, "" when it
// has ended.
func processState(pid int) string {
	if fields := statOf(pid); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// statOf is what stands behind the name in a process's stat: state, parent, …
// The name may hold anything, but no ")" is after it (proc_pid_stat(5)).
func statOf(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
}
