package graphsim

import (
	"slices"
	"strings"
	"time"
)

// Kill ends a living subscription as Graph does silently, and reports whether
// there was one of that id.
func (s *Sim) Kill(subscriptionID string) bool {
	return s.end(subscriptionID, func(r *registry, l *living, now time.Time) { r.buryLocked(l, LifeLost, now, 0) })
}

// Remove ends a living subscription with a subscriptionRemoved notice, which
// Graph has for chat messages alone, and reports whether there was one of that
// id.
func (s *Sim) Remove(subscriptionID string) bool {
	return s.end(subscriptionID, func(r *registry, l *living, now time.Time) { r.removeLocked(l, now) })
}

// Ask sends a reauthorizationRequired notice for a living subscription at once,
// and reports whether there was one of that id.
func (s *Sim) Ask(subscriptionID string) bool {
	return s.end(subscriptionID, func(r *registry, l *living, now time.Time) {
		r.askLocked(l, now)
		r.scheduleLocked(l)
		signal(r.wake)
	})
}

// end does how to the living subscription of that id.
func (s *Sim) end(id string, how func(*registry, *living, time.Time)) bool {
	if s.api == nil {
		return false
	}
	r := s.api.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l := r.findLocked(id, now)
	if l == nil {
		return false
	}
	how(r, l, now)
	return true
}

// Outage makes every call to the API fail with 503, or ends that. The token
// endpoint goes on.
func (s *Sim) Outage(on bool) {
	if s.api != nil {
		s.api.setDown(on)
	}
}

// ExpireSecrets makes all secrets that an app has by now expired ones: the token
// endpoint answers AADSTS7000222. It reports whether there is such an app.
func (s *Sim) ExpireSecrets(appID string) bool {
	return s.app(appID, func(a *clientApp) {
		for i := range a.secrets {
			a.secrets[i].expired = true
		}
	})
}

// AddSecret gives an app a further secret, and reports whether there is such an
// app.
func (s *Sim) AddSecret(appID, secret string) bool {
	return s.app(appID, func(a *clientApp) { a.secrets = append(a.secrets, clientSecret{value: secret}) })
}

// SetRoles changes which permissions the tokens of an app carry from now on, and
// reports whether there is such an app.
func (s *Sim) SetRoles(appID string, roles ...string) bool {
	return s.app(appID, func(a *clientApp) { a.roles = slices.Clone(roles) })
}

// RevokeTokens makes every access token of an app that was given out until now
// be answered by 401, and reports whether there is such an app.
func (s *Sim) RevokeTokens(appID string) bool {
	return s.app(appID, func(a *clientApp) {
		for _, t := range s.api.entra.tokens {
			if t.app == a {
				t.revoked = true
			}
		}
	})
}

// app changes an app.
func (s *Sim) app(id string, change func(*clientApp)) bool {
	if s.api == nil {
		return false
	}
	e := s.api.entra
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.apps[strings.ToLower(id)]
	if a == nil {
		return false
	}
	change(a)
	return true
}
