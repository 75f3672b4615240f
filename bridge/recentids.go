package bridge

import (
	"errors"
	"fmt"
)

// recentIDsForm is the first byte of what AppendRecentIDs writes: it says how
// the rest is to be read.
const recentIDsForm = 1

// idBytes is the length of an event id.
const idBytes = 16

// ErrForm is wrapped by ParseRecentIDs for a form that this version does not
// know, which a newer one may have written.
var ErrForm = errors.New("bridge: unknown form")

// RecentIDs returns the topic on which the replicas of ingest tell each other
// the event ids of what Kafka holds.
func RecentIDs(topicPrefix string) string { return topicPrefix + "recent-ids" }

// AppendRecentIDs appends to b the text in which a replica announces event ids:
// the form's byte, then 16 bytes for each id.
func AppendRecentIDs(b []byte, ids [][idBytes]byte) []byte {
	b = append(b, recentIDsForm)
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

// ParseRecentIDs is the inverse of AppendRecentIDs. Text that is not whole is
// refused whole: what could be read of it might not be what was meant, and an id
// that nobody announced would have a genuine item taken for a redelivery (I2).
func ParseRecentIDs(text []byte) ([][idBytes]byte, error) {
	if len(text) == 0 {
		return nil, errors.New("read announced ids: empty")
	}
	if text[0] != recentIDsForm {
		return nil, fmt.Errorf("read announced ids: %w %d", ErrForm, text[0])
	}
	rest := text[1:]
	if len(rest)%idBytes != 0 {
		return nil, fmt.Errorf("read announced ids: %d bytes are no whole number of ids", len(rest))
	}
	ids := make([][idBytes]byte, len(rest)/idBytes)
	for i := range ids {
		ids[i] = [idBytes]byte(rest[i*idBytes:])
	}
	return ids, nil
}
