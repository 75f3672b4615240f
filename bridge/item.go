package bridge

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Item is one change notification or lifecycle notice, its JSON decoded once, by
// Decode or DecodeItem. Member names are matched in any letter case, since Graph
// has sent "EncryptedContent" too (FACTS §5.1). What is absent or null is zero.
type Item struct {
	ID               string            // the notification's own id; absent in every Teams sample
	SubscriptionID   string            // never empty
	TenantID         string            // "" in town halls' (FACTS §1.2)
	OrganizationID   string            // seen beside tenantId in call events
	ClientState      string            //
	ChangeType       string            // as sent; compare folded
	LifecycleEvent   string            // non-empty: a lifecycle notice
	Resource         string            //
	ExpirationTime   string            // subscriptionExpirationDateTime as sent
	ResourceData     string            // JSON, as sent; "" for null
	EncryptedContent *EncryptedContent // nil: a basic notification

	Raw jsontext.Value // the item exactly as received

	data resourceData // what ResourceData says
}

// resourceData is what an item says of its resource in clear. Its id is a trap:
// a whole path, a timestamp, or another resource's id, at times (FACTS §5.1).
type resourceData struct {
	ODataType str
	ODataID   str
	ID        str

	more bool // there are other members
	odd  bool // it is no object, or one of these is no string
}

// EncryptedContent is the sealed resource of a rich notification, each member
// as sent (FACTS §2.2).
type EncryptedContent struct {
	Data                  string // base64: AES-256-CBC of the payload
	DataKey               string // base64: RSA-OAEP of the symmetric key
	DataSignature         string // base64: HMAC-SHA256 over the decoded Data
	CertificateID         string // encryptionCertificateId
	CertificateThumbprint string // encryptionCertificateThumbprint
}

// Rich reports whether the item carries a sealed resource.
func (it *Item) Rich() bool { return it.EncryptedContent != nil }

// DecodeItem returns the item in raw, which it keeps: the caller must not
// change raw afterwards. An item that is no object, has a member of the wrong
// JSON type, a duplicate member or invalid UTF-8, or names no subscription is a
// *Rejection with MalformedItem; the item returned beside it then holds only
// Raw.
func DecodeItem(raw jsontext.Value) (*Item, error) {
	r := newItemReader(raw)
	err := json.Unmarshal(raw, r)
	if err == nil && r.item.SubscriptionID == "" {
		err = errNoSubscription
	}
	if err != nil {
		return &Item{Raw: raw}, &Rejection{Reason: MalformedItem, Detail: err}
	}
	return &r.item, nil
}
