package renewer

import (
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// Key names one subscription for as long as it is desired, whatever ids Graph
// gives to those that follow each other: it is what Graph allows an application
// to have once (409, FACTS §4.2).
type Key struct {
	TenantID   string // a GUID in lower case
	Resource   string // canonical: without leading slash, fixed segments spelled as Graph documents them
	ChangeType string // sorted, lower case, separated by commas
}

// String returns the Kafka key of the subscription's records in
// teams.subscriptions: the three parts separated by one space. Only the middle
// one may hold spaces.
func (k Key) String() string { return k.TenantID + " " + k.Resource + " " + k.ChangeType }

// ParseKey is the inverse of String; ok is false for what String never returns.
func ParseKey(s string) (k Key, ok bool) {
	first, last := strings.IndexByte(s, ' '), strings.LastIndexByte(s, ' ')
	if first <= 0 || last <= first+1 || last == len(s)-1 {
		return Key{}, false
	}
	return Key{TenantID: s[:first], Resource: s[first+1 : last], ChangeType: s[last+1:]}, true
}

// Certificate is the public part of a decryption key, which rich subscriptions
// carry (FACTS §2.3).
type Certificate struct {
	ID         string // encryptionCertificateId
	Thumbprint string // SHA-1, upper-case hex
	DER        string // base64 without armour: encryptionCertificate
}

// Desired is one subscription as it shall be.
type Desired struct {
	Key
	Rich            bool
	Lifetime        time.Duration // asked for at creation and renewal; at most what Graph allows less the skew margin
	NotificationURL string
	LifecycleURL    string // "" for none, with lifetimes up to 1 h only
	QueryOptions    string // notificationQueryOptions
	Version         graph.Version
	ApplicationID   string      // of the credential
	Certificate     Certificate // zero for basic ones
	// ClientStateKeyID names the key that mints the clientState of the next
	// creation. The file of desired subscriptions does not say it: whoever has
	// the keys sets it.
	ClientStateKeyID string
	Line             int32 // of Wanted.File that asks for it
}

// Status is the word for what a subscription is at, as far as known.
type Status string

// The statuses. Aside is never written: it stands for a record that this
// version cannot read, which is left as it is, and its subscription with it.
const (
	Creating Status = "creating" // none lives yet, none died yet
	Active   Status = "active"   // lives
	Blocked  Status = "blocked"  // Graph refuses the last call for good: tried rarely. It may live still.
	Dead     Status = "dead"     // none lives; its gap is open
	Deleting Status = "deleting" // lives, undesired
	Deleted  Status = "deleted"  // gone, undesired: the record may go, too
	Aside    Status = "aside"
)

// Proof is the word for what showed last that a subscription lived.
type Proof string

// The proofs.
const (
	ByCreation        Proof = "created"
	ByRenewal         Proof = "renewed"
	ByReauthorization Proof = "reauthorized"
	ByReading         Proof = "read"
	ByNotice          Proof = "notified"
)

// State is what the renewer knows of one subscription: schemas.SubscriptionState
// in the form in which it is worked with. Times are UTC, zero for null; so are
// empty strings.
type State struct {
	Key
	Status    Status
	UpdatedAt time.Time

	// The subscription as Graph has it, as far as known. SubscriptionID is "" when
	// none lives.
	SubscriptionID   string
	ApplicationID    string
	Version          graph.Version
	Rich             bool
	QueryOptions     string
	NotificationURL  string
	LifecycleURL     string
	CertificateID    string
	Thumbprint       string
	ClientStateKeyID string // "": made with a key that nobody knows any more

	CreatedAt      time.Time
	RenewedAt      time.Time
	ReauthorizedAt time.Time
	ExpiresAt      time.Time
	ProofAt        time.Time // last proof of life
	Proof          Proof
	ReadAt         time.Time // last attempt to read it back that got an answer

	// Intent is the call that is under way since IntentAt; "" for none.
	Intent   ActionKind
	IntentAt time.Time

	// The last failure, and how many there were since the last success. Nothing
	// is tried before NextAttemptAt.
	NextAttemptAt time.Time
	Attempts      int
	ErrorStatus   int
	ErrorCode     string
	Error         string
	ErrorAt       time.Time

	Gap OpenGap // zero for none

	// What follows is never written.

	// Orphan: the intent is that of a predecessor who died; TakeOver sets it and
	// Repair settles it.
	Orphan bool
	// AskedAt is when Graph asked to reauthorize; zero when it did not, or was
	// obeyed. A notice may be forgotten (its offset committed) once this is zero.
	AskedAt time.Time
}

// OpenGap is a gap that has not closed yet.
type OpenGap struct {
	ID                string
	From              time.Time
	Cause             Cause
	OldSubscriptionID string
}

// Cause is the word for why there is a gap.
type Cause string

// The causes.
const (
	CauseExpired  Cause = "expired"   // its time ran out
	CauseRemoved  Cause = "removed"   // subscriptionRemoved
	CauseMissed   Cause = "missed"    // missed: it lives, but notifications were lost
	CauseHeld     Cause = "held"      // it lives, but its delivery was paused for longer than Graph holds what it has to say
	CauseNotFound Cause = "not_found" // Graph answered 404: it died in silence
	CauseReplaced Cause = "replaced"  // deleted in order to create it anew with what no PATCH can change
	CauseBlocked  Cause = "blocked"   // the first creation is refused for good
	CauseFailed   Cause = "failed"    // the first creation failed, and is tried again
)

// Gap is one record of teams.gaps: schemas.SubscriptionGap in the form in which
// it is worked with. To is zero in the record that opens it.
type Gap struct {
	EventID           string
	GapID             string
	Key               Key
	From, To          time.Time
	RecordedAt        time.Time
	Cause             Cause
	Evidence          string
	OldSubscriptionID string
	NewSubscriptionID string
}

// Notice is one lifecycle notice of Graph (FACTS §3).
type Notice struct {
	TenantID       string
	SubscriptionID string
	Event          string // reauthorizationRequired, subscriptionRemoved, missed
	ReceivedAt     time.Time
	ExpiresAt      time.Time // subscriptionExpirationDateTime, zero for none
}

// ActionKind is the word for one thing to do. Those that Graph is called for and
// that change something are recorded as intents.
type ActionKind string

// The kinds of actions. There is none for reauthorizing: a PATCH renews and
// reauthorizes in one call (FACTS §3).
const (
	Create  ActionKind = "create"  // POST; on 409 GET of the id in its text, for Outcome.Existing
	Renew   ActionKind = "renew"   // PATCH of expirationDateTime, and of Changes
	Replace ActionKind = "replace" // DELETE, then POST at once
	Delete  ActionKind = "delete"  // DELETE
	Read    ActionKind = "read"    // GET by id. Its intent need not be written, only kept in mind.
	List    ActionKind = "list"    // GET of all of the tenant, for Repair of its orphans. Only Key.TenantID is set.
	Forget  ActionKind = "forget"  // no call: undesired, and none lives
)

// Change is a property that a renewal changes in passing.
type Change string

// The changes that a PATCH can make.
const (
	ChangeURL         Change = "notification_url"
	ChangeCertificate Change = "certificate"
)

// Action is one thing to do. It is good as long as the state and the wish that
// it was made from stand.
type Action struct {
	Kind ActionKind
	Key
	SubscriptionID string    // which; "" for create and list
	Want           *Desired  // nil if undesired, and for list until each orphan is told of it
	Expires        time.Time // expirationDateTime to ask for: create, renew, replace
	Changes        []Change  // renew
	Why            string    // in words, for people
	Due            time.Time // from when on
	Deadline       time.Time // when it lapses without; zero: never, or it is dead already
	rank           int
}

// Outcome is what became of the call or calls of an action.
type Outcome struct {
	// Subscription is what Graph returned: create, renew, read, replace.
	Subscription graph.Subscription
	// Existing is the subscription that stands in the way of a creation (409), if
	// it could be read.
	Existing *graph.Subscription
	// Deleted reports that the DELETE of a replacement was answered by 204, Gone
	// that it was by 404. Without either, the POST must not be made.
	Deleted, Gone bool
	// Err is why it failed, a *graph.Error if Graph answered; nil for success.
	Err error
}
