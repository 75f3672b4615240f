package graphsim

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// world is everything that lives. One goroutine plays it: the generator. It
// knows no real time, only now, which the generator sets before each step.
type world struct {
	cfg     Config
	rng     *rand.Rand
	ledger  *ledger
	now     time.Time
	sealers []*sealer
	faults  *faultPlan

	registry *registry  // who is told; nil: the fixed subscriptions
	manner   *rand.Rand // how items are dressed: rng, unless that would make history depend on who listens

	tenants               []*tenant
	partnerTenant         string // where strangers come from
	firstNames, lastNames []string
	messages              int64 // message ids drawn
	revisions             int   // makes each update differ from all before

	opening []func()
	scenes  []scene
	weights int
	told    []*item // what the last step told, oldest first, from next on
	next    int
	err     error // why the world cannot go on
}

// scene is something that can happen at any time.
type scene struct {
	weight int
	play   func(t *tenant)
}

// tenant is one organisation.
type tenant struct {
	index      int
	id, domain string
	catalogApp string    // the Teams app whose installations are watched
	users      []*person // the first few organize
	meetings   []*meeting
	chats      []*chat
	teams      []*team
	events     []*virtualEvent
	installed  []*installation
	subs       tenantSubscriptions
	all        []*subscription
}

// change is something that happened to a resource, and who is told.
type change struct {
	topic, key   string
	changeType   string
	resource     string
	odataID      string
	odataType    string
	id           string
	payload      any // nil: never rich
	subs         []*subscription
	written      []byte   // payload, once somebody needed it
	tenant       string   // its id
	covers       []string // with the API instead of subs: paths whose subscribers are told
	facet        string   // what a filter on those looks at
	minor        bool     // the event is told of in another change as well
	organization bool
	capital      bool
	identified   bool // basic items carry an id of their own
	noTenant     bool
}

// newWorld returns the world of cfg at now, with nothing happened yet.
func newWorld(cfg Config, l *ledger, faults *faultPlan, now time.Time) *world {
	w := &world{
		cfg: cfg, ledger: l, faults: faults, now: now,
		rng: rand.New(rand.NewPCG(cfg.Seed, 0x77)),
	}
	w.manner = w.rng
	w.firstNames, w.lastNames = names()
	w.partnerTenant = w.guid()
	for _, c := range cfg.Certificates {
		w.sealers = append(w.sealers, newSealer(c))
	}
	for i := range cfg.Tenants {
		w.tenants = append(w.tenants, w.newTenant(i))
	}
	w.opening = w.openingScenes(w.tenants[0])
	w.scenes = w.allScenes()
	for _, s := range w.scenes {
		w.weights += s.weight
	}
	return w
}

// newTenant populates a tenant.
func (w *world) newTenant(i int) *tenant {
	t := &tenant{index: i, id: w.guid(), catalogApp: w.guid()}
	t.domain = "contoso" + t.id[:4] + ".example"
	if i < len(w.cfg.TenantIDs) {
		t.id = strings.ToLower(w.cfg.TenantIDs[i])
		t.domain = "contoso" + strconv.Itoa(i+1) + ".example"
	}
	for range 16 {
		t.users = append(t.users, w.person(t.id, t.domain))
	}
	w.subscribeTenant(t)
	for range 2 {
		t.teams = append(t.teams, w.newTeam(t))
	}
	for n := range w.cfg.MeetingsPerTenant {
		t.meetings = append(t.meetings, w.newMeeting(t, n))
	}
	for n := range 6 {
		t.chats = append(t.chats, w.newChat(t, n))
	}
	for n := range w.cfg.WebinarsPerTenant + w.cfg.WebinarsPerTenant/2 {
		kind := webinars
		if n >= w.cfg.WebinarsPerTenant {
			kind = townHalls
		}
		t.events = append(t.events, w.newEvent(t, kind))
	}
	return t
}

// allScenes returns what can happen, with how often it does.
func (w *world) allScenes() []scene {
	return []scene{
		{40, w.playMeeting},
		{24, w.playChatMessage},
		{12, w.playChannelMessage},
		{4, w.playChat},
		{5, w.playChatMember},
		{3, w.playChannel},
		{2, w.playTeam},
		{4, w.playTeamMember},
		{2, w.playChannelMember},
		{3, w.playInstallation},
		{12, w.playEvent},
		{2, w.playAdhocCall},
		{1, w.playLifecycle},
		{1, w.playOther},
	}
}

// take returns the next item of the world's history and enters it into the
// ledger. With the API it returns nil for a scene that nobody was told of.
func (w *world) take() (*item, error) {
	for w.next == len(w.told) {
		w.told, w.next = w.told[:0], 0
		if w.err != nil {
			return nil, w.err
		}
		w.play()
		if w.registry != nil && len(w.told) == 0 {
			return nil, w.err
		}
	}
	it := w.told[w.next]
	w.told[w.next] = nil
	w.next++
	it.track = w.ledger.add(*it.entry, it.payload)
	it.entry = nil
	return it, nil
}

// play lets one thing happen: first the opening, by which every topic gets a
// record soon, then any scene. A scene may turn out to have nothing to do.
func (w *world) play() {
	if len(w.opening) > 0 {
		first := w.opening[0]
		w.opening = w.opening[1:]
		first()
		return
	}
	t := w.tenants[w.rng.IntN(len(w.tenants))]
	n := w.rng.IntN(w.weights)
	for _, s := range w.scenes {
		if n < s.weight {
			s.play(t)
			return
		}
		n -= s.weight
	}
}

// one reports true once in n times.
func (w *world) one(n int) bool { return w.rng.IntN(n) == 0 }

// revision returns a number that no update had before.
func (w *world) revision() int {
	w.revisions++
	return w.revisions
}

// pick returns one of s, which is not empty.
func pick[T any](w *world, s []T) T { return s[w.rng.IntN(len(s))] }
