package bridge

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"sync"
)

// The form of our clientStates: mb1.<key id>.<nonce>.<MAC>, the MAC being
// base64url(HMAC-SHA256(key, lower-case tenant id "\n" nonce)) without padding
// (DESIGN §4). It needs no store: whoever has the key can check it. The nonce is
// base64url of 16 random bytes and, where the tenant id is a GUID, its 16 bytes:
// some notifications leave their tenant out (FACTS §1.2), and then the
// subscription's clientState says whose they are.
const (
	clientStatePrefix  = "mb1."
	maxClientState     = 128 // what a subscription may hold (FACTS §1.2)
	maxLiteral         = 255 // what a notification may hold, by the other page
	maxClientStateKey  = 32  // length of a key id, so that the whole stays below 128
	nonceBytes         = 16
	maxTenantID        = 128 // a tenant id is a GUID; beyond this it is not looked at
	minClientStateKey  = 32  // bytes of a key
	clientStateMACText = 43  // base64url of 32 bytes without padding
)

// ClientStateKeys is what clientStates are made and checked with: any number of
// keys, by id, and of literal values of subscriptions made elsewhere. The zero
// value passes nothing. It is safe for concurrent use.
type ClientStateKeys struct {
	minter   *clientStateKey // the first key of the file; see MintingBy
	ordered  []*clientStateKey
	keys     map[string]*clientStateKey
	literals [][sha256.Size]byte
}

// clientStateKey is one key. The pool holds *clientStateMAC of that key, since
// setting up an HMAC costs more than computing this one.
type clientStateKey struct {
	id   string
	macs sync.Pool
}

type clientStateMAC struct {
	hash hash.Hash
	msg  []byte
	sum  []byte
	text [clientStateMACText]byte
}

// ParseClientStateKeys reads the file of keys, one "<key id> <base64 of 32 or
// more random bytes>" a line, and the file of literal values, one a line. In
// both, blank lines and lines that begin with # mean nothing, and either may be
// empty. The first key mints. An error names the line, never its content.
func ParseClientStateKeys(keysFile, literalsFile []byte) (ClientStateKeys, error) {
	set := ClientStateKeys{keys: map[string]*clientStateKey{}}
	err := eachLine(keysFile, func(line string) error {
		k, err := parseClientStateKey(line)
		if err != nil {
			return err
		}
		if set.keys[k.id] != nil {
			return fmt.Errorf("key id %q stands twice", k.id)
		}
		set.keys[k.id], set.ordered = k, append(set.ordered, k)
		return nil
	})
	if err != nil {
		return ClientStateKeys{}, fmt.Errorf("read client-state keys: %w", err)
	}
	if len(set.ordered) > 0 {
		set.minter = set.ordered[0]
	}
	err = eachLine(literalsFile, func(line string) error {
		switch {
		case len(line) > maxLiteral:
			return fmt.Errorf("value is longer than %d bytes, more than a notification can carry", maxLiteral)
		case strings.HasPrefix(line, clientStatePrefix):
			return fmt.Errorf("value begins with %q, which is kept for our own: put its key into the file of keys", clientStatePrefix)
		}
		set.literals = append(set.literals, sha256.Sum256([]byte(line)))
		return nil
	})
	if err != nil {
		return ClientStateKeys{}, fmt.Errorf("read literal client states: %w", err)
	}
	return set, nil
}

// eachLine calls do with each line that means something.
func eachLine(file []byte, do func(line string) error) error {
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(file, []byte("\ufeff"))))
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := do(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

func parseClientStateKey(line string) (*clientStateKey, error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return nil, errors.New(`not of the form "<key id> <base64>"`)
	}
	id := fields[0]
	if len(id) > maxClientStateKey || !isBase64URL(id) {
		return nil, fmt.Errorf("key id is not 1 to %d letters, digits, dashes and underlines", maxClientStateKey)
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return nil, fmt.Errorf("key is not standard base64 with padding: %w", err)
	}
	if len(secret) < minClientStateKey {
		return nil, fmt.Errorf("key has %d bytes: %d or more are needed", len(secret), minClientStateKey)
	}
	k := &clientStateKey{id: id}
	k.macs.New = func() any {
		return &clientStateMAC{hash: hmac.New(sha256.New, secret), sum: make([]byte, 0, sha256.Size)}
	}
	return k, nil
}

// Len returns how many keys and how many literal values there are.
func (k ClientStateKeys) Len() (keys, literals int) { return len(k.keys), len(k.literals) }

// MinterID returns the id of the key that Mint uses, "" if there is no key.
func (k ClientStateKeys) MinterID() string {
	if k.minter == nil {
		return ""
	}
	return k.minter.id
}

// MintingBy returns the same keys, of which the first one in the file that may
// mint does; the first one of all if none may.
func (k ClientStateKeys) MintingBy(may func(id string) bool) ClientStateKeys {
	for _, key := range k.ordered {
		if may(key.id) {
			k.minter = key
			return k
		}
	}
	return k
}

// IDs returns the ids of the keys, sorted.
func (k ClientStateKeys) IDs() []string { return slices.Sorted(maps.Keys(k.keys)) }

