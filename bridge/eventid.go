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

// identify returns the discriminator of it: the notification's own id; of a
// sealed one the hash of its payload, or, where the same payload can come about
// twice, of its sealing; of a basic one the resource that was created or deleted,
// where that happens once. A basic notification of an update has none: two
// updates look the same. Nothing is taken for a redelivery that might be an event
// of its own (I2 before I8).
func identify(it *Item, payload []byte, in *input, occurredAt stamp) identity {
	created := in.change == "created"
	switch {
	case it.ID != "":
		return identity{"id", it.ID}
	case payload != nil && (in.path.Kind.telling() || occurredAt.ok || created && !in.path.Kind.recurs()):
		sum := sha256.Sum256(payload)
		return identity{"payload", string(sum[:])}
	case payload != nil && it.Rich():
		// Each sealing has a fresh key: equal bytes are the same delivery.
		sum := sha256.Sum256([]byte(it.EncryptedContent.Data))
		return identity{"sealed", string(sum[:])}
	case payload != nil, !created && in.change != "deleted", in.path.Kind.recurs():
		return identity{}
	case in.data.ODataID.s != "" || in.data.ID.s != "":
		return identity{"resource", in.data.ODataID.s + "\x00" + in.data.ID.s}
	case in.path.Kind != MeetingCallEvent && !in.path.Collection:
		return identity{"path", ""}
	default:
		return identity{}
	}
}

// recurs reports whether resources of the kind come and go and come again under
// the same id: whoever is removed from a team and added again is the same member.
func (k Kind) recurs() bool { return k == ConversationMember || k == AppInstallation || k == Other }

// telling reports whether no two events of the kind have the same payload: it
// holds the moment, a version, or what is made only once.
func (k Kind) telling() bool {
	return k == MeetingCallEvent || k == CallRecording || k == CallTranscript || k == ChatMessage
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
	return DerivedID(sha256.Sum256(b))
}

// DerivedID returns the UUID text of a digest's first 128 bits, with the version
// (8: made by own rules) and variant bits of RFC 9562 set.
func DerivedID(digest [sha256.Size]byte) string {
	b := [16]byte(digest[:16])
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
