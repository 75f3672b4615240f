package bridge

import (
	"bytes"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// itemReader reads an item member by member. Its strings are parts of the input,
// which nobody changes any more, and need no copies; by hand it costs a third of
// what reflection does. This runs for every item, whoever sent it.
type itemReader struct {
	item    Item
	content EncryptedContent
	input   jsontext.Value
	text    string // input, as d.InputOffset counts it
}

func newItemReader(input jsontext.Value) *itemReader {
	return &itemReader{input: input, text: unsafe.String(unsafe.SliceData(input), len(input))}
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. The decoder sees to JSON's
// own rules; two spellings of one member are a duplicate too.
func (r *itemReader) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var seen uint16
	raw, err := r.value(d, func() error {
		return r.object(d, func(name []byte) error {
			field, bit := r.field(name)
			if seen&bit != 0 {
				return errDuplicate
			}
			seen |= bit
			switch {
			case field != nil:
				return r.string(d, field)
			case bit == 0 || d.PeekKind() == 'n':
				return d.SkipValue()
			case bit == bitResourceData:
				data, err := r.value(d, func() error { return r.resource(d) })
				end := int(d.InputOffset())
				r.item.ResourceData = r.text[end-len(data) : end]
				return err
			default:
				r.item.EncryptedContent = &r.content
				return r.sealed(d)
			}
		})
	})
	r.item.Raw = raw
	return err
}

// value returns the bytes of the value that read reads.
func (r *itemReader) value(d *jsontext.Decoder, read func() error) (jsontext.Value, error) {
	from := int(d.InputOffset())
	if err := read(); err != nil {
		return nil, err
	}
	return bytes.TrimLeft(r.input[from:d.InputOffset()], ":, \t\r\n"), nil
}

// resource reads the resourceData.
func (r *itemReader) resource(d *jsontext.Decoder) error {
	data := &r.item.data
	if d.PeekKind() != '{' {
		data.odd = true
		return d.SkipValue()
	}
	return r.object(d, func(name []byte) error {
		to := data.field(name)
		switch {
		case to == nil:
			data.more = true
			return d.SkipValue()
		case d.PeekKind() == 'n':
			return d.SkipValue()
		case d.PeekKind() != '"':
			data.odd = true
			return d.SkipValue()
		default:
			to.ok = true
			return r.string(d, &to.s)
		}
	})
}

// field returns where the member name belongs, nil for any other.
func (r *resourceData) field(name []byte) *str {
	switch string(name) {
	case "@odata.type":
		return &r.ODataType
	case "@odata.id":
		return &r.ODataID
	case "id":
		return &r.ID
	}
	if known := usualName(name, "@odata.type", "@odata.id", "id"); known != "" {
		return r.field([]byte(known))
	}
	return nil
}

// Bits of the members that are no strings, below those of itemReader.field.
const (
	bitResourceData uint16 = 1 << iota
	bitEncryptedContent
	bitString
)

// field returns where the string of the item's member name belongs, nil if it is
// no string, and a bit for the member, 0 if it is not known.
func (r *itemReader) field(name []byte) (*string, uint16) {
	it := &r.item
	switch string(name) {
	case "id":
		return &it.ID, bitString
	case "subscriptionId":
		return &it.SubscriptionID, bitString << 1
	case "tenantId":
		return &it.TenantID, bitString << 2
	case "organizationId":
		return &it.OrganizationID, bitString << 3
	case "clientState":
		return &it.ClientState, bitString << 4
	case "changeType":
		return &it.ChangeType, bitString << 5
	case "lifecycleEvent":
		return &it.LifecycleEvent, bitString << 6
	case "resource":
		return &it.Resource, bitString << 7
	case "subscriptionExpirationDateTime":
		return &it.ExpirationTime, bitString << 8
	case "resourceData":
		return nil, bitResourceData
	case "encryptedContent":
		return nil, bitEncryptedContent
	}
	if known := usualName(name, "id", "subscriptionId", "tenantId", "organizationId", "clientState", "changeType",
		"lifecycleEvent", "resource", "subscriptionExpirationDateTime", "resourceData", "encryptedContent"); known != "" {
		return r.field([]byte(known))
	}
	return nil, 0
}

// sealed reads the encryptedContent.
func (r *itemReader) sealed(d *jsontext.Decoder) error {
	var seen uint16
	return r.object(d, func(name []byte) error {
		field, bit := r.content.field(name)
		if seen&bit != 0 {
			return errDuplicate
		}
		seen |= bit
		if field == nil {
			return d.SkipValue()
		}
		return r.string(d, field)
	})
}

// field is itemReader.field for the members of encryptedContent.
func (c *EncryptedContent) field(name []byte) (*string, uint16) {
	switch string(name) {
	case "data":
		return &c.Data, 1
	case "dataKey":
		return &c.DataKey, 2
	case "dataSignature":
		return &c.DataSignature, 4
	case "encryptionCertificateId":
		return &c.CertificateID, 8
	case "encryptionCertificateThumbprint":
		return &c.CertificateThumbprint, 16
	}
	if known := usualName(name, "data", "dataKey", "dataSignature", "encryptionCertificateId", "encryptionCertificateThumbprint"); known != "" {
		return c.field([]byte(known))
	}
	return nil, 0
}

// object calls member for each member of the object that comes next, which has to
// read the value.
func (r *itemReader) object(d *jsontext.Decoder, member func(name []byte) error) error {
	if d.PeekKind() != '{' {
		if err := d.SkipValue(); err != nil {
			return err
		}
		return errNotObject
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		if name, err = bare(name); err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// string reads the string or null that comes next.
func (r *itemReader) string(d *jsontext.Decoder, to *string) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		return nil
	case '"':
		if bytes.IndexByte(v, '\\') >= 0 {
			b, err := jsontext.AppendUnquote(nil, v)
			*to = string(b)
			return err
		}
		end := int(d.InputOffset())
		*to = r.text[end-len(v)+1 : end-1]
		return nil
	default:
		return errShape
	}
}

// bare returns the string in the JSON string v: a part of v where nothing in it is
// escaped.
func bare(v jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(v, '\\') >= 0 {
		return jsontext.AppendUnquote(nil, v)
	}
	return v[1 : len(v)-1], nil
}

// usualName returns which of the known members name means, in any letter case and
// with dashes and underlines anywhere; "" for none.
func usualName(name []byte, known ...string) string {
	plain := make([]byte, 0, 64)
	for _, c := range name {
		if c != '-' && c != '_' {
			plain = append(plain, c)
		}
	}
	for _, k := range known {
		if len(plain) >= len(k) && bytes.EqualFold(plain, []byte(k)) { // a letter may fold to one of more bytes
			return k
		}
	}
	return ""
}
