package bridge

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// identitySet is Graph's identitySet and the types derived from it, open ones
// (FACTS §5.3): at most one member is set as a rule; of several, user wins, then
// the first.
type identitySet struct {
	kind str // the member's name: user, application, guest, …
	who  who
}

// who is Graph's identity and the types derived from it.
type who struct {
	ID           str `json:"id"`
	DisplayName  str `json:"displayName"`
	TenantID     str `json:"tenantId"`
	User         str `json:"userIdentityType"`
	Application  str `json:"applicationIdentityType"`
	Conversation str `json:"conversationIdentityType"`
}

// identityType returns whichever of the identity types is set.
func (w *who) identityType() *string {
	return w.User.or(w.Application.or(&w.Conversation)).ptr()
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *identitySet) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*s = identitySet{}
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '{':
	default:
		return errShape
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return err
		}
		name, known := identityKind(quoted)
		switch d.PeekKind() {
		case '{':
			if s.kind.ok && (name != "user" || s.kind.s == "user") {
				err = d.SkipValue()
				break
			}
			s.kind, s.who = str{name, true}, who{}
			err = json.UnmarshalDecode(d, &s.who)
		case 'n':
			err = d.SkipValue()
		default:
			if known {
				return errShape
			}
			err = d.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// identityKind returns the name of an identity set's member, given in quotes,
// as Graph writes it today (in 2022 it began with a capital), and whether it is
// a name that always holds an identity.
func identityKind(quoted jsontext.Value) (name string, known bool) {
	if quoted.Kind() != '"' || len(quoted) < 3 {
		return "", false
	}
	switch string(quoted[1 : len(quoted)-1]) {
	case "user", "User":
		return "user", true
	case "application", "Application":
		return "application", true
	case "device", "Device":
		return "device", true
	case "guest", "Guest":
		return "guest", true
	case "phone", "Phone":
		return "phone", true
	case "conversation":
		return "conversation", true
	}
	b, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil || len(b) == 0 {
		return "", false
	}
	return strings.ToLower(string(b[:1])) + string(b[1:]), false
}
