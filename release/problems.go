package release

import (
	"fmt"
	"math/big"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/docker/go-units"
	"github.com/kballard/go-shellquote"
	"golang.org/x/net/idna"
)

// leastMemory is the smallest limit that the engine accepts.
const leastMemory = 6 << 20

var (
	label       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	digitsOnly  = regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`)
	objectName  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`) // Docker's rule for networks and volumes
	userName    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]*(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?$`)
	nginxSize   = regexp.MustCompile(`^[0-9]{1,9}[kKmMgG]?$`)
	decimalCPUs = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,9})?$`)
)

// domainProblem accepts hostnames (RFC 1123: labels of up to 63 letters,
// digits and inner hyphens, 253 in all) in any case, and *. before one. What
// passes means nothing else to nginx: regular expressions begin with ~, and
// wildcards have one form.
func domainProblem(domain string) *Invalid {
	problem := func(hint string) *Invalid {
		return &Invalid{Message: fmt.Sprintf("%q is not a domain", domain), Hint: hint}
	}
	lower := strings.ToLower(domain)
	labels := strings.Split(strings.TrimPrefix(lower, "*."), ".")
	last := labels[len(labels)-1]
	if _, err := netip.ParseAddr(strings.Trim(lower, "[]")); err == nil {
		return problem("an address cannot be one; use a name that leads to it")
	}
	switch {
	case strings.Contains(lower, "://"):
		return problem("write the name alone, without https:// and path")
	case strings.ContainsFunc(lower, func(r rune) bool { return r > unicode.MaxASCII }):
		if ascii, err := idna.Lookup.ToASCII(lower); err == nil {
			return problem(fmt.Sprintf("write it as %q", ascii))
		}
		return problem("write it in its ASCII form, as in xn--bcher-kva.example")
	case strings.Contains(lower, ":"):
		return problem("write the name alone, without a port")
	case len(lower) > 253:
		return problem("a domain has 253 characters at most")
	case last == "" && lower != "":
		return problem("write it without a dot at the end")
	case digitsOnly.MatchString(last):
		return problem("the last part of a domain is not a number")
	}
	for _, part := range labels {
		if !label.MatchString(part) {
			return problem("use letters, digits, inner hyphens and dots, as in www.example.com or *.example.com")
		}
	}
	return nil
}

func pathProblem(file string) *Invalid {
	if strings.ContainsFunc(file, unicode.IsControl) {
		return &Invalid{Message: fmt.Sprintf("%q is not a path", file)}
	}
	return nil
}

// volumeProblem accepts NAME-OR-PATH:PATH[:ro].
func volumeProblem(volume string) *Invalid {
	problem := func(message string) *Invalid {
		return &Invalid{Message: fmt.Sprintf("%s in volume %q", message, volume), Hint: "write NAME:/path/in/container or /path/on/host:/path/in/container, and :ro after it for reading only"}
	}
	parts := strings.Split(volume, ":")
	if len(parts) == 3 && parts[2] != "ro" {
		return problem(fmt.Sprintf("unknown option %q", parts[2]))
	}
	if len(parts) < 2 || len(parts) > 3 {
		return problem("no path in the container")
	}
	source, target := parts[0], parts[1]
	switch {
	case strings.ContainsFunc(volume, unicode.IsControl):
		return problem("control characters")
	case !isCleanPath(source) && !objectName.MatchString(source):
		return problem("neither a name nor an absolute path first")
	case !isCleanPath(target) || target == "/":
		return problem("no absolute path in the container")
	}
	return nil
}

func isCleanPath(p string) bool { return path.IsAbs(p) && path.Clean(p) == p }

// volumeTarget is the path in the container.
func volumeTarget(volume string) string {
	_, rest, _ := strings.Cut(volume, ":")
	target, _, _ := strings.Cut(rest, ":")
	return target
}

func networkProblem(network string) *Invalid {
	switch {
	case network == "host" || network == "none":
		return &Invalid{Message: fmt.Sprintf("an app cannot join the network %q", network), Hint: "zdd gives each app an address of its own, which these have not"}
	case !objectName.MatchString(network):
		return &Invalid{Message: fmt.Sprintf("%q is not the name of a network", network), Hint: "see docker network ls"}
	}
	return nil
}

func memoryProblem(memory string) *Invalid {
	bytes, err := units.RAMInBytes(memory)
	if err != nil || bytes < 0 {
		return &Invalid{Message: fmt.Sprintf("%q is not an amount of memory", memory), Hint: "write it like 512m or 2g"}
	}
	if bytes < leastMemory {
		return &Invalid{Message: fmt.Sprintf("%q is less than 6m, the least that a container can have", memory), Hint: "write it like 512m or 2g"}
	}
	return nil
}

func cpusProblem(cpus string) *Invalid {
	value, ok := new(big.Rat).SetString(cpus)
	if !decimalCPUs.MatchString(cpus) || !ok || value.Sign() == 0 {
		return &Invalid{Message: fmt.Sprintf("%q is not a number of processors", cpus), Hint: "write it like 2 or 0.5"}
	}
	return nil
}

func userProblem(user string) *Invalid {
	if !userName.MatchString(user) {
		return &Invalid{Message: fmt.Sprintf("%q is not a user", user), Hint: "write a name or number, and a group after a colon, as in 1000:1000"}
	}
	return nil
}

// commandProblem does not show the command: it may hold a password.
func commandProblem(command string) *Invalid {
	args, err := shellquote.Split(command)
	switch {
	case err != nil:
		return &Invalid{Message: "the command's quotes or backslashes do not match", Hint: err.Error()}
	case len(args) == 0:
		return &Invalid{Message: "the command has no word", Hint: "leave it out for the image's own"}
	case strings.ContainsRune(command, 0):
		return &Invalid{Message: "the command contains a zero byte"}
	}
	return nil
}

// healthcheckProblem leaves the words to the shell in the container.
func healthcheckProblem(command string) *Invalid {
	if strings.TrimSpace(command) == "" || strings.ContainsFunc(command, unicode.IsControl) {
		return &Invalid{Message: "the health check is not a command on one line", Hint: "write a command, or none to leave out the image's"}
	}
	return nil
}

func sizeProblem(size string) *Invalid {
	if !nginxSize.MatchString(size) {
		return &Invalid{Message: fmt.Sprintf("%q is not a size", size), Hint: "write it like 10m, or 0 for no limit"}
	}
	return nil
}

func proxyProblem(proxy string) *Invalid {
	if prefix, err := netip.ParsePrefix(proxy); err == nil && prefix == prefix.Masked() {
		return nil
	} else if err == nil {
		return &Invalid{Message: fmt.Sprintf("%q names one host in a network", proxy), Hint: fmt.Sprintf("write %q for the network, or the address alone", prefix.Masked())}
	}
	if addr, err := netip.ParseAddr(proxy); err == nil && addr.Zone() == "" {
		return nil
	}
	return &Invalid{Message: fmt.Sprintf("%q is neither an address nor a network", proxy), Hint: "write it like 10.0.0.1 or 10.0.0.0/8"}
}

// oneOf accepts the values, of which there are one or two.
func oneOf(values ...string) func(string) *Invalid {
	return func(value string) *Invalid {
		if slices.Contains(values, value) {
			return nil
		}
		return &Invalid{Message: fmt.Sprintf("there is no %q here", value), Hint: fmt.Sprintf("write %s, or leave it out", strings.Join(values, " or "))}
	}
}
