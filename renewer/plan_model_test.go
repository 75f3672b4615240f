package renewer_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// modelGraph is Graph's subscriptions in its own words (FACTS §4), with true
// time and nothing of ours in it: what the planner's histories are judged by.
type modelGraph struct {
	rng     *rand.Rand
	next    int
	living  map[string]*modelSub   // by id
	byKey   map[string]*modelSub   // by resource and change types
	lives   map[string][]life      // by the same, in order
	renewed map[string][]time.Time // by id
	faults  float64                // share of calls that fail
	outage  bool                   // nothing answers
	noShake bool                   // ingest is away
	forbid  map[string]error       // by resource: what every creation and renewal gets
	longest time.Duration
	calls   map[string]int // by what, and what+key
	wrong   []string       // rules that were broken
}

type modelSub struct {
	graph.Subscription
	key string
}

// life is from when to when one subscription lived; end is zero while it does.
type life struct {
	id         string
	start, end time.Time
}

func newModelGraph(rng *rand.Rand) *modelGraph {
	return &modelGraph{
		rng: rng, living: map[string]*modelSub{}, byKey: map[string]*modelSub{}, lives: map[string][]life{}, renewed: map[string][]time.Time{},
		forbid: map[string]error{}, calls: map[string]int{}, longest: 4320 * time.Minute,
	}
}

func modelKey(resource, change string) string { return resource + " " + change }

// die ends a subscription at that time.
func (g *modelGraph) die(s *modelSub, at time.Time) {
	delete(g.living, s.ID)
	delete(g.byKey, s.key)
	lives := g.lives[s.key]
	lives[len(lives)-1].end = at
}

// find returns the living subscription, having let it expire if its time is over.
func (g *modelGraph) find(s *modelSub, now time.Time) *modelSub {
	if s != nil && !now.Before(s.ExpirationDateTime) {
		g.die(s, s.ExpirationDateTime)
		return nil
	}
	return s
}

// expire lets all expire whose time is over.
func (g *modelGraph) expire(now time.Time) {
	for _, s := range g.living {
		g.find(s, now)
	}
}

func graphError(status int, code, message string) error {
	return &graph.Error{Op: graph.OpUpdate, Status: status, Code: code, Message: message}
}

var errNoAnswer = errors.New("read answer: connection reset")

// fault returns what goes wrong with a call that does, and whether it is done
// all the same.
func (g *modelGraph) fault() (err error, done bool) {
	if g.outage {
		return errNoAnswer, false
	}
	if g.rng.Float64() >= g.faults {
		return nil, true
	}
	switch g.rng.IntN(6) {
	case 0:
		return &graph.Error{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second}, false
	case 1:
		return graphError(http.StatusServiceUnavailable, "", "busy"), false
	case 2:
		return graphError(http.StatusUnauthorized, "InvalidAuthenticationToken", "token"), false
	case 3:
		return errNoAnswer, true
	case 4:
		return graphError(http.StatusInternalServerError, "", ""), true
	default:
		return errNoAnswer, false
	}
}

// check is what both creating and renewing have to satisfy.
func (g *modelGraph) check(resource string, expires, now time.Time) error {
	switch {
	case g.forbid[resource] != nil:
		return g.forbid[resource]
	case g.noShake:
		return graphError(http.StatusBadRequest, "ValidationError", "Subscription validation request timed out.")
	case expires.Sub(now) > g.longest:
		return graphError(http.StatusBadRequest, "InvalidRequest", "Subscription expiration can only be 4320 minutes in the future.")
	}
	return nil
}

func (g *modelGraph) create(want graph.Subscription, now time.Time) (graph.Subscription, error) {
	g.calls["create"]++
	key := modelKey(want.Resource, want.ChangeType)
	g.calls["create "+key]++
	err, done := g.fault()
	if err != nil && !done {
		return graph.Subscription{}, err
	}
	if had := g.find(g.byKey[key], now); had != nil {
		return graph.Subscription{}, &graph.Error{Op: graph.OpCreate, Status: http.StatusConflict, ExistingID: had.ID, Message: "Subscription Id " + had.ID + " already exists for the requested combination"}
	}
	if err := g.check(want.Resource, want.ExpirationDateTime, now); err != nil {
		return graph.Subscription{}, err
	}
	g.next++
	s := &modelSub{want, key}
	s.ID, s.ApplicationID = fmt.Sprintf("sub-%d", g.next), "app"
	s.ClientState, s.EncryptionCertificate = "", ""
	g.raise(s, now)
	g.living[s.ID], g.byKey[key] = s, s
	g.lives[key] = append(g.lives[key], life{id: s.ID, start: now})
	return s.Subscription, err
}

