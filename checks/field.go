package checks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// String is the field as it is written.
func (f Field) String() string {
	if f.Want == "" {
		return "a field " + quote(f.Path)
	}
	return fmt.Sprintf("the field %s = %s", printable(f.Path, 60), printable(f.Want, 60))
}

// in says what stands in the body in place of the wanted value, and nothing
// when it is there.
func (f Field) in(body []byte) string {
	// gjson's own test of validity has no limit to its depth, nor to the stack
	// that it takes.
	if !json.Valid(body) {
		return "a body that is not JSON"
	}
	value := gjson.GetBytes(body, f.Path)
	switch {
	case !value.Exists():
		return f.siblings(gjson.ParseBytes(body))
	case f.Want == "" || f.equals(value):
		return ""
	default:
		return fmt.Sprintf("%s = %s", printable(f.Path, 60), printable(value.Raw, 60))
	}
}

// equals compares with a string in quotes as such, and with anything else as
// it is written.
func (f Field) equals(value gjson.Result) bool {
	if f.Want[0] == '"' && gjson.Valid(f.Want) {
		return value.Type == gjson.String && value.Str == gjson.Parse(f.Want).Str
	}
	return value.Raw == f.Want || value.String() == f.Want
}

// siblings names the fields that there are where the path leads nowhere.
func (f Field) siblings(root gjson.Result) string {
	within, place := root, ""
	for i, r := range f.Path {
		if r != '.' || i > 0 && f.Path[i-1] == '\\' {
			continue
		}
		inner := root.Get(f.Path[:i])
		if !inner.Exists() {
			break
		}
		within, place = inner, " in "+printable(f.Path[:i], 30)
	}
	if !within.IsObject() {
		return fmt.Sprintf("no such field%s, which is %s", place, printable(within.Raw, 60))
	}
	names := keys(within)
	if len(names) == 0 {
		return "no field at all" + place
	}
	return fmt.Sprintf("no such field%s, but %s", place, strings.Join(names, ", "))
}

// keys are the first names in an object, and an ellipsis if there are more.
func keys(object gjson.Result) []string {
	const shown = 6
	var names []string
	object.ForEach(func(key, _ gjson.Result) bool {
		if len(names) == shown {
			names[shown-1] += " …"
			return false
		}
		names = append(names, printable(key.Str, 30))
		return true
	})
	return names
}
