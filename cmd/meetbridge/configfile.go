package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is a YAML mapping from flag names to values. Below the name of a
// command stands a mapping of the same kind for that command alone, which goes
// before what stands further out. A command with the tag reads:"NAME,…" takes the
// settings of those: what stands below their names comes in between, the last
// one's first.
type configFile struct {
	path string
	root *yaml.Node // a mapping, checked; nil for an empty file
}

// readConfigFile reads path and checks every key against the grammar below
// root. Its error names file and line of each key that nothing has.
func readConfigFile(path string, root *kong.Node) (*configFile, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read --config: %w", err)
	}
	defer r.Close()
	return decodeConfigFile(r, path, root)
}

// decodeConfigFile is readConfigFile for a file that is open already.
func decodeConfigFile(r io.Reader, path string, root *kong.Node) (*configFile, error) {
	c := &configFile{path: path}
	d := yaml.NewDecoder(r)
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", path)
	}
	top := resolveAlias(doc.Content[0])
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return c, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: must be a mapping from flag names to values", path, top.Line)
	}
	c.root = top
	return c, errors.Join(c.check(top, root, 0)...)
}

// maxNesting bounds how deep check follows the file: no command lies deeper,
// and an alias may point at what holds it.
const maxNesting = 8

// check returns an error for each key of m that is neither a flag of n, of what
// lies below it or of the program, nor a command of n.
func (c *configFile) check(m *yaml.Node, n *kong.Node, depth int) []error {
	flags, commands := names(n)
	var errs []error
	seen := map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], resolveAlias(m.Content[i+1])
		where := fmt.Sprintf("%s:%d", c.path, key.Line)
		if first, twice := seen[key.Value]; twice {
			errs = append(errs, fmt.Errorf("%s: %q stands in line %d already", where, key.Value, first))
			continue
		}
		seen[key.Value] = key.Line
		switch {
		case key.Value == "config":
			errs = append(errs, fmt.Errorf("%s: a config file cannot name another one", where))
		case slices.Contains(commands, key.Value):
			if value.Kind != yaml.MappingNode || depth == maxNesting {
				errs = append(errs, fmt.Errorf("%s: below the command %q must stand a mapping of its flags", where, key.Value))
				continue
			}
			errs = append(errs, c.check(value, child(n, key.Value), depth+1)...)
		case !slices.Contains(flags, key.Value):
			errs = append(errs, fmt.Errorf("%s: unknown key %q%s", where, key.Value, didYouMean(key.Value, append(flags, commands...))))
		case !isValue(value):
			errs = append(errs, fmt.Errorf("%s: %q must be a single value or a list of single values", where, key.Value))
		}
	}
	return errs
}

// lookup returns the text for flag when the command selected runs, and
// "file:line" of it. Null counts as not there.
func (c *configFile) lookup(selected *kong.Node, flag *kong.Flag) (text, where string, ok bool) {
	for _, m := range c.mappings(selected) {
		v := member(m, flag.Name)
		if v == nil || v.Tag == "!!null" {
			continue
		}
		where, ok = fmt.Sprintf("%s:%d", c.path, v.Line), true
		text = v.Value
		if v.Kind == yaml.SequenceNode {
			items := make([]string, len(v.Content))
			for i, item := range v.Content {
				items[i] = resolveAlias(item).Value
			}
			text = kong.JoinEscaped(items, ',')
		}
	}
	return text, where, ok
}

// mappings returns what may set a flag of the command selected; the later go
// before the earlier.
func (c *configFile) mappings(selected *kong.Node) []*yaml.Node {
	all := []*yaml.Node{c.root}
	for n := selected; n != nil; n = n.Parent {
		if n.Tag == nil {
			continue
		}
		for _, other := range strings.Split(n.Tag.Get("reads"), ",") {
			all = append(all, member(c.root, other))
		}
	}
	m := c.root
	for _, name := range commandPath(selected) {
		m = member(m, name)
		all = append(all, m)
	}
	return all
}

// member returns the value of the key in the mapping m, nil if there is none.
func member(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return resolveAlias(m.Content[i+1])
		}
	}
	return nil
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isValue reports whether n is a scalar or a list of scalars.
func isValue(n *yaml.Node) bool {
	if n.Kind == yaml.SequenceNode {
		return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return resolveAlias(c).Kind != yaml.ScalarNode })
	}
	return n.Kind == yaml.ScalarNode
}

// names returns the flags that may stand in the mapping of n, and its commands.
func names(n *kong.Node) (flags, commands []string) {
	for _, f := range settable(n) {
		flags = append(flags, f.Name)
	}
	for p := n.Parent; p != nil; p = p.Parent {
		for _, f := range p.Flags {
			if isSettable(f) {
				flags = append(flags, f.Name)
			}
		}
	}
	for _, c := range n.Children {
		commands = append(commands, c.Name)
	}
	return flags, commands
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// commandPath returns the names of the commands that lead to n.
func commandPath(n *kong.Node) []string {
	if n == nil {
		return nil
	}
	return strings.Fields(n.Path())
}
