package renewer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"meetbridge/bridge"
)

// loader reads one file of desired subscriptions. It follows the nodes of the
// YAML text itself, so that every fault has a line, and only as deep as the
// format goes, so that no alias can make it grow.
type loader struct {
	file    string
	now     time.Time
	catalog *catalog
	wanted  Wanted
	faults  []Fault
	nodes   int // looked at

	certificates map[string]*certificateFile
	keys         map[Key]int32 // lines
	places       map[place]request
	tenants      map[string]int // lines
	counts       map[string]int // subscriptions of each tenant
}

func newLoader(path string, now time.Time) *loader {
	return &loader{
		file: path, now: now, catalog: newCatalog(),
		certificates: map[string]*certificateFile{}, places: map[place]request{}, keys: map[Key]int32{},
		tenants: map[string]int{}, counts: map[string]int{},
	}
}

// request is where something was asked for.
type request struct {
	line int32
	at   int32 // index in Wanted.Subscriptions
}

// fault notes what is wrong at n.
func (l *loader) fault(n *yaml.Node, fix, format string, args ...any) {
	l.faults = append(l.faults, Fault{File: l.file, Line: n.Line, Problem: fmt.Sprintf(format, args...), Fix: fix})
}

func (l *loader) warn(n *yaml.Node, fix, format string, args ...any) {
	l.fault(n, fix, format, args...)
	l.faults[len(l.faults)-1].Warning = true
}

// apart reads a file one tenant after the other, and reports whether that could
// be done. If not, what was found so far means nothing.
func (l *loader) apart(text []byte) bool {
	if !plainLines(text) {
		return false
	}
	rest, parts, line := splitTenants(text)
	if len(parts) == 0 {
		return false
	}
	root := onlyDocument(rest)
	if root == nil || root.Style&yaml.FlowStyle != 0 || refers(root) {
		return false
	}
	tenants, defaults := l.top(root)
	if tenants == nil || tenants.Line != line || len(tenants.Content) > 0 {
		return false
	}
	read := 0
	for _, p := range parts {
		read += len(p.text)
		t := p.tenant()
		if t == nil {
			return false
		}
		if !l.look(t) {
			break
		}
		l.tenant(t, defaults)
		// Copied again and again as it grows, the list would take three times its room:
		// it is made as long as it will be if the tenants are all alike.
		if n := len(l.wanted.Subscriptions); n > 0 {
			expected := n + n*(len(text)-read)/read*65/64
			l.wanted.Subscriptions = slices.Grow(l.wanted.Subscriptions, max(0, min(expected, maxSubscriptions)-n))
		}
	}
	return true
}

// document reads the whole file at once.
func (l *loader) document(text []byte) {
	whole := &yaml.Node{}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		l.fault(&yaml.Node{Line: 1 + bytes.Count(text[:i], []byte("\n"))}, "write it anew as UTF-8 text", "it holds a NUL byte, so it is no YAML")
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(whole)
	switch {
	case errors.Is(err, io.EOF) || err == nil && resolve(whole.Content[0]).Tag == "!!null":
		l.fault(&yaml.Node{}, "write tenants: with a list of tenants, or tenants: [] to desire nothing", "it is empty")
		return
	case err != nil:
		l.syntax(err, text)
		return
	}
	var more yaml.Node
	if err := d.Decode(&more); err == nil {
		l.fault(&more, "write all into one", "there is a second YAML document")
		return
	} else if !errors.Is(err, io.EOF) {
		l.syntax(err, text)
		return
	}
	tenants, defaults := l.top(resolve(whole.Content[0]))
	if tenants == nil {
		return
	}
	for _, t := range l.sequence(tenants) {
		l.tenant(t, defaults)
	}
}

