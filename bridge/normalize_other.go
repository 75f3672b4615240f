package bridge

import (
	"strings"
	"time"

	"meetbridge/schemas"
)

// other returns the record of a resource that has no type of its own. Of a rich
// notification the payload's @odata.type says more than resourceData's.
func (in *input) other() (fed, stamp, error) {
	own := &struct {
		rec schemas.OtherNotification

		ODataType str `json:"@odata.type"`
	}{}
	if err := unmarshal(in.text, own); err != nil {
		return nil, stamp{}, err
	}
	rec := &own.rec
	rec.ID, rec.OdataID = in.data.ID.ptr(), in.data.ODataID.ptr()
	rec.OdataType = own.ODataType.or(&in.data.ODataType).ptr()
	return rec, stamp{}, nil
}

// lifecycleRecord returns the record of a lifecycle notice (FACTS §3). Notices
// that differ in nothing follow one another within minutes and each may count,
// so only one with an id of its own can be recognised when it comes again.
func lifecycleRecord(it *Item, receivedAt time.Time, rules Rules) (Record, bool) {
	d := identity{}
	if it.ID != "" {
		d = identity{"lifecycle", it.LifecycleEvent + "\x00" + it.ID}
	}
	eventID, lasting := rules.id(it, d, receivedAt)
	notice := &schemas.LifecycleNotice{
		EventID: eventID, TenantID: optional(&it.TenantID), SubscriptionID: it.SubscriptionID,
		LifecycleEvent: it.LifecycleEvent, Resource: optional(&it.Resource), ReceivedAt: receivedAt,
	}
	if change := strings.ToLower(it.ChangeType); change != "" {
		notice.ChangeType = &change
	}
	if t, ok := parseTime([]byte(it.ExpirationTime)); ok {
		notice.SubscriptionExpiresAt = &t
	}
	if !rules.DropPayload {
		notice.Payload = asText(WithoutClientState(it.Raw))
	}
	return Record{
		Kind: Lifecycle, Key: first(it.SubscriptionID, "unknown"), EventID: eventID, ReceivedAt: receivedAt,
		Value: notice, Type: typeName(it.LifecycleEvent, "lifecycleNotice"),
	}, lasting
}
