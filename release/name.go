package release

import (
	"regexp"
	"strings"
)

// longestName is that of an app's name, in bytes. It leaves room in what the
// name becomes part of: container names, nginx upstreams, one label of a
// hostname (63).
const longestName = 40

var (
	validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	notOfName = regexp.MustCompile(`[^a-z0-9]+`)
)

// checkName returns an *InvalidName unless an app may be called name.
func checkName(name string) error {
	// $ matches before a final line feed in other languages, not in Go; the
	// name goes into paths and nginx's syntax, so the tests hold that.
	if validName.MatchString(name) {
		return nil
	}
	suggestion := strings.Trim(notOfName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(suggestion) > longestName {
		suggestion = strings.TrimRight(suggestion[:longestName], "-")
	}
	return &InvalidName{Name: name, Suggestion: suggestion}
}
