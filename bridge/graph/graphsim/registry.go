package graphsim

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// never is a time that does not come, as nanoseconds.
const never = math.MaxInt64

// registry owns the subscriptions that were made through the API: their rules,
// their lives, and whom an event of the world is told to. It reads no clock;
// times come in.
type registry struct {
	api      API
	catalog  catalog
	ledger   *ledger
	faults   *faultPlan
	log      *slog.Logger
	endpoint func(url string) (*endpoint, error)
	wake     chan struct{} // the clerk has something to look at; holds one

	mu      sync.Mutex
	rng     *rand.Rand
	tenants map[string]*directory // by id and by domain, lower case
	byID    map[guid]*living
	queue   dueQueue
	seq     int
	sealers map[resourceKey]*sealer // by certificate, so that equal ones are kept once
	outbox  []outgoing
	late    []lateNotice
	posts   int
	lives   []lifeRecord
	events  []Event
	counts  registryCounts
}

// registryCounts count what happened, over all subscriptions.
type registryCounts struct {
	lives        map[LifeKind]int
	notices      map[string]int
	events       int
	unheard      int // events that no living subscription covered
	told, held   int // items
	heldTooLong  int
	tooSoonTwice int // renewed and reauthorized within ten minutes
}

// directory is a tenant as the API sees it.
type directory struct {
	id, domain string
	byKey      map[resourceKey]*living // the newest of those with one path; next leads on
	all        []*living               // in order of creation, nil for the dead
	dead       int                     // nils in all
	teams      int                     // how many count among the organisation's quota
	groups     map[string]int          // subscriptions by kindLimits.group, and by group and app
	buried     []*living               // the last few that died
}

// living is one subscription. The registry's mutex guards it; sub is replaced
// rather than changed, since items that are under way point to it.
type living struct {
	sub      *subscription
	seq      int
	kind     *resourceKind
	owner    *clientApp
	tenant   *directory
	key      resourceKey
	filter   *filter
	extra    *extraProperties // nil: nothing out of the ordinary
	next     *living          // of the same tenant and path
	to       *endpoint        // notices; nil: no lifecycleNotificationUrl
	backlog  *backlog         // told while it was paused; nil: nothing
	vouched  int64            // until when delivery goes on
	notice   int64            // when the next reauthorizationRequired comes
	doom     int64            // when Graph removes it
	renewed  int64            // last PATCH
	reauthed int64            // last reauthorize
	due      int64            // the earliest of these and of its expiry
	place    int32            // in the queue; -1: not there
	changes  changeSet
	asked    uint8 // notices since it was last vouched for
	told     bool  // doom comes with a notice
	paused   bool
	gone     bool
}

// backlog is what a paused subscription was told, and when.
type backlog struct {
	items []*item
	since []int64
}

// size returns how many items b holds; b may be nil.
func (b *backlog) size() int {
	if b == nil {
		return 0
	}
	return len(b.items)
}

// extraProperties are those that few subscriptions have.
type extraProperties struct {
	tls, query, tokenApp string
}

// lifeRecord is a LifeEvent, compact: what it does not hold, living still knows.
type lifeRecord struct {
	at, expires int64
	living      *living
	sealer      *sealer   // as it then was
	to          *endpoint // as it then was
	kind        LifeKind
	notice      string
	call        int
}

// guid is a GUID as bytes: a third of what its text takes.
type guid [16]byte

// parseGUID reads the 36 characters of a GUID, any case.
func parseGUID(s string) (g guid, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, false
	}
	var b [32]byte
	n := copy(b[:], s[0:8])
	n += copy(b[n:], s[9:13])
	n += copy(b[n:], s[14:18])
	n += copy(b[n:], s[19:23])
	copy(b[n:], s[24:])
	_, err := hex.Decode(g[:], b[:])
	return g, err == nil
}

func newRegistry(c Config, l *ledger, f *faultPlan, find func(url string) (*endpoint, error)) *registry {
	return &registry{
		api: *c.API, catalog: newCatalog(), ledger: l, faults: f, log: c.Log, endpoint: find,
		wake: make(chan struct{}, 1), rng: rand.New(rand.NewPCG(c.Seed, 0x5b)),
		tenants: map[string]*directory{}, byID: map[guid]*living{}, sealers: map[resourceKey]*sealer{},
		counts: registryCounts{lives: map[LifeKind]int{}, notices: map[string]int{}},
	}
}

// admit makes a tenant known.
func (r *registry) admit(id, domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &directory{id: id, domain: domain, byKey: map[resourceKey]*living{}, groups: map[string]int{}}
	r.tenants[id], r.tenants[domain] = d, d
}

// tenant returns the tenant of that id or domain, nil for none.
func (r *registry) tenant(name string) *directory {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tenants[name]
}

// findLocked returns a living subscription; what should have expired by now has.
func (r *registry) findLocked(id string, now time.Time) *living {
	g, ok := parseGUID(id)
	if !ok {
		return nil
	}
	l := r.byID[g]
	if l != nil && !l.sub.expires.After(now) {
		r.buryLocked(l, LifeExpired, now, 0)
		return nil
	}
	return l
}

