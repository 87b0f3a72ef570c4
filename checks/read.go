package checks

import (
	"bytes"
	"unicode/utf8"

	"zdd/durable"
)

// ReadFile reads the file of checks at path, for Read: a regular file of at most
// MaxSize bytes. The error is a *fs.PathError.
func ReadFile(path string) ([]byte, error) { return durable.ReadRegular(path, MaxSize) }

// Read reads a file of checks in the format that its content has: an app.json
// begins with {, and all else is a CHECKS file. It never fails, see Parse.
func Read(name string, content []byte) (File, []Problem) {
	if IsAppJSON(content) {
		return ParseAppJSON(name, content)
	}
	begin, line := beginning(content)
	if begin != '[' && begin != '"' {
		return Parse(name, content)
	}
	return defaultFile(name), []Problem{{
		Line: line, Severity: SeverityError,
		Message:    "this looks like JSON, but an app.json begins with {",
		Suggestion: `{"healthchecks": {"web": [{"path": "/"}]}}`,
	}}
}

// IsAppJSON reports whether Read takes the content as an app.json.
func IsAppJSON(content []byte) bool {
	begin, _ := beginning(content)
	return begin == '{'
}

// beginning is the first character that is not white space, and its line; 0
// where there is none.
func beginning(content []byte) (first rune, line int) {
	content = bytes.TrimPrefix(content, byteOrderMark)
	text := bytes.TrimSpace(content)
	if len(text) == 0 {
		return 0, 0
	}
	first, _ = utf8.DecodeRune(text)
	return first, 1 + bytes.Count(content[:bytes.IndexByte(content, text[0])], []byte("\n"))
}

// defaultFile is a file that asks for the default.
func defaultFile(name string) File {
	file := Default()
	file.Source = name
	return file
}
