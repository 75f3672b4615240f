package bridge

import (
	"bytes"
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// errShape is the error of a JSON value of another sort than its type has: the
// payload is a misfit.
var errShape = errors.New("value of the wrong JSON type")

// decodeJSON decodes the JSON value b into what v points to: members match in any
// letter case (FACTS §5.1), and the duplicates and lone surrogates that people's
// texts bring are taken.
func decodeJSON(b []byte, v any) error {
	return json.Unmarshal(b, v, json.MatchCaseInsensitiveNames(true),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// unmarshal decodes the JSON object b into the struct v points to. JSON's null
// and no bytes at all leave v as it is.
func unmarshal(b []byte, v any) error {
	switch jsontext.Value(b).Kind() {
	case '{':
		return decodeJSON(b, v)
	case 'n':
		return nil
	}
	if len(b) == 0 {
		return nil
	}
	return errShape
}

// str is a JSON string or null. Its pointer needs no allocation of its own.
type str struct {
	s  string
	ok bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *str) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		s.s, s.ok = t.String(), true
		return nil
	case 'n':
		*s = str{}
		return d.SkipValue()
	default:
		return errShape
	}
}

// ptr returns the string, nil for null.
func (s *str) ptr() *string {
	if !s.ok {
		return nil
	}
	return &s.s
}

// or returns s, or other where s is null.
func (s *str) or(other *str) *str {
	if s.ok {
		return s
	}
	return other
}

// either returns a, or b where a is nil.
func either(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

// optional returns s, nil where it is empty.
func optional(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

// stamp is a JSON string that holds a time, or null.
type stamp struct {
	t  time.Time
	ok bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. A text that is no time is
// taken as null: it lives on in the payload.
func (s *stamp) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case '"':
		text := v[1 : len(v)-1]
		if bytes.IndexByte(text, '\\') >= 0 {
			text, _ = jsontext.AppendUnquote(nil, v)
		}
		s.t, s.ok = parseTime(text)
		return nil
	case 'n':
		*s = stamp{}
		return nil
	default:
		return errShape
	}
}

// ptr returns the time, nil for null.
func (s *stamp) ptr() *time.Time {
	if !s.ok {
		return nil
	}
	return &s.t
}

// parseTime returns the time in b, RFC 3339 with any number of fractional
// digits and any offset, in UTC and cut to microseconds. Graph's "no time",
// 0001-01-01, and a time without an offset, which could be any of 24 hours, are
// none.
func parseTime(b []byte) (time.Time, bool) {
	var t time.Time
	if len(b) == 0 || t.UnmarshalText(b) != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	if t.Year() <= 1 {
		return time.Time{}, false
	}
	return t.Truncate(time.Microsecond), true
}

// each returns f of every element of list, null where Graph sent no list.
func each[From, To any](list []From, f func(*From) To) []To {
	if list == nil {
		return nil
	}
	out := make([]To, len(list))
	for i := range list {
		out[i] = f(&list[i])
	}
	return out
}

// texts returns the strings of list; a null among them is "".
func texts(list []str) []string {
	return each(list, func(s *str) string { return s.s })
}
