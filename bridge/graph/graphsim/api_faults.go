package graphsim

import (
	"net/http"
	"time"
)

// slowCall is how late a slow call begins.
const slowCall = 20 * time.Second

// deedTarget is a kind of call, alone or in a batch.
type deedTarget struct {
	kind    string
	inBatch bool
}

// deedTable returns the faults that can befall each kind of call, in the order
// in which they are asked. A request of a batch has no connection of its own.
func deedTable(can func(Fault) bool) map[deedTarget][]Fault {
	out := map[deedTarget][]Fault{}
	add := func(t deedTarget, faults ...Fault) {
		for _, f := range faults {
			if can(f) {
				out[t] = append(out[t], f)
			}
		}
	}
	own := map[string][]Fault{callCreate: {QuotaHit}, callUpdate: {RenewedShort}, callList: {ListExpired, ListHidden, ListPageLost}}
	for _, kind := range []string{callCreate, callList, callGet, callUpdate, callReauthorize, callDelete, callBatch} {
		for _, inBatch := range []bool{false, true} {
			t := deedTarget{kind, inBatch}
			if !inBatch {
				add(t, APICutBefore, APICutAfter, APISlow, APIUnauthorized, APIGarbage)
			}
			if kind != callBatch {
				add(t, APIThrottled, APIError, APIUnavailable, APITimedOut)
			}
			add(t, own[kind]...)
		}
	}
	return out
}

// decide claims the fault that is to befall c, if any's turn has come.
func (s *apiServer) decide(c *apiCall) {
	if c.wrong != nil {
		return
	}
	for _, f := range s.deeds[deedTarget{c.kind, c.inBatch}] {
		if s.registry.faults.claim(f) {
			c.deed = f
			return
		}
	}
}

// did enters that the deed was done to c.
func (s *apiServer) did(c *apiCall) {
	if !c.done {
		c.done = true
		s.registry.faults.happened(c.deed)
	}
}

// perform carries c out, with what goes wrong about its answer.
func (s *apiServer) perform(c *apiCall) reply {
	r := s.misperform(c)
	s.settled(c, r)
	return r
}

func (s *apiServer) misperform(c *apiCall) reply {
	if c.wrong != nil {
		return c.answerError(c.wrong)
	}
	if e := s.outage(); e != nil {
		return c.answerError(e)
	}
	switch c.deed {
	case APIThrottled:
		s.did(c)
		return c.answerError(tooMany(c.kind, 5*time.Second))
	case APIError:
		s.did(c)
		return c.answerError(&apiError{status: http.StatusInternalServerError, code: "InternalServerError", message: "Internal server error."})
	case APIUnavailable:
		s.did(c)
		return c.answerError(unavailable())
	case APITimedOut:
		if r := s.do(c); r.status >= http.StatusBadRequest {
			return r // nothing was done that could be hidden
		}
		s.did(c)
		return c.answerError(&apiError{status: http.StatusGatewayTimeout, code: "UnknownError", message: "Gateway timeout."})
	}
	return s.do(c)
}

// unavailable returns a 503.
func unavailable() *apiError {
	return &apiError{status: http.StatusServiceUnavailable, code: "ServiceUnavailable", message: "Service is temporarily unavailable. Please wait and try again."}
}

// settled counts how c was answered, and gives its deed back if it was not done.
func (s *apiServer) settled(c *apiCall, r reply) {
	if c.deed != "" && !c.done && c.deed != APICutAfter && c.deed != APIGarbage {
		s.registry.faults.returned(c.deed)
	}
	s.count(func(n *apiCounts) { n.calls[callStatus{c.kind, r.status}]++ })
	if s.api.OnCall == nil {
		return
	}
	out := Call{Number: c.number, At: time.Now().UTC(), Kind: c.kind, Version: c.version, SubscriptionID: c.id, Status: r.status}
	if c.token != nil {
		out.TenantID, out.AppID = c.token.tenant.id, c.token.app.id
	}
	if c.done || r.status < http.StatusBadRequest && (c.deed == APICutAfter || c.deed == APIGarbage) {
		out.Fault = c.deed
	}
	s.api.OnCall(out)
}

// spoil returns what is sent instead of r for the deeds that befall an answer;
// cut means that nothing is.
func (s *apiServer) spoil(c *apiCall, r reply) (_ reply, cut bool) {
	switch {
	case c.deed != APICutAfter && c.deed != APIGarbage:
		return r, false
	case r.status >= http.StatusBadRequest, c.deed == APIGarbage && r.body == nil:
		s.registry.faults.returned(c.deed)
		return r, false
	}
	s.did(c)
	if c.deed == APICutAfter {
		return r, true
	}
	if c.number%2 == 0 {
		r.body = r.body[:len(r.body)/2]
	} else {
		r.body = []byte("<html><head><title>502 Bad Gateway</title></head></html>")
	}
	return r, false
}
