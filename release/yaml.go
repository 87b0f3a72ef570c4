package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML returns the mapping that data consists of, nil for none.
func parseYAML(data []byte, mode parser.Mode) (*ast.MappingNode, *Invalid) {
	if !utf8.Valid(data) {
		return nil, &Invalid{Line: firstNotUTF8(data), Message: "the file is not valid UTF-8"}
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\ufeff")), mode)
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		// Its Error would show the lines around, and with them secrets.
		invalid := &Invalid{Message: syntax.GetMessage()}
		if tk := syntax.GetToken(); tk != nil {
			invalid.at(tk.Position)
		}
		return nil, invalid
	}
	if err != nil {
		return nil, &Invalid{Message: err.Error()}
	}
	var root *ast.MappingNode
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
		case *ast.MappingNode:
			if root != nil {
				return nil, (&Invalid{Message: "there is a second document", Hint: "remove the line ---"}).at(position(body))
			}
			root = body
		default:
			return nil, (&Invalid{Message: "there are no settings", Hint: "write each one as KEY: VALUE"}).at(position(body))
		}
	}
	return root, nil
}

// firstNotUTF8 is the number of the first line that is not valid UTF-8.
func firstNotUTF8(data []byte) int {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if !utf8.Valid(line) {
			break
		}
	}
	return number
}

// places remembers where the values stand, by the keys that an *Invalid has.
type places map[string]*token.Position

// add remembers where node is.
func (p places) add(key string, node ast.Node) { p[key] = position(node) }

// position is where a node begins. The token of a block mapping is its first
// colon, which is not where a reader looks.
func position(node ast.Node) *token.Position {
	if mapping, ok := node.(*ast.MappingNode); ok && !mapping.IsFlowStyle && len(mapping.Values) > 0 {
		node = mapping.Values[0].Key
	}
	return node.GetToken().Position
}

// at fills in line and column.
func (e *Invalid) at(pos *token.Position) *Invalid {
	if pos != nil && e.Line == 0 {
		e.Line, e.Column = pos.Line, pos.Column
	}
	return e
}

// scalar returns the text of a node as it is written, "" for nothing at all.
func scalar(node ast.Node) (string, *Invalid) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, nil
	case *ast.LiteralNode:
		return node.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	case *ast.NullNode:
		return "", nil
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return "", &Invalid{Message: "a value cannot begin with *, & or !", Hint: "put it in quotes"}
	}
	return "", &Invalid{Message: "it is not one value", Hint: "write one value after the colon"}
}

// plain matches what YAML reads as it is written and scalar returns unchanged.
var plain = regexp.MustCompile(`^[A-Za-z0-9_/.][\w/.@+=,-]*(:[\w/.@+=,-]+)*( [\w/.@+=,-]+(:[\w/.@+=,-]+)*)*$`)

// quote writes a value, in quotes where it needs them. A JSON string is a YAML
// string.
func quote(value string) string {
	if plain.MatchString(value) && !strings.EqualFold(value, "null") {
		return value
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // a string is always encodable
	return strings.TrimSuffix(out.String(), "\n")
}
