package renewer

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// part is the text of one tenant, a list of one item, and how many lines of the
// file stand before it.
type part struct {
	text   []byte
	before int
}

// splitTenants cuts a file apart at its tenants, so that only one of them at a
// time stands in memory as YAML nodes, which take ten times what their text does.
// rest is the file with an empty list in their place, in line, counted from 1. It
// goes by the lines alone: whoever reads the parts makes sure that each is one
// tenant, and otherwise reads the file as a whole. No parts: that is how it has to
// be read.
func splitTenants(text []byte) (rest []byte, parts []part, line int) {
	const key = keyTenants + ":"
	var begun int // where the part under way begins
	indent, at := -1, 0
	end := func(to int) {
		if len(parts) > 0 {
			parts[len(parts)-1].text = text[begun:to]
		}
	}
	for n := 1; at < len(text); n++ {
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		row := bytes.TrimRight(text[at:next], " \r\n")
		item := bytes.TrimLeft(row, " ")
		depth := len(row) - len(item)
		starts := len(item) > 0 && item[0] == '-' && (len(item) == 1 || item[1] == ' ')
		switch {
		case line == 0:
			if value, is := bytes.CutPrefix(row, []byte(key)); is && (len(value) == 0 || value[0] == ' ' && blank(bytes.TrimLeft(value, " "))) {
				line = n
				rest = append(append(rest, key...), " []\n"...)
			} else {
				rest = append(rest, text[at:next]...)
			}
		case blank(item):
			rest = append(rest, '\n')
		case starts && (indent < 0 || depth == indent):
			end(at)
			indent, begun = depth, at
			parts = append(parts, part{before: n - 1})
			rest = append(rest, '\n')
		case indent < 0 || depth == 0:
			end(at)
			return append(rest, text[at:]...), parts, line
		default:
			rest = append(rest, '\n')
		}
		at = next
	}
	end(len(text))
	return rest, parts, line
}

// plainLines reports whether text has lines that end as we think they do, and no
// directives, which hold for the whole of it.
func plainLines(text []byte) bool {
	for i, c := range text {
		switch {
		case c == 0, c == '\r' && (i+1 == len(text) || text[i+1] != '\n'), c == '%' && (i == 0 || text[i-1] == '\n'):
			return false
		}
	}
	// To YAML these end lines, too: NEL, LS and PS.
	return !bytes.Contains(text, []byte("\u0085")) && !bytes.Contains(text, []byte("\u2028")) && !bytes.Contains(text, []byte("\u2029"))
}

// refers reports whether anything in n refers to an anchor, which may have been
// defined anew in a part.
func refers(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, refers)
}

// blank reports whether a line, less its indentation, says nothing.
func blank(row []byte) bool { return len(row) == 0 || row[0] == '#' }

// onlyDocument returns the root of the one YAML document that text is; nil if it
// is anything else.
func onlyDocument(text []byte) *yaml.Node {
	var whole, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if d.Decode(&whole) != nil || !errors.Is(d.Decode(&more), io.EOF) {
		return nil
	}
	return whole.Content[0]
}

// tenant returns the node of the one tenant that the part is; nil if it is
// anything else.
func (p part) tenant() *yaml.Node {
	list := onlyDocument(p.text)
	if list == nil || list.Kind != yaml.SequenceNode || list.Style == yaml.FlowStyle || len(list.Content) != 1 {
		return nil
	}
	moveLines(list, p.before)
	return resolve(list.Content[0])
}

// moveLines adds to the line of each node.
func moveLines(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		moveLines(c, by)
	}
}
