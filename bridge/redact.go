package bridge

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// WithoutClientState returns the item with the value of its clientState, in every
// spelling of that name which DecodeItem takes, replaced by "": every other byte
// is as received. raw is not changed. What is no JSON object comes back as it is.
func WithoutClientState(raw jsontext.Value) jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return raw
	}
	var out jsontext.Value
	copied := int64(0) // how much of raw is in out
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return raw
		}
		secret := usualName([]byte(name.String()), "clientState") != "" && d.PeekKind() != 'n'
		v, err := d.ReadValue()
		if err != nil {
			return raw
		}
		if secret {
			end := d.InputOffset()
			out = append(append(out, raw[copied:end-int64(len(v))]...), `""`...)
			copied = end
		}
	}
	if copied == 0 {
		return raw
	}
	return append(out, raw[copied:]...)
}
