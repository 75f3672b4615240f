package bridge

import (
	"errors"
	"fmt"
	"strings"
)

// DecryptionKey names a decryption key to those who choose the certificates of
// subscriptions: it says nothing that is secret.
type DecryptionKey struct {
	ID         string // encryptionCertificateId
	Thumbprint string // SHA-1 of its certificate, upper-case hex; "" without one
}

// KeyRoster returns the group in which every ingest process announces its keys.
// It is how ingest and renewer meet without calling each other.
func KeyRoster(topicPrefix string) string { return topicPrefix + "ingest" }

// clientStateWord stands where a thumbprint stands in the lines of keys that
// prove clientStates; no thumbprint is spelt so.
const clientStateWord = "client-state"

// AnnounceKeys returns the text in which a process says which keys it opens
// content with, and the ids of those that it proves clientStates with: a line for
// each.
func AnnounceKeys(keys []DecryptionKey, clientStateKeys ...string) []byte {
	var b []byte
	for _, k := range keys {
		b = fmt.Appendf(b, "%s %s\n", k.Thumbprint, k.ID)
	}
	for _, id := range clientStateKeys {
		b = fmt.Appendf(b, "%s %s\n", clientStateWord, id)
	}
	return b
}

// ParseAnnouncedKeys returns what AnnounceKeys was given.
func ParseAnnouncedKeys(text []byte) (keys []DecryptionKey, clientStateKeys []string, err error) {
	for line := range strings.Lines(string(text)) {
		word, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case !ok || id == "":
			return nil, nil, errors.New("read announced keys: a line is not of the form \"<thumbprint> <id>\"")
		case word == clientStateWord:
			clientStateKeys = append(clientStateKeys, id)
		default:
			keys = append(keys, DecryptionKey{ID: id, Thumbprint: word})
		}
	}
	return keys, clientStateKeys, nil
}

// Opens reports whether one of the keys opens what is sealed for the
// certificate. An id alone settles it only for a key without a certificate: a
// file may hold a new key under an old id.
func Opens(keys []DecryptionKey, id, thumbprint string) bool {
	for _, k := range keys {
		if k.Thumbprint != "" && strings.EqualFold(k.Thumbprint, thumbprint) || k.Thumbprint == "" && k.ID == id {
			return true
		}
	}
	return false
}
