package release

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// indent is that of what stands below a key.
const indent = "  "

// rewrite returns the content of app.yaml that says what wanted says, and
// otherwise looks like former, which says what there says. It edits lines
// rather than to print the syntax tree anew, for that keeps every byte of the
// lines that do not change. What it made is read again; where the edit of a
// strange file does not say what is wanted, the file is written anew.
func rewrite(former []byte, there, wanted Settings) ([]byte, error) {
	for _, data := range [][]byte{edited(former, there, wanted), printed(wanted)} {
		if read, invalid := parseSettings(data); invalid == nil && reflect.DeepEqual(read, wanted) {
			return data, nil
		}
	}
	return nil, errors.New("these settings cannot be written as YAML")
}

// printed is a whole new app.yaml.
func printed(s Settings) []byte {
	var out strings.Builder
	for _, setting := range s.all() {
		if value := setting.value.write(indent); value != "" {
			out.WriteString(setting.key + ":" + value + "\n")
		}
	}
	return []byte(out.String())
}

// A change sets the lines of a key; value is as kind.write returns it, "" to
// drop the key.
type change struct {
	key, value string
	inner      []change // of what stands below the key, where that is enough
}

// changes lists what differs between two settings.
func changes(there, wanted Settings) []change {
	var list []change
	after := wanted.all()
	for i, before := range there.all() {
		value := after[i].value.write(indent)
		if value == before.value.write(indent) {
			continue
		}
		changed := change{key: before.key, value: value}
		if before.key == "env" && value != "" {
			changed.inner = envChanges(there.Env, wanted.Env)
		}
		list = append(list, changed)
	}
	return list
}

func envChanges(there, wanted Env) []change {
	var list []change
	for _, name := range there.sortedKeys() {
		if _, stays := wanted[name]; !stays {
			list = append(list, change{key: name})
		}
	}
	for _, name := range wanted.sortedKeys() {
		if value, known := there[name]; !known || value != wanted[name] {
			list = append(list, change{key: name, value: " " + quote(wanted[name])})
		}
	}
	return list
}

// edited applies the differences to the lines of the file, nil where the file
// has no lines for them.
func edited(former []byte, there, wanted Settings) []byte {
	root, invalid := parseYAML(former, parser.ParseComments)
	if invalid != nil || root != nil && root.IsFlowStyle {
		return nil
	}
	text := strings.TrimPrefix(string(former), "\ufeff")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	doc := document{lines: slices.Collect(strings.Lines(text))}
	if root == nil {
		root = &ast.MappingNode{}
	}
	doc.apply(root, changes(there, wanted), "", len(doc.lines))
	return []byte(strings.Join(doc.lines, ""))
}

// A document is a file as lines, each with its end. An edit replaces one line
// by several, or by nothing, so that the numbers of the others stay.
type document struct {
	lines []string
}

// apply edits the lines of a mapping, which ends before line end and whose keys
// are indented by margin. New keys go to its end.
func (d *document) apply(mapping *ast.MappingNode, changes []change, margin string, end int) {
	added := ""
	for _, change := range changes {
		i := slices.IndexFunc(mapping.Values, func(entry *ast.MappingValueNode) bool {
			return entry.Key.GetToken().Value == change.key
		})
		if i < 0 {
			if change.value != "" {
				added += margin + change.key + ":" + change.value + "\n"
			}
			continue
		}
		first := line(mapping.Values[i])
		last := end
		if i+1 < len(mapping.Values) {
			last = line(mapping.Values[i+1])
		}
		d.change(mapping.Values[i], change, margin, first, d.contentEnd(first, last))
	}
	if added != "" {
		d.insert(end, added)
	}
}

// change edits the lines of one entry, from its key to before end.
func (d *document) change(entry *ast.MappingValueNode, change change, margin string, first, end int) {
	below, ok := entry.Value.(*ast.MappingNode)
	if change.inner != nil && ok && !below.IsFlowStyle && len(below.Values) > 0 {
		key := below.Values[0].Key.GetToken().Position
		d.apply(below, change.inner, strings.Repeat(" ", key.Column-1), end)
		return
	}
	text := ""
	if change.value != "" {
		text = margin + change.key + ":" + withComment(change.value, entry) + "\n"
	}
	d.lines[first] = text
	for i := first + 1; i < end; i++ {
		d.lines[i] = ""
	}
}

// insert puts text before line i.
func (d *document) insert(i int, text string) {
	if i == 0 {
		d.lines = append([]string{text}, d.lines...)
		return
	}
	d.lines[i-1] += text
}

// contentEnd is the line after the last one between first and end that is not
// blank and not a comment that may belong to what follows.
func (d *document) contentEnd(first, end int) int {
	for end > first+1 {
		text := strings.TrimSpace(d.lines[end-1])
		if text != "" && text[0] != '#' {
			break
		}
		end--
	}
	return end
}

// withComment adds the comment at the end of the entry's first line, if there
// is one, to that of the new value.
func withComment(value string, entry *ast.MappingValueNode) string {
	first, rest, several := strings.Cut(value, "\n")
	for _, group := range []*ast.CommentGroupNode{entry.Value.GetComment(), entry.Key.GetComment()} {
		if group != nil && group.GetToken().Position.Line == entry.Key.GetToken().Position.Line {
			first += " " + group.String()
			break
		}
	}
	if several {
		return first + "\n" + rest
	}
	return first
}

// line is the index of the line on which the entry begins.
func line(entry *ast.MappingValueNode) int { return entry.Key.GetToken().Position.Line - 1 }
