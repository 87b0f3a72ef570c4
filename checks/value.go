package checks

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"
)

// onlyHTTP refuses an option that says something about requests of a check
// that makes none.
func onlyHTTP(option string, c *Check) error {
	if c.Kind != KindHTTP {
		return fmt.Errorf("%s is for a check of a URL, not for one of kind %s", option, c.Kind)
	}
	return nil
}

// commandLine splits a command as a shell does. No shell runs it.
func commandLine(what, text string) ([]string, error) {
	words, err := shellquote.Split(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", what, quote(text), err)
	case len(words) == 0:
		return nil, fmt.Errorf("%s wants a command", what)
	}
	return words, nil
}

// maxPath limits the path of a JSON field, in bytes.
const maxPath = 200

// plainPath refuses what is more than names and indexes with dots between them.
// The library knows queries, modifiers and joins as well, with which a body of
// a kilobyte becomes one of gigabytes.
func plainPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path of a field is longer than %d bytes", maxPath)
	}
	escaped := false
	for i, c := range path {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case strings.ContainsRune("|@[]{}()#*?!<>%~", c) || c == '.' && strings.HasPrefix(path[i+1:], "."):
			return fmt.Errorf("%s in the path %s: write names and indexes with dots between them, and \\ before any other character", quote(string(c)), quote(path))
		}
	}
	return nil
}

// wholeSeconds reads a number from least to MaxSetting.
func wholeSeconds(what, text string, least int) (time.Duration, error) {
	value, err := strconv.Atoi(text)
	if err != nil || value < least || value > MaxSetting {
		return 0, fmt.Errorf("%s wants a whole number from %d to %d, not %s", what, least, MaxSetting, quote(text))
	}
	return time.Duration(value) * time.Second, nil
}

// firstWord splits the text at its first white space.
func firstWord(text string) (word, rest string) {
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// webhook refuses what nothing can be posted to.
func webhook(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%s is no URL of http or https", quote(text))
	}
	return nil
}
