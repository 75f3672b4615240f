package bridge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// identity is what tells one change from the next, beside tenant, subscription,
// change type and resource (DESIGN §5).
type identity struct {
	by    string // which discriminator it is: "" means that none is safe
	value string
}

// identify returns the discriminator of it: the notification's own id, else the
// hash of the payload, else the resource that was created or deleted. A basic
// notification of an update has none: two updates look the same.
func identify(it *Item, payload []byte, data *resourceData, concrete bool) identity {
	switch {
	case it.ID != "":
		return identity{"id", it.ID}
	case payload != nil:
		sum := sha256.Sum256(payload)
		return identity{"payload", string(sum[:])}
	case !strings.EqualFold(it.ChangeType, "created") && !strings.EqualFold(it.ChangeType, "deleted"):
		return identity{}
	case data.ODataID.s != "" || data.ID.s != "":
		return identity{"resource", data.ODataID.s + "\x00" + data.ID.s}
	case concrete:
		return identity{"path", ""}
	default:
		return identity{}
	}
}

// eventID returns the identity of it as UUID text: the same for the same tenant,
// subscription, change type, resource and discriminator, in whatever letter case
// Graph writes the first three.
func eventID(it *Item, d identity) string {
	var room [512]byte
	b := room[:0]
	for _, part := range [...]string{
		strings.ToLower(it.TenantID), strings.ToLower(it.SubscriptionID), strings.ToLower(it.ChangeType),
		it.Resource, d.by, d.value,
	} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return uuid([16]byte(sum[:16]))
}

// uuid returns b as UUID text, with the version (8: made by own rules) and
// variant bits of RFC 9562 set.
func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	var t [36]byte
	hex.Encode(t[:8], b[:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:], b[10:])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// id returns the event id of it and whether a redelivery will have the same.
func (r Rules) id(it *Item, d identity, receivedAt time.Time) (string, bool) {
	switch {
	case d.by != "":
		return eventID(it, d), true
	case r.FreshID != nil:
		return r.FreshID(), false
	default:
		return eventID(it, identity{"received", receivedAt.UTC().Format(time.RFC3339Nano)}), false
	}
}
