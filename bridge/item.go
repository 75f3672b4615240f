package bridge

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Item is one change notification or lifecycle notice, its JSON decoded once.
// Member names are matched in any letter case, since Graph has sent
// "EncryptedContent" too (FACTS §5.1). What is absent or null is zero.
type Item struct {
	ID               string            `json:"id"` // the notification's own id; absent in every Teams sample
	SubscriptionID   string            `json:"subscriptionId"`
	TenantID         string            `json:"tenantId"`
	OrganizationID   string            `json:"organizationId"` // seen beside tenantId in call events
	ClientState      string            `json:"clientState"`
	ChangeType       string            `json:"changeType"`     // as sent; compare folded
	LifecycleEvent   string            `json:"lifecycleEvent"` // non-empty: a lifecycle notice
	Resource         string            `json:"resource"`
	ExpirationTime   string            `json:"subscriptionExpirationDateTime"` // as sent
	ResourceData     jsontext.Value    `json:"resourceData"`                   // as sent
	EncryptedContent *EncryptedContent `json:"encryptedContent"`               // nil: a basic notification

	Raw jsontext.Value `json:"-"` // the item exactly as received
}

// EncryptedContent is the sealed resource of a rich notification, each member
// as sent (FACTS §2.2).
type EncryptedContent struct {
	Data                  string `json:"data"`          // base64: AES-256-CBC of the payload
	DataKey               string `json:"dataKey"`       // base64: RSA-OAEP of the symmetric key
	DataSignature         string `json:"dataSignature"` // base64: HMAC-SHA256 over the decoded Data
	CertificateID         string `json:"encryptionCertificateId"`
	CertificateThumbprint string `json:"encryptionCertificateThumbprint"`
}

// Rich reports whether the item carries a sealed resource.
func (it *Item) Rich() bool { return it.EncryptedContent != nil }

// DecodeItem returns the item in raw, which it keeps: the caller must not
// change raw afterwards. An item that is no object, has a member of the wrong
// JSON type, a duplicate member or invalid UTF-8, or names no subscription is a
// *Rejection with MalformedItem; the item returned beside it then holds only
// Raw.
func DecodeItem(raw jsontext.Value) (*Item, error) {
	it := &Item{}
	err := json.Unmarshal(raw, it, json.MatchCaseInsensitiveNames(true))
	if err == nil && raw.Kind() != '{' {
		err = errNotObject
	}
	if err == nil && it.SubscriptionID == "" {
		err = errNoSubscription
	}
	if err != nil {
		return &Item{Raw: raw}, &Rejection{Reason: MalformedItem, Detail: err}
	}
	it.Raw = raw
	return it, nil
}
