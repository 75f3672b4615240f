package bridge

import "strings"

// scanner reads a resource path from left to right. It recognises the
// characters that structure a path in every encoding, instead of decoding the
// path first: a slash inside a value that is encoded deeper than the structure
// around it must not split the value.
type scanner struct {
	s string
	i int
}

// at reports whether the next character is c, in any encoding.
func (p *scanner) at(c byte) bool {
	if p.i >= len(p.s) {
		return false
	}
	if b := p.s[p.i]; b != '%' {
		return b == c
	}
	got, _, _ := escapeAt(p.s, p.i)
	return got == c
}

// atEnd reports whether the path ends here, a query or fragment following or not.
func (p *scanner) atEnd() bool { return p.i >= len(p.s) || p.at('?') || p.at('#') }

// atBoundary reports whether a segment can end here.
func (p *scanner) atBoundary() bool { return p.atEnd() || p.at('/') }

// take moves past c and reports how deep it was encoded; false if c is not next.
func (p *scanner) take(c byte) (depth int, ok bool) {
	if p.i >= len(p.s) || p.s[p.i] != c && p.s[p.i] != '%' {
		return 0, false
	}
	got, depth, width := charAt(p.s, p.i)
	if got != c {
		return 0, false
	}
	p.i += width
	return depth, true
}

// slashes moves past slashes and returns how many there were and how deep the
// last was encoded.
func (p *scanner) slashes() (n, depth int) {
	for {
		d, ok := p.take('/')
		if !ok {
			return n, depth
		}
		n, depth = n+1, d
	}
}

// words moves past characters that mean nothing to the structure.
func (p *scanner) words() {
	s, i := p.s, p.i // for the loop to run in registers
	for i < len(s) && isWord(s[i]) {
		i++
	}
	p.i = i
}

// plain moves past characters of a quoted value, of which only a quote means
// something, and what may be one in disguise.
func (p *scanner) plain() {
	s, i := p.s, p.i
	for i < len(s) && s[i] != '\'' && s[i] != '%' {
		i++
	}
	p.i = i
}

// spaces moves past spaces; a plus sign is one in queries only.
func (p *scanner) spaces(query bool) {
	for p.at(' ') || query && p.at('+') {
		_, _, width := charAt(p.s, p.i)
		p.i += width
	}
}

// origin moves past the scheme and host of an absolute URL.
func (p *scanner) origin() {
	start := p.i
	for _, scheme := range [...]string{"https", "http"} {
		if !hasPrefixFolded(p.s[start:], scheme) {
			continue
		}
		p.i = start + len(scheme)
		if _, ok := p.take(':'); !ok {
			continue
		}
		if n, _ := p.slashes(); n == 2 {
			p.name()
			return
		}
	}
	p.i = start
}

// name reads a fixed segment: up to the next '/', '(', '?' or '#' in whatever
// encoding, since no such segment holds one.
func (p *scanner) name() string {
	start := p.i
	for p.words(); p.i < len(p.s); p.words() {
		c, _, width := charAt(p.s, p.i)
		switch c {
		case '/', '(', '?', '#':
			return p.s[start:p.i]
		}
		p.i += width
	}
	return p.s[start:]
}

// segment reads an id that stands between slashes. Only a slash (or '?', '#')
// that is encoded no deeper than the one before the id ends it: a deeper one
// belongs to the id.
func (p *scanner) segment(depth int) string {
	start := p.i
	for p.words(); p.i < len(p.s); p.words() {
		c, d, width := charAt(p.s, p.i)
		if d <= depth && (c == '/' || c == '?' || c == '#') {
			return p.s[start:p.i]
		}
		p.i += width
	}
	return p.s[start:]
}

// key reads the key in parentheses that comes next, ('id'), (id) or (name='id'),
// decoded. A joinWebUrl is returned apart. Not ok: it is malformed, empty, or
// some other alternate key that holds no id.
func (p *scanner) key() (id, joinURL string, ok bool) {
	if id, ok := p.quickKey(); ok {
		return id, "", true
	}
	depth, ok := p.take('(')
	if !ok {
		return "", "", false
	}
	p.spaces(false)
	name, ok := p.keyName()
	if !ok {
		return "", "", false
	}
	if p.at('\'') {
		raw, ok := p.quoted(false)
		p.spaces(false)
		if _, closed := p.take(')'); !ok || !closed || raw == "" {
			return "", "", false
		}
		if folded(name, "joinWebUrl") {
			return "", decodeURL(raw), true
		}
		return decodeID(raw), "", true
	}
	start := p.i
	for p.words(); p.i < len(p.s); p.words() {
		c, d, width := charAt(p.s, p.i)
		if c == ')' && d <= depth {
			id = decodeID(p.s[start:p.i])
			p.i += width
			return id, "", id != ""
		}
		if c == '\'' {
			break
		}
		p.i += width
	}
	return "", "", false
}