// raise is Graph's minimum.
func (g *modelGraph) raise(s *modelSub, now time.Time) {
	if least := now.Add(45 * time.Minute); s.ExpirationDateTime.Before(least) {
		g.wrong = append(g.wrong, fmt.Sprintf("asked for %s, under 45 minutes", s.ExpirationDateTime.Sub(now)))
		s.ExpirationDateTime = least
	}
}

func notFound() error {
	return graphError(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
}

func (g *modelGraph) update(id string, p graph.Patch, now time.Time) (graph.Subscription, error) {
	g.calls["update"]++
	err, done := g.fault()
	if err != nil && !done {
		return graph.Subscription{}, err
	}
	s := g.find(g.living[id], now)
	if s == nil {
		return graph.Subscription{}, notFound()
	}
	g.calls["update "+s.key]++
	if err := g.check(s.Resource, p.ExpirationDateTime, now); err != nil {
		return graph.Subscription{}, err
	}
	g.renewed[id] = append(g.renewed[id], now)
	s.ExpirationDateTime = p.ExpirationDateTime
	g.raise(s, now)
	if p.NotificationURL != "" {
		s.NotificationURL = p.NotificationURL
	}
	if p.EncryptionCertificateID != "" {
		s.EncryptionCertificateID = p.EncryptionCertificateID
	}
	return s.Subscription, err
}

func (g *modelGraph) get(id string, now time.Time) (graph.Subscription, error) {
	g.calls["get"]++
	if err, _ := g.fault(); err != nil {
		return graph.Subscription{}, err
	}
	s := g.find(g.living[id], now)
	if s == nil {
		return graph.Subscription{}, notFound()
	}
	return s.Subscription, nil
}

func (g *modelGraph) delete(id string, now time.Time) error {
	g.calls["delete"]++
	err, done := g.fault()
	if err != nil && !done {
		return err
	}
	s := g.find(g.living[id], now)
	if s == nil {
		return notFound()
	}
	g.die(s, now)
	return err
}

func (g *modelGraph) list(now time.Time) ([]graph.Subscription, error) {
	g.calls["list"]++
	if err, _ := g.fault(); err != nil {
		return nil, err
	}
	g.expire(now)
	var all []graph.Subscription
	for _, s := range g.living {
		all = append(all, s.Subscription)
	}
	return all, nil
}

// heldTooLong reports whether Graph, having asked at that time to reauthorize the
// subscription, had to wait for so much longer than it holds notifications.
func (g *modelGraph) heldTooLong(id string, asked time.Time, over time.Duration) bool {
	i := slices.IndexFunc(g.renewed[id], func(at time.Time) bool { return at.After(asked) })
	return i >= 0 && g.renewed[id][i].Sub(asked) >= 4*time.Hour+over-time.Second
}

// dead returns the stretches in which nothing lived, from the first creation on.
func (g *modelGraph) dead(key string) []life {
	var all []life
	lives := g.lives[key]
	for i := range lives {
		if lives[i].end.IsZero() {
			continue
		}
		d := life{id: lives[i].id, start: lives[i].end}
		if i+1 < len(lives) {
			d.end = lives[i+1].start
		}
		all = append(all, d)
	}
	return all
}

const modelTenant = "7a4c9d0e-0000-4000-8000-000000000001"

// modelWishes returns n subscriptions of one tenant.
func modelWishes(n int) *renewer.Wanted {
	w := &renewer.Wanted{Tenants: []renewer.Tenant{{ID: modelTenant}}}
	for i := range n {
		w.Subscriptions = append(w.Subscriptions, renewer.Desired{
			Key:             renewer.Key{TenantID: modelTenant, Resource: fmt.Sprintf("chats/19:%06d@thread.v2/messages", i), ChangeType: "created,deleted,updated"},
			Lifetime:        4315 * time.Minute,
			NotificationURL: "https://bridge.example.com/graph/notifications", LifecycleURL: "https://bridge.example.com/graph/lifecycle",
			Rich: true, Certificate: renewer.Certificate{ID: "cert-1", Thumbprint: "AA", DER: "MA=="},
			Version: graph.V1, ApplicationID: "app", ClientStateKeyID: "k1",
		})
	}
	return w
}
