package renewer

import (
	"strings"

	"meetbridge/bridge"
)

// catalog finds the resource that a path names.
type catalog struct{ entries []entry }

type entry struct {
	resource
	segments []string
}

func newCatalog() *catalog {
	c := &catalog{}
	for _, r := range resources() {
		c.entries = append(c.entries, entry{r, segmentsOf(r.path)})
	}
	return c
}

// find returns the resource that path names and its canonical spelling: without
// leading and trailing slash, keys as segments, fixed segments as Graph spells
// them; ids, keys with a name and the query stay as they are.
func (c *catalog) find(path string) (r resource, canonical string, ok bool) {
	path, query := splitQuery(path)
	segments := segmentsOf(path)
	for i := range c.entries {
		e := &c.entries[i]
		if canonical, ok := e.match(segments); ok {
			if query != "" {
				canonical += "?" + query
			}
			return e.resource, canonical, true
		}
	}
	return resource{}, "", false
}

// match compares segment by segment and returns the canonical path.
func (e *entry) match(segments []string) (string, bool) {
	if len(segments) != len(e.segments) {
		return "", false
	}
	var b strings.Builder
	for i, want := range e.segments {
		got := segments[i]
		switch {
		case strings.EqualFold(want, got):
			got = want
		case want[0] == '{':
			if got == "" || strings.HasPrefix(strings.ToLower(got), "get") || strings.ContainsAny(got, "(){} ") {
				return "", false
			}
		case want[0] == '(':
			var ok bool
			if got, ok = argument(want, got); !ok {
				return "", false
			}
		default:
			return "", false
		}
		if i > 0 && got[0] != '(' {
			b.WriteByte('/')
		}
		b.WriteString(got)
	}
	return b.String(), true
}

// argument compares an argument in parentheses to its pattern: what stands in
// braces there may be anything but nothing.
func argument(pattern, got string) (string, bool) {
	head, tail, _ := strings.Cut(pattern, "{")
	_, tail, _ = strings.Cut(tail, "}")
	if len(got) <= len(head)+len(tail) || !strings.EqualFold(got[:len(head)], head) || !strings.HasSuffix(got, tail) {
		return "", false
	}
	inner := got[len(head) : len(got)-len(tail)]
	if strings.ContainsAny(inner, "{}()") || tail == "')" && strings.Contains(inner, "'") {
		return "", false
	}
	return head + inner + tail, true
}

// segmentsOf splits a path at the slashes outside of quotes. A key without a
// name, ('id') or (id), is a segment of its own as /id is; an argument with a
// name stands there with its parentheses.
func segmentsOf(path string) []string {
	var segments []string
	for part := range splitUnquoted(strings.Trim(path, "/")) {
		name, key, has := strings.Cut(part, "(")
		if !has || name == "" || !strings.HasSuffix(key, ")") {
			segments = append(segments, part)
			continue
		}
		segments = append(segments, name)
		if inner := strings.TrimSuffix(key, ")"); strings.Contains(inner, "='") || strings.Contains(inner, "=[") {
			segments = append(segments, "("+key)
		} else {
			segments = append(segments, strings.ReplaceAll(unquote(inner), "''", "'"))
		}
	}
	return segments
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return s[1 : len(s)-1]
	}
	return s
}

// splitUnquoted ranges over the parts of path between slashes outside of quotes.
func splitUnquoted(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := range len(path) {
			switch {
			case path[i] == '\'':
				quoted = !quoted
			case path[i] == '/' && !quoted:
				if !yield(path[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(path[start:])
	}
}

// splitQuery cuts the query off, at the first question mark outside of quotes.
func splitQuery(path string) (head, query string) {
	quoted := false
	for i := range len(path) {
		switch {
		case path[i] == '\'':
			quoted = !quoted
		case path[i] == '?' && !quoted:
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

// nearest returns the path of the catalog that is most like an unknown one: with
// ids in the places of theirs, the fewest slips.
func (c *catalog) nearest(path string) string {
	path, _ = splitQuery(path)
	segments := segmentsOf(path)
	best, found := 0, ""
	for i := range c.entries {
		e := &c.entries[i]
		if len(e.segments) != len(segments) {
			continue
		}
		cost, fits := 0, true
		for j, want := range e.segments {
			if want[0] == '{' || want[0] == '(' {
				cost += 3 // what is nearly a word is rather that word
				continue
			}
			d := bridge.Slips(strings.ToLower(want), strings.ToLower(segments[j]))
			if d > len(want)/2 {
				fits = false
			}
			cost += d
		}
		if fits && (found == "" || cost < best) {
			best, found = cost, e.path
		}
	}
	return found
}
