package bridge

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotObject      = errors.New("read item: not a JSON object")
	errDuplicate      = errors.New("read item: a member stands twice")
	errNoSubscription = errors.New("read item: subscriptionId is missing or empty")
	// ErrTooManyItems is returned by DecodeCollection for more than MaxItems.
	ErrTooManyItems = errors.New("bridge: too many items in one collection")
	// ErrNotCollection is returned by DecodeCollection for a body that is JSON
	// but no notification collection.
	ErrNotCollection = errors.New("bridge: not a notification collection")
)

// MaxItems bounds the items of one POST. Graph documents no maximum (FACTS
// §1.5); this is far above what fits a body of the default limit honestly, and
// far below what a body of "null,null,…" would cost.
const MaxItems = 1 << 15

// Collection is the body of one POST of Graph's (FACTS §1.2), its items not
// looked into yet.
type Collection struct {
	Items  []jsontext.Value // the elements of "value", whatever they are
	Tokens []string         // "validationTokens"; an element that is no string is ""
}

// Decoded is what became of one item: Err is DecodeItem's.
type Decoded struct {
	Item *Item
	Err  error
}

// Decode returns the items and tokens in the body of a POST, or an error of
// DecodeCollection. It keeps body, which the caller must not change afterwards.
func Decode(body []byte) (items []Decoded, tokens []string, err error) {
	q := quick{body: body, text: unsafe.String(unsafe.SliceData(body), len(body))}
	if items, tokens, ok := q.collection(); ok {
		return items, tokens, nil
	}
	return decodeAny(body)
}

// decodeAny is Decode for whatever comes: it looks at each item by itself, so that
// one bad item stays one.
func decodeAny(body []byte) (items []Decoded, tokens []string, err error) {
	c, err := DecodeCollection(body)
	if err != nil {
		return nil, nil, err
	}
	items = make([]Decoded, len(c.Items))
	for i, raw := range c.Items {
		items[i].Item, items[i].Err = DecodeItem(raw)
	}
	return items, c.Tokens, nil
}

// DecodeCollection splits body into its items without looking into them, so
// that one bad item stays one. The items alias body. Duplicate members and
// invalid UTF-8 inside an item are DecodeItem's business; here they only have
// to be JSON.
func DecodeCollection(body []byte) (Collection, error) {
	r := collectionReader{body: body}
	if err := json.Unmarshal(body, &r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Collection{}, fmt.Errorf("read collection: %w", err)
	}
	return r.collection, nil
}

// collectionReader reads a collection member by member.
type collectionReader struct {
	collection Collection
	body       []byte
	seen       bool // "value" was there
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (r *collectionReader) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		if err := d.SkipValue(); err != nil {
			return err
		}
		return ErrNotCollection
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := r.member(d, name.String()); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if !r.seen {
		return fmt.Errorf("%w: value is missing", ErrNotCollection)
	}
	return nil
}

func (r *collectionReader) member(d *jsontext.Decoder, name string) (err error) {
	switch {
	case strings.EqualFold(name, "value"):
		if d.PeekKind() != '[' {
			return fmt.Errorf("%w: value is not an array", ErrNotCollection)
		}
		if r.seen {
			return fmt.Errorf("%w: value stands twice", ErrNotCollection)
		}
		r.seen = true
		r.collection.Items, err = readArray(d, r.body)
		return err
	case strings.EqualFold(name, "validationTokens") && d.PeekKind() == '[':
		tokens, err := readArray(d, r.body)
		for _, t := range tokens {
			r.collection.Tokens = append(r.collection.Tokens, text(t))
		}
		return err
	default:
		return d.SkipValue()
	}
}

// readArray returns the elements of the array that comes next, as parts of body.
func readArray(d *jsontext.Decoder, body []byte) ([]jsontext.Value, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var elems []jsontext.Value
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if len(elems) == MaxItems {
			return nil, ErrTooManyItems
		}
		// The decoder's own slice is good until its next read only.
		end := d.InputOffset()
		elems = append(elems, jsontext.Value(body[end-int64(len(v)):end]))
	}
	_, err := d.ReadToken()
	return elems, err
}

// text returns the string in v, "" when v is no valid string.
func text(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}
