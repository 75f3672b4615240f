package bridge

// maxPath bounds, in bytes, the paths, URLs and ids that are looked into: the
// longest real ones, with a join URL encoded three times, stay under 2 KiB.
const maxPath = 32 << 10

// Resource is a parsed Graph resource path: that of an item, of a subscription
// or of an @odata.id (FACTS §5, §5.1). A member that the path does not hold is
// "". Ids are percent-decoded and unquoted, so that every spelling of a path
// gives the same Resource; those of valid UTF-8 stay so.
type Resource struct {
	// Kind is Other for a path that has no record type of its own. The ids that
	// were read before the unknown part are kept all the same.
	Kind Kind
	// Collection reports that the path ends in a collection or in a function, as
	// those of subscriptions do, and names no single resource of its kind. Call
	// events have no path of their own: theirs is a collection in items too.
	Collection bool

	UserID    string
	TeamID    string
	ChannelID string
	ChatID    string
	MessageID string // of the message replied to, when ReplyID is set
	ReplyID   string
	MemberID  string

	MeetingID    string // of an online meeting, base64 as sent
	JoinWebURL   string // the join URL as Teams hands it out, its own escapes kept
	CallID       string // of an ad hoc call
	RecordingID  string
	TranscriptID string

	AppID          string // in the app catalogue
	InstallationID string

	EventType      string // webinars, townhalls or events, else as sent
	EventID        string // of the webinar or town hall
	SessionID      string
	RegistrationID string
	ReportID       string // of an attendance report
}

// ParseResource returns what path names. It never fails: an unknown, malformed
// or overlong path has Kind Other.
//
// It takes every spelling of FACTS §5.1: a leading or trailing slash, absolute
// URLs, keys as ('id'), (id) or /id in any mixture, doubled quotes, fixed
// segments in any letter case, the whole path or parts of it percent-encoded up
// to three times, and queries, which it ignores but for the $filter on
// joinWebUrl that addressed meetings in 2022.
func ParseResource(path string) Resource {
	var r Resource
	if len(path) > maxPath {
		return r
	}
	p := scanner{s: path}
	p.origin()
	at := r.walk(&p)
	if at == meetings && r.MeetingID == "" && r.JoinWebURL == "" {
		r.JoinWebURL = p.filteredJoinURL()
	}
	r.Kind = at.kind()
	if at == meetings && r.JoinWebURL != "" {
		r.Kind = MeetingCallEvent
	}
	if r.Kind == Other {
		r.Collection = false
	}
	return r
}

// walk follows the path segment by segment, notes the ids on its way and
// returns the place where it ends: nowhere, if it leaves the known ones.
func (r *Resource) walk(p *scanner) place {
	at := root
	for {
		p.slashes()
		if p.atEnd() {
			return at
		}
		name := p.name()
		at = at.child(name)
		if at == events {
			r.EventType = eventType(name)
		}
		for again := true; again; {
			at, again = r.enter(p, at)
		}
		if at == nowhere || !p.atBoundary() {
			return nowhere
		}
	}
}

// enter reads what stands behind the name of the place at: its key, if it is a
// collection, or the arguments of a function. It returns the place reached, and
// true if that one is a function or collection that has still to be entered.
func (r *Resource) enter(p *scanner, at place) (place, bool) {
	var ignored string
	id := r.id(at, &ignored)
	r.Collection = id != nil || at.collects()
	if id == nil {
		if at == nowhere || !p.skipArguments() {
			return nowhere, false
		}
		return at, false
	}
	slashes, depth := p.slashes()
	switch {
	case p.atEnd():
		return at, false
	case slashes > 1:
		return nowhere, false
	case p.at('('):
		var ok bool
		if at == meetings {
			*id, r.JoinWebURL, ok = p.key()
		} else {
			var joinURL string
			*id, joinURL, ok = p.key()
			ok = ok && joinURL == ""
		}
		if !ok {
			return nowhere, false
		}
	default:
		if c := p.s[p.i] | 0x20; c == 'g' || c == 'a' { // as get… and the adhocCalls slip
			start := p.i
			if f, ok := at.function(p.name()); ok {
				return f, true
			}
			p.i = start
		}
		*id = decodeID(p.segment(depth))
		if *id == "" {
			return nowhere, false
		}
	}
	r.Collection = false
	return at, false
}

// id returns where the id of a member of the collection at belongs, nil if at
// is no collection with ids; ignored takes those that no record needs.
func (r *Resource) id(at place, ignored *string) *string {
	switch at {
	case users:
		return &r.UserID
	case teams:
		return &r.TeamID
	case channels:
		return &r.ChannelID
	case chats, appChats:
		return &r.ChatID
	case messages:
		return &r.MessageID
	case replies:
		return &r.ReplyID
	case members:
		return &r.MemberID
	case meetings, appMeetings:
		return &r.MeetingID
	case adhocCalls:
		return &r.CallID
	case recordings:
		return &r.RecordingID
	case transcripts:
		return &r.TranscriptID
	case apps:
		return &r.AppID
	case installations:
		return &r.InstallationID
	case events:
		return &r.EventID
	case sessions:
		return &r.SessionID
	case registrations:
		return &r.RegistrationID
	case reports:
		return &r.ReportID
	case tenants, sharedTeams:
		return ignored
	default:
		return nil
	}
}
