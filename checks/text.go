package checks

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is s made safe for a terminal and cut to limit runes: what is not
// graphic is escaped.
func printable(s string, limit int) string {
	var b strings.Builder
	for count := 0; len(s) > 0; count++ {
		if count == limit {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

// quote is s in quotes, safe and short.
func quote(s string) string {
	return `"` + printable(s, 60) + `"`
}
