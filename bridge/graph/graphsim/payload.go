package graphsim

import "time"

// Times as Graph writes them (FACTS §5.1): mostly seven digits, milliseconds in
// messages, sometimes an offset or no fraction at all.
const (
	layout7      = "2006-01-02T15:04:05.0000000Z"
	layoutOffset = "2006-01-02T15:04:05.0000000-07:00"
	layoutMillis = "2006-01-02T15:04:05.000Z"
	layoutWhole  = "2006-01-02T15:04:05Z"
)

func time7(t time.Time) string      { return t.UTC().Format(layout7) }
func timeMillis(t time.Time) string { return t.UTC().Format(layoutMillis) }

// identity is an open type: what a member does not have is left out.
type identity struct {
	ODataType        string  `json:"@odata.type,omitzero"`
	UserIdentityType string  `json:"userIdentityType,omitzero"`
	ID               string  `json:"id"`
	DisplayName      *string `json:"displayName"`
	TenantID         string  `json:"tenantId,omitzero"`
}

// identitySet is a communicationsIdentitySet that leaves out what is not set,
// as call events have it.
type identitySet struct {
	Application *identity `json:"application,omitzero"`
	User        *identity `json:"user,omitzero"`
	Guest       *identity `json:"guest,omitzero"`
	Phone       *identity `json:"phone,omitzero"`
	ACS         *identity `json:"azureCommunicationServicesUser,omitzero"`
}

// identitySetNulls is an identitySet that writes null, as messages and
// recordings have it.
type identitySetNulls struct {
	Application *identity `json:"application"`
	Device      *identity `json:"device"`
	User        *identity `json:"user"`
}

// aadUser returns p as the identity of a user of an organisation.
func aadUser(p *person, withName bool) *identity {
	id := &identity{UserIdentityType: "aadUser", ID: p.id, TenantID: p.tenantID}
	if withName {
		id.DisplayName = new(p.name)
	}
	return id
}