// quickKey is key for what Graph nearly always sends: ('id'), nothing encoded and
// no quote within. At anything else it gives up.
func (p *scanner) quickKey() (id string, ok bool) {
	rest, ok := strings.CutPrefix(p.s[p.i:], "('")
	if !ok {
		return "", false
	}
	id, rest, ok = strings.Cut(rest, "'")
	if !ok || id == "" || !strings.HasPrefix(rest, ")") || strings.Contains(id, "%") {
		return "", false
	}
	p.i = len(p.s) - len(rest) + 1
	return id, true
}

// keyName moves past the "name=" of a named key and returns the name, "" if the
// key has none: it is only one if a quote follows, since ids may end in '='. Not
// ok for a name that is neither joinWebUrl nor that of an id.
func (p *scanner) keyName() (string, bool) {
	start := p.i
	p.words()
	name := p.s[start:p.i]
	p.spaces(false)
	if _, ok := p.take('='); name != "" && ok {
		p.spaces(false)
		if p.at('\'') {
			isID := len(name) >= 2 && folded(name[len(name)-2:], "id")
			return name, isID || folded(name, "joinWebUrl")
		}
	}
	p.i = start
	return "", true
}

// quoted reads the quoted value that comes next and returns it without its
// quotes, doubled ones made single, but not decoded. It ends at a quote that is
// encoded just as the opening one, is not doubled, and has behind it what may
// follow a value: any other quote is one that somebody forgot to double.
func (p *scanner) quoted(query bool) (string, bool) {
	open, ok := p.take('\'')
	if !ok {
		return "", false
	}
	start, doubled := p.i, false
	for p.plain(); p.i < len(p.s); p.plain() {
		c, depth, width := charAt(p.s, p.i)
		if c != '\'' {
			p.i += width
			continue
		}
		at := p.i
		p.i += width
		if p.at('\'') {
			if _, d, w := charAt(p.s, p.i); d == depth {
				doubled = true
				p.i += w
				continue
			}
		}
		if depth == open && p.valueEnds(query) {
			return undouble(p.s[start:at], doubled), true
		}
	}
	return "", false
}

// valueEnds reports whether what follows can stand behind a quoted value.
func (p *scanner) valueEnds(query bool) bool {
	q := *p
	q.spaces(query)
	if query {
		return q.i > p.i || q.i >= len(q.s) || q.at('&') || q.at('#') || q.at(')')
	}
	return q.at(')') || q.at(',') || q.at(']')
}

// skipArguments moves past the parenthesised arguments of a function, if any,
// and reports whether they were closed.
func (p *scanner) skipArguments() bool {
	if _, ok := p.take('('); !ok {
		return true
	}
	for p.i < len(p.s) {
		switch {
		case p.at('\''):
			if _, ok := p.quoted(false); !ok {
				return false
			}
		case p.at(')'):
			p.take(')')
			return true
		default:
			_, _, width := charAt(p.s, p.i)
			p.i += width
		}
	}
	return false
}

// filteredJoinURL returns the join URL in the rest of the path, if that is the
// query of the year 2022: ?$filter=joinWebUrl eq '…' (FACTS §5.1).
func (p *scanner) filteredJoinURL() string {
	const property = "joinWebUrl"
	for ; p.i+len(property) <= len(p.s); p.i++ {
		if p.s[p.i]|0x20 != 'j' || !folded(p.s[p.i:p.i+len(property)], property) {
			continue
		}
		q := scanner{s: p.s, i: p.i + len(property)}
		q.spaces(true)
		if !hasPrefixFolded(q.s[q.i:], "eq") {
			continue
		}
		q.i += len("eq")
		q.spaces(true)
		if q.at('\'') {
			raw, _ := q.quoted(true) // there is but one: looking for another would make the time quadratic
			return decodeURL(raw)
		}
	}
	return ""
}
