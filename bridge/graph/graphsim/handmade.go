package graphsim

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
)

// Seal returns payload as the JSON of an encryptedContent, sealed for the first
// of Config.Certificates: for items that a test makes by hand.
func (s *Sim) Seal(payload []byte) ([]byte, error) {
	if len(s.cfg.Certificates) == 0 {
		return nil, errors.New("seal by hand: no certificates")
	}
	content, err := newSealer(s.cfg.Certificates[0]).seal(payload)
	if err != nil {
		return nil, err
	}
	return json.Marshal(content)
}

// Token returns a validation token for the first app and the tenant, as Graph
// would send it now: version 2.0, or 1.0. Start must have been called.
func (s *Sim) Token(tenantID string, v2 bool) (string, error) {
	return s.tokens.token(tokenFor{app: s.cfg.AppIDs[0], tenant: tenantID, v2: v2}, time.Now())
}
