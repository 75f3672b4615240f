package graphsim

import (
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// item is one change notification or lifecycle notice on its way. Nothing in it
// changes once the world has let it go: copies of it share it.
type item struct {
	entry *Entry // what take will enter into the ledger; then nil
	track *track
	sub   *subscription

	changeType     string
	resource       string // as sent
	odataID        string
	odataType      string
	id             string // resourceData.id
	notificationID string // the item's own id; Teams sends none (FACTS §1.2)
	lifecycleEvent string // non-empty: a lifecycle notice
	tenantID       string // as sent, "" for none
	expires        string // the subscription's, as text
	payload        []byte // nil: basic

	organization bool // organizationId beside tenantId, as call events have it
	nullContent  bool // encryptedContent: null in a basic item
	capital      bool // "EncryptedContent" and "Created", as old chat samples have it
	forgery      Fault
	foreignState string // with the API: the clientState of another tenant, for its forgery

	shared *sealing // set: all copies are sealed once, and the same to the byte
}

// sealing is what the copies of an item share. Whichever is written first makes
// it; nothing changes it then.
type sealing struct {
	once    sync.Once
	content *sealedContent
	err     error
}

// seal returns the item's payload sealed.
func (it *item) seal() (*sealedContent, error) {
	if it.shared == nil {
		return it.sub.sealer.seal(it.payload)
	}
	it.shared.once.Do(func() { it.shared.content, it.shared.err = it.sub.sealer.seal(it.payload) })
	return it.shared.content, it.shared.err
}

// wireItem is an item as JSON.
type wireItem struct {
	ID               string         `json:"id,omitzero"`
	SubscriptionID   string         `json:"subscriptionId,omitzero"`
	ChangeType       string         `json:"changeType,omitzero"`
	ClientState      string         `json:"clientState,omitzero"`
	LifecycleEvent   string         `json:"lifecycleEvent,omitzero"`
	Expires          string         `json:"subscriptionExpirationDateTime"`
	Resource         string         `json:"resource,omitzero"`
	ResourceData     *wireResource  `json:"resourceData,omitzero"`
	OrganizationID   string         `json:"organizationId,omitzero"`
	EncryptedContent any            `json:"encryptedContent,omitzero"` // *sealedContent; a nil one is written as null
	CapitalContent   *sealedContent `json:"EncryptedContent,omitzero"`
	TenantID         string         `json:"tenantId,omitzero"`
}

// wireResource is resourceData.
type wireResource struct {
	ID        string `json:"id"`
	ODataType string `json:"@odata.type"`
	ODataID   string `json:"@odata.id"`
}

// rich reports whether the item carries its resource.
func (it *item) rich() bool { return it.payload != nil }

// append writes the item to dst.
func (it *item) append(dst []byte, f *forger) ([]byte, error) {
	w := wireItem{
		ID:             it.notificationID,
		SubscriptionID: it.sub.id,
		ChangeType:     it.changeType,
		ClientState:    it.sub.clientState,
		LifecycleEvent: it.lifecycleEvent,
		Expires:        it.expires,
		Resource:       it.resource,
		TenantID:       it.tenantID,
	}
	if it.resource != "" {
		w.ResourceData = &wireResource{ID: it.id, ODataType: it.odataType, ODataID: it.odataID}
	}
	if it.organization {
		w.OrganizationID = it.tenantID
	}
	var sealed *sealedContent
	if it.rich() {
		var err error
		if sealed, err = it.seal(); err != nil {
			return nil, err
		}
	}
	if it.forgery != "" {
		var err error
		if sealed, err = f.alter(it, &w, sealed); err != nil {
			return nil, err
		}
	}
	switch {
	case sealed != nil && it.capital:
		w.CapitalContent = sealed
	case sealed != nil || it.nullContent:
		w.EncryptedContent = sealed
	}
	if it.forgery == ForgeMalformedItem {
		return f.appendMalformed(dst, it, w)
	}
	return appendJSON(dst, w)
}

// appendJSON appends v as JSON to dst.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write item: %w", err)
	}
	return append(dst, b...), nil
}

// grow returns payload with members at its end that nobody documented.
func grow(payload []byte, n int) []byte {
	end := len(payload) - 1 // the closing brace
	out := append(make([]byte, 0, len(payload)+96), payload[:end]...)
	if end > 1 {
		out = append(out, ',')
	}
	return fmt.Appendf(out, `"futureProperty%d":{"state":"unknownFutureValue","ratio":0.1,"big":12345678901234567890,"tags":["ä","\u2028",null]}}`, n%7)
}

// misfit returns payload with the first of its members that is an array, an
// object or a time replaced by a number.
func misfit(payload []byte) ([]byte, bool) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(payload, &members); err != nil {
		return payload, false
	}
	for _, name := range []string{"participants@delta", "body", "meetingOrganizer", "funSettings", "onlineMeetingInfo", "roles", "createdDateTime", "eventDateTime"} {
		if v, ok := members[name]; ok && v.Kind() != 'n' && v.Kind() != '0' {
			members[name] = jsontext.Value("42")
			out, err := json.Marshal(members, json.Deterministic(true))
			return out, err == nil
		}
	}
	return payload, false
}
