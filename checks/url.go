package checks

import (
	"fmt"
	"net/url"
	"strings"
)

// parseURL reads the first word of a check. Its fragment is dropped: no client
// sends one.
func parseURL(word string) (Check, error) {
	check := Check{Scheme: "http"}
	rest := word
	if scheme, after, found := strings.Cut(word, ":"); found && (scheme == "http" || scheme == "https") {
		check.Scheme, rest = scheme, after
	}
	u, err := url.Parse(rest)
	if err != nil {
		return Check{}, fmt.Errorf("%s cannot be requested: %w", quote(word), reason(err))
	}
	if strings.HasPrefix(rest, "//") && u.Hostname() == "" {
		return Check{}, fmt.Errorf("%s has no host after //", quote(word))
	}
	if u.User != nil {
		return Check{}, fmt.Errorf("%s contains a user name: credentials are not supported", quote(word))
	}
	if !validHost(u.Host) {
		return Check{}, fmt.Errorf("%s is not a host name", quote(u.Host))
	}
	check.Host = u.Host
	check.Path = requestPath(u)
	return check, nil
}

// requestPath is the path and query of u as they are put into a request.
func requestPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	return path
}

// validHost keeps out what would break the Host header; the empty host is the
// target's own.
func validHost(host string) bool {
	for _, r := range host {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`"'<>\^{}|,;()*&$!`, r) || r == '`' {
			return false
		}
	}
	return true
}

// reason unwraps the url package's error, which repeats the URL.
func reason(err error) error {
	if inner, ok := err.(*url.Error); ok {
		return inner.Err
	}
	return err
}
