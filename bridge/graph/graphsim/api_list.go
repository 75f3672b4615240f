package graphsim

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// wireList is a page of a list.
type wireList struct {
	Context string             `json:"@odata.context"`
	Next    string             `json:"@odata.nextLink,omitzero"`
	Value   []wireSubscription `json:"value"`
}

// list answers GET /subscriptions: the caller's own in that tenant, without
// clientState, in pages (FACTS §4.2).
func (s *apiServer) list(c *apiCall) (reply, *apiError) {
	from := 0
	for part := range strings.SplitSeq(c.query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		switch {
		case part == "":
		case err == nil && strings.EqualFold(name, "$skiptoken"):
			n, err := strconv.ParseUint(value, 36, 48)
			if err != nil {
				return reply{}, badRequest("The $skiptoken is invalid.")
			}
			from = int(n)
		default:
			return reply{}, badRequest("Query options are not supported on subscriptions.")
		}
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	page := wireList{Context: s.context(c, false), Value: []wireSubscription{}}
	last := s.pageLocked(c, from, &page.Value)
	if last > 0 && c.deed == ListPageLost {
		var lost []wireSubscription
		last = s.pageLocked(c, last+1, &lost)
		s.did(c)
	}
	if last > 0 {
		page.Next = s.api.URL + "/" + c.version + "/subscriptions?$skiptoken=" + strconv.FormatInt(int64(last)+1, 36)
	}
	if from == 0 && c.deed == ListExpired {
		s.showDeadLocked(c, &page.Value)
	}
	if c.deed == ListHidden && len(page.Value) > 0 {
		i := s.registry.rng.IntN(len(page.Value))
		page.Value = append(page.Value[:i], page.Value[i+1:]...)
		s.did(c)
	}
	return c.answerJSON(http.StatusOK, page), nil
}

// pageLocked appends a page of those whose number is from or above, and returns
// the number of the last if more follow, 0 if not.
func (s *apiServer) pageLocked(c *apiCall, from int, page *[]wireSubscription) int {
	d, now := c.token.tenant, time.Now()
	last, n := 0, 0
	for _, l := range d.all[d.place(from):] {
		if l == nil || l.owner != c.token.app || !l.sub.expires.After(now) {
			continue
		}
		if n == s.api.PageSize {
			return last
		}
		*page = append(*page, l.wire("", false))
		last = l.seq
		n++
	}
	return 0
}

// showDeadLocked lists some that are gone, as Graph was seen to do.
func (s *apiServer) showDeadLocked(c *apiCall, page *[]wireSubscription) {
	for _, l := range c.token.tenant.buried {
		if l.owner == c.token.app {
			*page = append(*page, l.wire("", false))
			s.did(c)
		}
	}
}
