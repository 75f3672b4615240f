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

// AnnounceKeys returns the text in which a process says which keys it opens
// content with: a line for each.
func AnnounceKeys(keys []DecryptionKey) []byte {
	var b []byte
	for _, k := range keys {
		b = fmt.Appendf(b, "%s %s\n", k.Thumbprint, k.ID)
	}
	return b
}

// ParseAnnouncedKeys is the inverse of AnnounceKeys.
func ParseAnnouncedKeys(text []byte) ([]DecryptionKey, error) {
	var keys []DecryptionKey
	for line := range strings.Lines(string(text)) {
		thumbprint, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || id == "" {
			return nil, errors.New("read announced keys: a line is not of the form \"<thumbprint> <id>\"")
		}
		keys = append(keys, DecryptionKey{ID: id, Thumbprint: thumbprint})
	}
	return keys, nil
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
