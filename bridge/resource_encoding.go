package bridge

import (
	"strings"
	"unicode/utf8"
)

// maxDepth is how often a path may have been percent-encoded: a join URL inside
// a path that was encoded twice as a whole has its colons encoded three times
// on top of the URL's own escapes.
const maxDepth = 3

// charAt returns the character that s[i:] spells, how often it is encoded (0: it
// stands there itself) and how many bytes spell it. A '%' that begins no escape
// is itself.
func charAt(s string, i int) (c byte, depth, width int) {
	if c = s[i]; c != '%' {
		return c, 0, 1
	}
	return escapeAt(s, i)
}

// escapeAt is charAt where s[i] is a '%'.
func escapeAt(s string, i int) (c byte, depth, width int) {
	c, ok := unhex(s, i+1)
	if !ok {
		return '%', 0, 1
	}
	width = 3
	for depth = 1; c == '%' && depth < maxDepth; depth++ {
		inner, ok := unhex(s, i+width)
		if !ok {
			break
		}
		c, width = inner, width+2
	}
	return c, depth, width
}

// unhex returns the byte that the two hexadecimal digits at s[i:] spell.
func unhex(s string, i int) (byte, bool) {
	if i+2 > len(s) {
		return 0, false
	}
	hi, ok1 := nibble(s[i])
	lo, ok2 := nibble(s[i+1])
	return hi<<4 | lo, ok1 && ok2
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return (c | 0x20) - 'a' + 10, true
	default:
		return 0, false
	}
}

// decodeID undoes the percent-encoding of an id, which holds no '%' of its own.
func decodeID(s string) string { return decodeTimes(s, maxDepth) }

func decodeTimes(s string, times int) string {
	for range times {
		d := decode(s)
		if len(d) == len(s) {
			break
		}
		s = d
	}
	return s
}

// decodeURL undoes the percent-encoding of a URL and not that inside it: it
// stops where the scheme stands plain.
func decodeURL(s string) string {
	for range maxDepth {
		if hasScheme(s) {
			break
		}
		d := decode(s)
		if len(d) == len(s) {
			break
		}
		s = d
	}
	return s
}

// decode undoes one level of percent-encoding; what is no escape stays. It
// returns s itself if it has none, or if the result would not be UTF-8.
func decode(s string) string {
	next := strings.IndexByte(s, '%')
	if next < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	rest := s
	for ; next >= 0; next = strings.IndexByte(rest, '%') {
		b.WriteString(rest[:next])
		rest = rest[next:]
		if c, ok := unhex(rest, 1); ok {
			b.WriteByte(c)
			rest = rest[3:]
		} else {
			b.WriteByte('%')
			rest = rest[1:]
		}
	}
	b.WriteString(rest)
	if d := b.String(); len(d) < len(s) && utf8.ValidString(d) {
		return d
	}
	return s
}

// hasScheme reports whether s begins with letters and "://".
func hasScheme(s string) bool {
	i := 0
	for i < len(s) && 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z' {
		i++
	}
	return i > 0 && strings.HasPrefix(s[i:], "://")
}

// hasPrefixFolded reports whether s begins with the ASCII string prefix in any
// letter case.
func hasPrefixFolded(s, prefix string) bool {
	return len(s) >= len(prefix) && folded(s[:len(prefix)], prefix)
}

// isWord reports whether c is a letter, a digit, '_' or '-': one look into a set
// of bits, since most of a path passes here.
func isWord(c byte) bool {
	const low, high = 0x03ff_2000_0000_0000, 0x07ff_fffe_87ff_fffe // c < 64, c < 128
	if c < 64 {
		return low>>c&1 != 0
	}
	return c < 128 && uint64(high)>>(c-64)&1 != 0
}

// undouble makes doubled quotes single, in whatever encoding, if there are any.
func undouble(s string, doubled bool) string {
	if !doubled {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		c, depth, width := charAt(s, i)
		b.WriteString(s[i : i+width])
		i += width
		if c == '\'' && i < len(s) {
			if c, d, w := charAt(s, i); c == '\'' && d == depth {
				i += w
			}
		}
	}
	return b.String()
}

// folded reports whether s is the ASCII string want in any letter case.
func folded(s, want string) bool { return len(s) == len(want) && strings.EqualFold(s, want) }
