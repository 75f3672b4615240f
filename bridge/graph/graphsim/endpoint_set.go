package graphsim

import (
	"context"
	"sync"
)

// endpointSet is the endpoints that are delivered to, each URL once. They are
// never forgotten: Graph's opinion of an endpoint outlives subscriptions.
type endpointSet struct {
	make  func(url string) *endpoint
	group *group

	mu    sync.Mutex
	byURL map[string]*endpoint
	all   []*endpoint
	life  context.Context // of their schedules; nil before begin
}

// find returns the endpoint of url, a new one if need be, or an error when
// there are too many.
func (s *endpointSet) find(url string) (*endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byURL[url]; e != nil {
		return e, nil
	}
	if len(s.all) == maxEndpoints {
		return nil, errTooManyEndpoints
	}
	e := s.make(url)
	s.byURL[url] = e
	s.all = append(s.all, e)
	if s.life != nil {
		s.group.run(s.life, "graphsim-schedule", e.schedule)
	}
	return e, nil
}

// begin lets deliveries go out until ctx ends.
func (s *endpointSet) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = ctx
	for _, e := range s.all {
		s.group.run(ctx, "graphsim-schedule", e.schedule)
	}
}

// list returns the endpoints in the order in which they came up.
func (s *endpointSet) list() []*endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*endpoint(nil), s.all...)
}