// Mint returns a clientState for subscriptions of the tenant, made with the
// first key and a nonce that the caller took from a random source. At most 128
// characters. It fails without a key, and without a tenant: a notification of
// no tenant could not be told from a forged one.
func (k ClientStateKeys) Mint(tenantID string, nonce [16]byte) (string, error) {
	switch {
	case k.minter == nil:
		return "", errors.New("mint client state: there is no key")
	case tenantID == "" || len(tenantID) > maxTenantID || strings.ContainsAny(tenantID, "\r\n"):
		return "", errors.New("mint client state: not a tenant id")
	}
	whole := nonce[:]
	if guid, err := guidBytes(tenantID); err == nil {
		whole = append(whole, guid[:]...)
	}
	n := base64.RawURLEncoding.EncodeToString(whole)
	m := k.minter.mac(tenantID, n)
	defer k.minter.macs.Put(m)
	return clientStatePrefix + k.minter.id + "." + n + "." + string(m.text[:]), nil
}

// TenantOf returns the tenant id in a clientState that Mint made, in lower case;
// "" if there is none. It proves nothing: see Check.
func TenantOf(clientState string) string {
	rest, ours := strings.CutPrefix(clientState, clientStatePrefix)
	if !ours || len(clientState) > maxClientState {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ".")
	nonce, _, _ := strings.Cut(rest, ".")
	whole, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(whole) != 2*nonceBytes {
		return ""
	}
	g := hex.EncodeToString(whole[nonceBytes:])
	return strings.Join([]string{g[:8], g[8:12], g[12:16], g[16:20], g[20:]}, "-")
}

// guidBytes returns the 16 bytes of a GUID in its usual form.
func guidBytes(id string) (guid [nonceBytes]byte, err error) {
	parts := strings.Split(id, "-")
	if len(id) != 36 || len(parts) != 5 || len(parts[0]) != 8 || len(parts[1]) != 4 || len(parts[2]) != 4 || len(parts[3]) != 4 {
		return guid, errors.New("read tenant id: not a GUID")
	}
	_, err = hex.Decode(guid[:], []byte(strings.Join(parts, "")))
	return guid, err
}

// Check returns nil if clientState is one of ours for the tenant or one of the
// literal values, else a *Rejection with one of the reasons client_state_*. How
// long it takes depends on lengths and on the key id, never on how much of a
// MAC or of a literal was right.
func (k ClientStateKeys) Check(tenantID, clientState string) error {
	if clientState == "" {
		return &Rejection{Reason: ClientStateMissing}
	}
	rest, ours := strings.CutPrefix(clientState, clientStatePrefix)
	if !ours {
		return k.checkLiteral(clientState)
	}
	id, rest, _ := strings.Cut(rest, ".")
	nonce, mac, _ := strings.Cut(rest, ".")
	if len(clientState) > maxClientState || !isBase64URL(id) || !isBase64URL(nonce) ||
		len(mac) != clientStateMACText || !isBase64URL(mac) {
		return &Rejection{Reason: ClientStateMalformed}
	}
	key := k.keys[id]
	if key == nil {
		return &Rejection{Reason: ClientStateUnknownKey}
	}
	if len(tenantID) > maxTenantID {
		return &Rejection{Reason: ClientStateMismatch}
	}
	m := key.mac(tenantID, nonce)
	defer key.macs.Put(m)
	// The texts are compared, not the bytes: base64 has several texts for the
	// same bytes, and only ours is right.
	if subtle.ConstantTimeCompare(m.text[:], []byte(mac)) != 1 {
		return &Rejection{Reason: ClientStateMismatch}
	}
	return nil
}

// checkLiteral compares digests, and all of them, so that time tells neither
// length nor place of a near miss.
func (k ClientStateKeys) checkLiteral(clientState string) error {
	if len(clientState) > maxLiteral {
		return &Rejection{Reason: ClientStateMismatch}
	}
	digest := sha256.Sum256([]byte(clientState))
	found := 0
	for i := range k.literals {
		found |= subtle.ConstantTimeCompare(k.literals[i][:], digest[:])
	}
	if found != 1 {
		return &Rejection{Reason: ClientStateMismatch}
	}
	return nil
}

// mac returns a clientStateMAC whose text is the MAC; the caller puts it back.
func (k *clientStateKey) mac(tenantID, nonce string) *clientStateMAC {
	m, _ := k.macs.Get().(*clientStateMAC) // New makes nothing else
	m.msg = m.msg[:0]
	for i := range len(tenantID) {
		c := tenantID[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		m.msg = append(m.msg, c)
	}
	m.msg = append(m.msg, '\n')
	m.msg = append(m.msg, nonce...)
	m.hash.Reset()
	m.hash.Write(m.msg)
	m.sum = m.hash.Sum(m.sum[:0])
	base64.RawURLEncoding.Encode(m.text[:], m.sum)
	return m
}

// isBase64URL reports whether s is made of base64url's 64 characters, at least
// one of them: no dot, so that the parts of a clientState cannot be read in two
// ways, and no look-alike from beyond ASCII.
func isBase64URL(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != ""
}
