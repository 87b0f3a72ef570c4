package release

import (
	"bytes"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"zdd/durable"
)

var validEnvKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ReadEnvFile reads the environment variables of the file at path, as the
// --env-file of the docker command line does: one KEY=VALUE a line, blanks
// before the KEY ignored, the VALUE taken as it stands to the end of the line,
// with its quotes, blanks, # and $. Empty lines and lines that begin with #
// are skipped, a byte order mark and carriage returns at the line ends are
// tolerated, and the last of several equal keys wins.
//
// Unlike docker's, a KEY without = is an error: the environment of the command
// that deploys is not the app's. Errors are of type *Invalid and never show
// what a line holds.
func ReadEnvFile(path string) (map[string]string, error) {
	data, err := durable.ReadRegular(path, durable.MaxUserFile)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err // the path is in File already
		}
		return nil, &Invalid{File: path, Key: "env_file", Message: "reading the env file: " + err.Error(), Hint: "give the path of a regular file that can be read, of at most 4 MiB"}
	}
	vars, err := parseEnv(data)
	var invalid *Invalid
	if errors.As(err, &invalid) {
		invalid.File, invalid.Key = path, "env_file"
	}
	return vars, err
}

func parseEnv(data []byte) (map[string]string, error) {
	vars := map[string]string{}
	number := 0
	for raw := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, assigned := strings.Cut(line, "=")
		if problem, hint := envProblem(key, value, assigned); problem != "" {
			return nil, &Invalid{Line: number, Message: problem, Hint: hint}
		}
		vars[key] = value
	}
	return vars, nil
}

// envProblem says what is wrong with a line, without showing any of it: a line
// that is not understood may be the second half of a secret.
func envProblem(key, value string, assigned bool) (problem, hint string) {
	switch {
	case strings.HasPrefix(key, "export "):
		return "a line begins with export", "write KEY=VALUE alone; the file is not a shell script"
	case !assigned:
		return "a line has no =", "write KEY=VALUE; values of several lines cannot stand in an env file"
	case !validEnvKey.MatchString(key):
		return "the name before = is not that of a variable", "use letters, digits and _ only, no digit first, and no blank before ="
	}
	if problem := valueProblem(value); problem != "" {
		return problem, ""
	}
	return "", ""
}

// valueProblem says why value cannot be that of a variable, without showing
// it; "" if it can.
func valueProblem(value string) string {
	switch {
	case strings.ContainsRune(value, 0):
		return "a value contains a zero byte"
	case !utf8.ValidString(value):
		// JSON would silently change it.
		return "a value is not valid UTF-8"
	}
	return ""
}
