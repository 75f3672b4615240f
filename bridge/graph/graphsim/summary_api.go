package graphsim

import (
	"fmt"
	"maps"
	"strings"
)

// APISummary says what the subscriptions API was asked and what became of the
// subscriptions.
type APISummary struct {
	Calls      map[string]int   `json:"calls"`      // by kind and status, such as "update 200"; "update cut" for no answer
	Throttled  int              `json:"throttled"`  // 429 for passing a limit
	Handshakes map[string]int   `json:"handshakes"` // "ok", "failed"
	Tokens     map[string]int   `json:"tokens"`     // "issued", or why not, such as "AADSTS7000215"
	Lives      map[LifeKind]int `json:"lives"`      // what happened to subscriptions
	Notices    map[string]int   `json:"notices"`    // lifecycle notices by event
	Living     int              `json:"living"`
	Paused     int              `json:"paused"`

	Events      int `json:"events"`        // that happened in the world
	Unheard     int `json:"unheard"`       // events that no living subscription covered
	Told        int `json:"told"`          // items made of the others
	Held        int `json:"held"`          // of them, for paused subscriptions
	HeldTooLong int `json:"held_too_long"` // of them, lost in the end
	// TooSoonTwice counts subscriptions that were renewed and reauthorized
	// within ten minutes, which Graph asks nobody to do (FACTS §3).
	TooSoonTwice int `json:"too_soon_twice"`
}

// summarize returns the sums so far.
func (s *apiServer) summarize() *APISummary {
	out := &APISummary{Calls: map[string]int{}}
	s.mu.Lock()
	for c, n := range s.counts.calls {
		out.Calls[c.String()] = n
	}
	out.Throttled, out.Handshakes = s.counts.throttled, maps.Clone(s.counts.handshakes)
	s.mu.Unlock()
	s.entra.mu.Lock()
	out.Tokens = maps.Clone(s.entra.counts)
	s.entra.mu.Unlock()
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	out.Lives, out.Notices = maps.Clone(r.counts.lives), maps.Clone(r.counts.notices)
	out.Living = len(r.byID)
	for _, l := range r.byID {
		out.Paused += count(l.paused)
	}
	out.Events, out.Unheard, out.Told, out.Held = r.counts.events, r.counts.unheard, r.counts.told, r.counts.held
	out.HeldTooLong, out.TooSoonTwice = r.counts.heldTooLong, r.counts.tooSoonTwice
	return out
}

// write writes the summary for people.
func (a *APISummary) write(b *strings.Builder) {
	fmt.Fprintf(b, "api       %s\n", list(a.Calls))
	fmt.Fprintf(b, "          %d living subscriptions, %d of them paused; %s\n", a.Living, a.Paused, list(a.Lives))
	fmt.Fprintf(b, "          handshakes %s; tokens %s; notices %s; throttled %d\n", list(a.Handshakes), list(a.Tokens), list(a.Notices), a.Throttled)
	fmt.Fprintf(b, "events    %d, of which %d were nobody's; %d items, %d held, %d of them lost\n", a.Events, a.Unheard, a.Told, a.Held, a.HeldTooLong)
}