// insertLocked lets l live. Its id is new.
func (r *registry) insertLocked(l *living, now time.Time, call int) {
	g, _ := parseGUID(l.sub.id)
	r.seq++
	l.seq, l.place = r.seq, -1
	d := l.tenant
	r.byID[g] = l
	l.next, d.byKey[l.key] = d.byKey[l.key], l
	d.all = append(d.all, l)
	if l.kind.teams {
		d.teams++
	}
	d.countGroup(l, 1)
	r.recordLocked(l, LifeCreated, "", now, call)
	r.scheduleLocked(l)
}

// buryLocked ends the life of l.
func (r *registry) buryLocked(l *living, how LifeKind, now time.Time, call int) {
	g, _ := parseGUID(l.sub.id)
	d := l.tenant
	delete(r.byID, g)
	at := d.byKey[l.key]
	if at == l {
		d.byKey[l.key] = l.next
		if l.next == nil {
			delete(d.byKey, l.key)
		}
	} else {
		for at.next != l {
			at = at.next
		}
		at.next = l.next
	}
	l.next, l.gone = nil, true
	r.forgetLocked(d, l)
	if l.kind.teams {
		d.teams--
	}
	d.countGroup(l, -1)
	r.sparedLocked(l)
	r.queue.remove(l)
	if l.backlog != nil {
		r.ledger.dropped(l.backlog.items)
		r.counts.heldTooLong += l.backlog.size()
		l.backlog = nil
	}
	if r.faults.claim(NoticeLate) {
		r.lateLocked(l, noticeReauthorize, NoticeLate, now.Add(4*r.api.NoticeLead))
	}
	if d.buried = append(d.buried, l); len(d.buried) > 8 {
		d.buried = append(d.buried[:0], d.buried[1:]...)
	}
	r.recordLocked(l, how, "", now, call)
}

// countGroup enters n subscriptions more in the group of l, if it has one.
func (d *directory) countGroup(l *living, n int) {
	if group := l.kind.limits.group; group != "" {
		d.groups[group] += n
		d.groups[group+"\n"+l.owner.id] += n
	}
}

// forgetLocked takes l out of the order of creation.
func (r *registry) forgetLocked(d *directory, l *living) {
	i := d.place(l.seq)
	d.all[i] = nil
	d.dead++
	if d.dead > 32 && d.dead > len(d.all)/2 {
		kept := make([]*living, 0, len(d.all)-d.dead)
		for _, other := range d.all {
			if other != nil {
				kept = append(kept, other)
			}
		}
		d.all, d.dead = kept, 0
	}
}

// place returns the index in all of the first living subscription whose number
// is seq or above, as far as nils let it tell: search only after it.
func (d *directory) place(seq int) int {
	lo, hi := 0, len(d.all)
	for lo < hi {
		mid := (lo + hi) / 2
		at := mid
		for at < hi && d.all[at] == nil {
			at++
		}
		switch {
		case at == hi || d.all[at].seq > seq:
			hi = mid
		case d.all[at].seq == seq:
			return at
		default:
			lo = at + 1
		}
	}
	return lo
}

// recordLocked enters what happened to l.
func (r *registry) recordLocked(l *living, kind LifeKind, notice string, now time.Time, call int) {
	r.counts.lives[kind]++
	rec := lifeRecord{
		at: now.UnixNano(), expires: l.sub.expires.UnixNano(), living: l, sealer: l.sub.sealer, to: l.sub.to,
		kind: kind, notice: notice, call: call,
	}
	if r.api.OnLife != nil {
		r.api.OnLife(rec.event())
		return
	}
	r.lives = append(r.lives, rec)
}

// event returns the record as others see it.
func (rec lifeRecord) event() LifeEvent {
	sub := rec.living.sub
	e := LifeEvent{
		At: time.Unix(0, rec.at).UTC(), Kind: rec.kind, SubscriptionID: sub.id, AppID: rec.living.owner.id, TenantID: sub.tenantID,
		Resource: sub.resource, ChangeType: rec.living.changes.String(), Expires: time.Unix(0, rec.expires).UTC(),
		Notice: rec.notice, Call: rec.call,
	}
	if rec.sealer != nil {
		e.Certificate = rec.sealer.id
	}
	if rec.kind == LifeCreated || rec.kind == LifeRenewed || rec.kind == LifeChanged {
		e.NotificationURL = rec.to.url
	}
	return e
}

// maxEndpoints bounds the different notification URLs. Each keeps its own
// health and history.
const maxEndpoints = 256

// errTooManyEndpoints is returned for one URL more than that.
var errTooManyEndpoints = errors.New("graphsim: too many different notification URLs")

// checkURL returns what is wrong with a notification URL.
func (r *registry) checkURL(property, raw string) *apiError {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.Fragment != "", len(raw) > 2048:
		return badRequest(fmt.Sprintf("%s is not a valid absolute URL.", property))
	case u.Scheme == "https", u.Scheme == "http" && r.api.PlainHTTP:
		return nil
	}
	return badRequest(fmt.Sprintf("%s must use the https scheme.", property))
}