// syntax notes an error of the YAML parser, which says the line in words.
func (l *loader) syntax(err error, text []byte) {
	what, line, fix := strings.TrimPrefix(err.Error(), "yaml: "), 0, "mend the YAML"
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = what[len(m[0]):]
	}
	if strings.Contains(what, "cannot start any token") && bytes.Contains(text, []byte("\t")) {
		fix = "indent with spaces: YAML allows no tabs"
	}
	l.fault(&yaml.Node{Line: line}, fix, "%.200s", what)
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// look counts a node that is about to be read, and reports whether it may be: not
// when there are too many, nor when nearly everything is wrong.
func (l *loader) look(n *yaml.Node) bool {
	l.nodes++
	if l.nodes == maxDesiredNodes {
		l.fault(n, "write fewer, or use the short forms", "there are more than %d values, aliases followed", maxDesiredNodes)
	}
	return l.nodes < maxDesiredNodes && len(l.faults) < 10*maxFaults
}

// mapping returns the values of a mapping by key, each checked to be one of
// known. what says what n is, for people.
func (l *loader) mapping(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		l.fault(n, "write a mapping of "+list(known), "%s is %s", what, kindOfNode(n))
		return nil
	}
	values := make(map[string]*yaml.Node, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if !l.look(key) {
			break
		}
		switch {
		case lines[key.Value] > 0:
			l.fault(key, "remove one of them", "%.60q stands in line %d already", key.Value, lines[key.Value])
		case key.Value == "<<":
			l.fault(key, "put what is common under defaults: at the top", "merging is not supported")
		case !slices.Contains(known, key.Value):
			fix := "known are " + list(known)
			if n := bridge.Nearest(short(key.Value), known); n != "" {
				fix = fmt.Sprintf("did you mean %q?", n)
			}
			l.fault(key, fix, "%s has no key %.60q", what, key.Value)
		case value.Tag != "!!null":
			values[key.Value] = value
		}
		lines[key.Value] = key.Line
	}
	return values
}

// sequence returns the items of a list; a single value counts as a list of one.
func (l *loader) sequence(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	items := make([]*yaml.Node, 0, len(n.Content))
	for _, item := range n.Content {
		if item == nil { // read before, within a tenant that stands there twice
			continue
		}
		if !l.look(item) {
			break
		}
		items = append(items, resolve(item))
	}
	return items
}

// text returns the text of a scalar.
func (l *loader) text(n *yaml.Node, key string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		l.fault(n, "write one text", "%s is %s", key, kindOfNode(n))
		return "", false
	}
	if strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		l.fault(n, "write it on one line", "%s holds a control character", key)
		return "", false
	}
	return n.Value, true
}

func (l *loader) boolean(n *yaml.Node, key string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		l.fault(n, "write true or false", "%s is %s", key, kindOfNode(n))
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// count reads how many subscriptions something is said of.
func (l *loader) count(n *yaml.Node, key string) int {
	text, ok := l.text(n, key)
	if !ok {
		return 0
	}
	count, err := strconv.Atoi(text)
	if err != nil || n.Tag != "!!int" || count < 0 || count > maxSubscriptions {
		l.fault(n, fmt.Sprintf("write a number of subscriptions, up to %d", maxSubscriptions), "%s is %.40q", key, text)
		return 0
	}
	return count
}

// duration reads a length of time: Go's spelling, with d for days.
func (l *loader) duration(n *yaml.Node, key string) (time.Duration, bool) {
	text, ok := l.text(n, key)
	if !ok {
		return 0, false
	}
	var (
		whole float64
		d     time.Duration
		err   error
	)
	head, rest, found := strings.Cut(strings.ReplaceAll(text, " ", ""), "d")
	if found {
		whole, err = strconv.ParseFloat(head, 64)
	} else {
		rest = head
	}
	if err == nil && rest != "" {
		d, err = time.ParseDuration(rest)
	}
	inRange := whole >= 0 && whole <= 1000 // NaN is not
	if d += time.Duration(whole * float64(24*time.Hour)); err != nil || !inRange || d <= 0 {
		l.fault(n, "write a number with its unit, as 3d, 12h or 90m", "%s is %.40q", key, text)
		return 0, false
	}
	return d, true
}

// kindOfNode says what a node is, for people.
func kindOfNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	default:
		return fmt.Sprintf("%.60q", n.Value)
	}
}

func list(words []string) string { return strings.Join(words, ", ") }

// short bounds what is compared with known words.
func short(s string) string { return s[:min(len(s), 64)] }
