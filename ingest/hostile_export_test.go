package ingest

import "net/http"

// Handler returns what the public port serves, for tests that need no network.
func (s *Server) Handler() http.Handler { return s.public.Handler }
