package bridge

import (
	"encoding/binary"
	"strings"
)

// quick reads the bodies that Graph sends, nearly all of them, in a fraction of the
// time that a decoder for any JSON takes (BenchmarkDecode): objects of known
// members, each there once, and strings of ASCII without escapes. At anything else
// it gives up, and Decode asks the decoder. So it rules on nothing: what it takes
// the decoder takes, with the same outcome (FuzzDecode).
type quick struct {
	body []byte
	text string // body
	i    int    // read so far
}

// collection returns the whole body's items and tokens, false if it gave up.
func (q *quick) collection() (items []Decoded, tokens []string, ok bool) {
	if !q.take('{') {
		return nil, nil, false
	}
	for next := true; next; next = q.take(',') {
		name, _ := q.name()
		switch {
		case string(name) == "value" && items == nil:
			items, ok = q.items()
		case string(name) == "validationTokens" && tokens == nil:
			tokens, ok = q.strings()
		default:
			ok = false
		}
		if !ok {
			return nil, nil, false
		}
	}
	ok = q.take('}') && items != nil
	q.space()
	return items, tokens, ok && q.i == len(q.body)
}

// items returns the array of items that comes next, and not of none.
func (q *quick) items() (items []Decoded, ok bool) {
	if !q.take('[') {
		return nil, false
	}
	for next := true; next; next = q.take(',') {
		r := newItemReader(q.body)
		if len(items) == MaxItems || !q.item(r) {
			return nil, false
		}
		items = append(items, Decoded{Item: &r.item})
	}
	return items, q.take(']')
}

// strings returns the array of strings that comes next, and not of none. They are
// copies, since tokens outlive their POST.
func (q *quick) strings() (list []string, ok bool) {
	if !q.take('[') {
		return nil, false
	}
	for next := true; next; next = q.take(',') {
		var s string
		if len(list) == MaxItems || !q.string(&s) {
			return nil, false
		}
		list = append(list, strings.Clone(s))
	}
	return list, q.take(']')
}

// item reads the object that comes next into r.
func (q *quick) item(r *itemReader) bool {
	q.space()
	from, seen := q.i, uint16(0)
	if !q.take('{') {
		return false
	}
	for next := true; next; next = q.take(',') {
		name, ok := q.name()
		field, bit := r.field(name)
		switch {
		case !ok || bit == 0 || seen&bit != 0:
			return false
		case q.null(): // seen of members that are not there (FACTS §1.2)
		case field != nil:
			ok = q.string(field)
		case bit == bitResourceData:
			ok = q.resource(r)
		default:
			r.item.EncryptedContent = &r.content
			ok = q.sealed(&r.content)
		}
		if !ok {
			return false
		}
		seen |= bit
	}
	ok := q.take('}')
	r.item.Raw = q.body[from:q.i]
	return ok && r.item.SubscriptionID != ""
}

// resource reads the resourceData that comes next into r.
func (q *quick) resource(r *itemReader) bool {
	q.space()
	from := q.i
	if !q.take('{') {
		return false
	}
	for next := true; next; next = q.take(',') {
		name, _ := q.name()
		to := r.item.data.field(name)
		if to == nil || to.ok || !q.string(&to.s) {
			return false
		}
		to.ok = true
	}
	ok := q.take('}')
	r.item.ResourceData = q.text[from:q.i]
	return ok
}

// sealed reads the encryptedContent that comes next into c.
func (q *quick) sealed(c *EncryptedContent) bool {
	if !q.take('{') {
		return false
	}
	seen := uint16(0)
	for next := true; next; next = q.take(',') {
		name, _ := q.name()
		field, bit := c.field(name)
		if field == nil || seen&bit != 0 || !q.string(field) {
			return false
		}
		seen |= bit
	}
	return q.take('}')
}

// name returns the member name that comes next, and reads its colon.
func (q *quick) name() ([]byte, bool) {
	from, to, ok := q.plain()
	if !ok || !q.take(':') {
		return nil, false
	}
	return q.body[from:to], true
}

// string reads the string that comes next.
func (q *quick) string(s *string) bool {
	from, to, ok := q.plain()
	*s = q.text[from:to]
	return ok
}

// null reads null, if it comes next.
func (q *quick) null() bool {
	q.space()
	if !strings.HasPrefix(q.text[q.i:], "null") {
		return false
	}
	q.i += len("null")
	return true
}

// take reads c, if it comes next.
func (q *quick) take(c byte) bool {
	q.space()
	if q.i == len(q.body) || q.body[q.i] != c {
		return false
	}
	q.i++
	return true
}

func (q *quick) space() {
	for q.i < len(q.body) && (q.body[q.i] == ' ' || q.body[q.i] == '\n' || q.body[q.i] == '\r' || q.body[q.i] == '\t') {
		q.i++
	}
}

// plain reads the string that comes next and returns where its text begins and
// ends, if it is ASCII and has no escapes.
func (q *quick) plain() (from, to int, ok bool) {
	if !q.take('"') {
		return 0, 0, false
	}
	from = q.i
	to = from + plainASCII(q.body[from:])
	if to == len(q.body) || q.body[to] != '"' {
		return 0, 0, false
	}
	q.i = to + 1
	return from, to, true
}

// plainASCII returns how many bytes of b come before the first that does not stand
// for itself in a JSON string of ASCII: a quote, a backslash, a control
// character, a byte from 0x80 on.
func plainASCII(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(b); n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, backslash := x^'"'*ones, x^'\\'*ones
		// The high bit of each byte that is below 0x20, or 0 in the two; perhaps of one
		// behind such a byte too, which does not matter.
		if (x|(x-0x20*ones)|(quote-ones)|(backslash-ones))&high != 0 {
			break
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return n
}
