package graphsim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxResource bounds the text of a resource. Graph documents no limit.
const maxResource = 4 << 10

// resourceKey identifies a resource however its path is spelled: a hash of the
// canonical path and filter, so that an index over many costs little.
type resourceKey [16]byte

// resource is what a subscription watches.
type resource struct {
	kind   *resourceKind
	path   string // canonical: lower case, slashes only, a function's argument as a segment
	filter *filter
	ids    []string // of the path, lower case
}

// filter is the part of a query that decides which changes are told: those
// whose facet is one of values (a presence's user, an installation's scope, an
// organizer).
type filter struct {
	values []string // lower case
}

// lets reports whether a change with facet passes; f may be nil.
func (f *filter) lets(facet string) bool {
	if f == nil {
		return true
	}
	for _, v := range f.values {
		if strings.EqualFold(v, facet) {
			return true
		}
	}
	return false
}

// equal reports whether f and other let the same through.
func (f *filter) equal(other *filter) bool {
	if f == nil || other == nil {
		return f == other
	}
	return slices.Equal(f.values, other.values)
}

// keyOf returns the key of a canonical path.
func keyOf(path string) resourceKey {
	sum := sha256.Sum256([]byte(path))
	return resourceKey(sum[:16])
}

// ResourceKey returns the canonical spelling of a subscription's resource, as
// Event.Covers has it: lower case, no slash in front, ids after slashes, the
// join URL of a meeting decoded once, no query and no organizers. It returns an
// error for what is no path.
func ResourceKey(text string) (string, error) {
	path, _ := cutOutside(text, '?')
	segments, _, err := segmentsOf(path)
	return strings.Join(segments, "/"), err
}

// Errors of parseResource; the texts go into answers.
var (
	errResource = errors.New("graphsim: resource not supported")
	errQuery    = errors.New("graphsim: query not supported")
)

// parse reads a resource as subscribed: slashes or key style, any case, a
// leading slash or none, an ignored ?model=.
func (c catalog) parse(text string) (resource, error) {
	var r resource
	if text == "" || len(text) > maxResource {
		return r, fmt.Errorf("%w: %d bytes", errResource, len(text))
	}
	path, query := cutOutside(text, '?')
	segments, organizers, err := segmentsOf(path)
	if err != nil {
		return r, err
	}
	if r.kind, r.ids = c.find(segments); r.kind == nil {
		return r, fmt.Errorf("%w: no such path", errResource)
	}
	if r.kind.list {
		if r.filter, err = listOf(organizers); err != nil {
			return r, err
		}
	}
	r.path = strings.Join(segments, "/")
	if query != "" {
		err = r.readQuery(query)
	}
	return r, err
}

// segmentsOf splits a path at its slashes and takes ids out of their
// parentheses: chats('19:x')/messages is chats, 19:x, messages. Slashes between
// quotes do not count. The value of organizerIds is no id: it is returned apart.
func segmentsOf(path string) (segments []string, organizers string, err error) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	for path != "" {
		var part string
		part, path = cutOutside(path, '/')
		name, rest, keyed := strings.Cut(part, "(")
		if name == "" || len(segments) > 12 {
			return nil, "", fmt.Errorf("%w: empty segment, or too many", errResource)
		}
		segments = append(segments, strings.ToLower(name))
		if !keyed {
			continue
		}
		if !strings.HasSuffix(rest, ")") {
			return nil, "", fmt.Errorf("%w: unclosed parenthesis", errResource)
		}
		rest = rest[:len(rest)-1]
		if name, value, ok := strings.Cut(rest, "="); ok && strings.EqualFold(name, "organizerIds") {
			organizers = value
			continue
		}
		id, err := argument(rest)
		if err != nil {
			return nil, "", err
		}
		segments = append(segments, strings.ToLower(id))
	}
	if len(segments) == 0 {
		return nil, "", fmt.Errorf("%w: empty path", errResource)
	}
	return segments, organizers, nil
}

// cutOutside cuts s around the first sep that stands between no quotes and in
// no parentheses.
func cutOutside(s string, sep byte) (before, after string) {
	quoted, depth := false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sep && depth <= 0:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// argument returns what stands between parentheses: a quoted or bare id, or the
// value of joinWebUrl, decoded once (FACTS §5.1).
func argument(text string) (string, error) {
	name, value, named := strings.Cut(text, "=")
	if named && strings.EqualFold(name, "joinWebUrl") {
		decoded, err := url.PathUnescape(unquote(value))
		if err != nil {
			return "", fmt.Errorf("%w: joinWebUrl is badly encoded", errResource)
		}
		return decoded, nil
	}
	id := unquote(text)
	if id == "" {
		return "", fmt.Errorf("%w: empty id", errResource)
	}
	return id, nil
}

// unquote takes OData's quotes off: a quote inside is doubled.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}

// listOf reads ['a','b'] or ('a','b').
func listOf(text string) (*filter, error) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || !strings.ContainsAny(text[:1], "[(") || !strings.ContainsAny(text[len(text)-1:], "])") {
		return nil, fmt.Errorf("%w: not a list", errQuery)
	}
	f := &filter{}
	for part := range strings.SplitSeq(text[1:len(text)-1], ",") {
		v := strings.ToLower(unquote(strings.TrimSpace(part)))
		if v == "" || len(f.values) == maxListed {
			return nil, fmt.Errorf("%w: empty value, or more than %d", errQuery, maxListed)
		}
		f.values = append(f.values, v)
	}
	return f, nil
}

// maxListed is how many users a presence subscription may name (FACTS §4.4);
// other lists take the same bound.
const maxListed = 650

// readQuery reads what stands after the question mark.
func (r *resource) readQuery(query string) error {
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(name) {
		case "", "model", "notifyonuserspecificproperties", "useresourcespecificconsentbasedauthorization", "notifyonindirectmembershipupdate":
		case "$filter":
			if err := r.readFilter(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: %.40q", errQuery, name)
		}
	}
	return nil
}

// readFilter reads the few filters that decide here: id in (…) of presences,
// scopeInfo/scope eq '…' of installations.
func (r *resource) readFilter(text string) error {
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		decoded = text
	}
	decoded = strings.TrimSpace(decoded)
	if strings.HasPrefix(decoded, "(") && strings.HasSuffix(decoded, ")") {
		decoded = strings.TrimSpace(decoded[1 : len(decoded)-1])
	}
	words := strings.Fields(decoded)
	if len(words) < 3 {
		return fmt.Errorf("%w: $filter", errQuery)
	}
	property, operator := strings.ToLower(words[0]), strings.ToLower(words[1])
	value := strings.TrimSpace(decoded[strings.Index(decoded, words[1])+len(words[1]):])
	switch {
	case r.kind.filter == "" || property != r.kind.filter:
		return fmt.Errorf("%w: $filter by %.40q", errQuery, property)
	case operator == "in":
		r.filter, err = listOf(value)
		return err
	case operator == "eq":
		r.filter = &filter{values: []string{strings.ToLower(unquote(value))}}
		return nil
	}
	return fmt.Errorf("%w: operator %.20q", errQuery, operator)
}
