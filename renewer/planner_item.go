package renewer

import (
	"iter"
	"time"
	"unique"

	"meetbridge/bridge/graph"
)

// item is what a Planner knows of one key. There are a hundred thousand of them,
// so that each holds what differs and shares the rest: a State takes 640 bytes,
// and what an item holds of it less than a hundred.
type item struct {
	key    Key
	wish   *Desired
	state  packed
	action *Action // if ready
	turn   moment  // when its action changes by itself, if turns
	at     int32   // index in later, -1 if it is not there
	ready  int32   // index in its tenant's queue, -1 if it is not there
	known  bool    // there is a state
	out    bool    // its action was handed out
}

// moment is an instant in microseconds since 1970, which is how exactly a state
// record has it. The zero time.Time has one as any other.
type moment int64

func momentOf(t time.Time) moment { return moment(t.UnixMicro()) }

// atOrAfter returns the first moment that is not before t.
func atOrAfter(t time.Time) moment {
	m := momentOf(t)
	if m.time().Before(t) {
		m++
	}
	return m
}

func (m moment) time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// packed is a State without its key, its times in microseconds.
type packed struct {
	id     string // SubscriptionID
	shared unique.Handle[shared]
	seldom *seldom // nil for one whose members are all zero

	updated, created, renewed, reauthorized, expires, proof, read moment
}

// shared is what is the same in most states of a tenant.
type shared struct {
	status                        Status
	proof                         Proof
	application                   string
	version                       graph.Version
	rich                          bool
	query                         string
	notificationURL, lifecycleURL string
	certificate, thumbprint       string
	clientStateKey                string
}

// seldom is what few states have: something is under way or wrong.
type seldom struct {
	intent           ActionKind
	intentAt         time.Time
	next             time.Time
	attempts, status int
	code, text       string
	failed           time.Time
	gap              OpenGap
	orphan           bool
	asked            time.Time
}

func pack(s *State) packed {
	p := packed{
		id: s.SubscriptionID,
		shared: unique.Make(shared{
			s.Status, s.Proof, s.ApplicationID, s.Version, s.Rich, s.QueryOptions, s.NotificationURL, s.LifecycleURL,
			s.CertificateID, s.Thumbprint, s.ClientStateKeyID,
		}),
		updated: momentOf(s.UpdatedAt), created: momentOf(s.CreatedAt), renewed: momentOf(s.RenewedAt),
		reauthorized: momentOf(s.ReauthorizedAt), expires: momentOf(s.ExpiresAt), proof: momentOf(s.ProofAt), read: momentOf(s.ReadAt),
	}
	few := seldom{
		s.Intent, s.IntentAt, s.NextAttemptAt, s.Attempts, s.ErrorStatus, s.ErrorCode, s.Error, s.ErrorAt, s.Gap, s.Orphan, s.AskedAt,
	}
	if few != (seldom{}) {
		p.seldom = &few
	}
	return p
}

// unpack sets s to the state of key k.
func (p *packed) unpack(k Key, s *State) {
	w := p.shared.Value()
	*s = State{
		Key: k, Status: w.status, UpdatedAt: p.updated.time(),
		SubscriptionID: p.id, ApplicationID: w.application, Version: w.version, Rich: w.rich, QueryOptions: w.query,
		NotificationURL: w.notificationURL, LifecycleURL: w.lifecycleURL, CertificateID: w.certificate, Thumbprint: w.thumbprint,
		ClientStateKeyID: w.clientStateKey,
		CreatedAt:        p.created.time(), RenewedAt: p.renewed.time(), ReauthorizedAt: p.reauthorized.time(), ExpiresAt: p.expires.time(),
		ProofAt: p.proof.time(), Proof: w.proof, ReadAt: p.read.time(),
	}
	if few := p.seldom; few != nil {
		s.Intent, s.IntentAt, s.NextAttemptAt, s.Attempts = few.intent, few.intentAt, few.next, few.attempts
		s.ErrorStatus, s.ErrorCode, s.Error, s.ErrorAt = few.status, few.code, few.text, few.failed
		s.Gap, s.Orphan, s.AskedAt = few.gap, few.orphan, few.asked
	}
}

// states are many, packed.
type states map[Key]packed

// byKey returns them as they are worked with.
func (m states) byKey() map[Key]State {
	plain := make(map[Key]State, len(m))
	for s := range m.all() {
		plain[s.Key] = s
	}
	return plain
}

// all ranges over them, in no order.
func (m states) all() iter.Seq[State] {
	return func(yield func(State) bool) {
		for k, p := range m {
			var s State
			if p.unpack(k, &s); !yield(s) {
				return
			}
		}
	}
}
