package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotObject      = errors.New("read item: not a JSON object")
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

// DecodeCollection splits body into its items without looking into them, so
// that one bad item stays one. The items alias body. Duplicate members and
// invalid UTF-8 inside an item are DecodeItem's business; here they only have
// to be JSON.
func DecodeCollection(body []byte) (Collection, error) {
	var c Collection
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return c, fmt.Errorf("read collection: %w", err)
		}
		return c, ErrNotCollection
	}
	if _, err := d.ReadToken(); err != nil {
		return c, fmt.Errorf("read collection: %w", err)
	}
	seen := false
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return c, fmt.Errorf("read collection: %w", err)
		}
		switch member := name.String(); {
		case strings.EqualFold(member, "value"):
			if d.PeekKind() != '[' {
				return c, fmt.Errorf("%w: value is not an array", ErrNotCollection)
			}
			if seen {
				return c, fmt.Errorf("%w: value stands twice", ErrNotCollection)
			}
			seen = true
			c.Items, err = readArray(d, body)
		case strings.EqualFold(member, "validationTokens") && d.PeekKind() == '[':
			var tokens []jsontext.Value
			tokens, err = readArray(d, body)
			for _, t := range tokens {
				c.Tokens = append(c.Tokens, text(t))
			}
		default:
			err = d.SkipValue()
		}
		if err != nil {
			return c, fmt.Errorf("read collection: %w", err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return c, fmt.Errorf("read collection: %w", err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%w: something follows the collection", ErrNotCollection)
	}
	if !seen {
		return c, fmt.Errorf("%w: value is missing", ErrNotCollection)
	}
	return c, nil
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
