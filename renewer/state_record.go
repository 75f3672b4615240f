package renewer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"meetbridge/bridge/graph"
	"meetbridge/schemas"
)

// FromRecord returns the state in a record. It fails for one that this version
// does not understand in full: acting on the half of it could undo what a newer
// version has begun.
func FromRecord(r schemas.SubscriptionState) (State, error) {
	s := State{
		Key:              Key{TenantID: r.TenantID, Resource: r.Resource, ChangeType: r.ChangeType},
		Status:           Status(r.State),
		UpdatedAt:        r.UpdatedAt.UTC(),
		SubscriptionID:   value(r.SubscriptionID),
		ApplicationID:    value(r.ApplicationID),
		Version:          graph.Version(value(r.APIVersion)),
		Rich:             value(r.IncludeResourceData),
		QueryOptions:     value(r.QueryOptions),
		NotificationURL:  value(r.NotificationURL),
		LifecycleURL:     value(r.LifecycleNotificationURL),
		CertificateID:    value(r.EncryptionCertificateID),
		Thumbprint:       value(r.EncryptionCertificateThumbprint),
		ClientStateKeyID: value(r.ClientStateKeyID),
		CreatedAt:        value(r.CreatedAt).UTC(),
		RenewedAt:        value(r.RenewedAt).UTC(),
		ReauthorizedAt:   value(r.ReauthorizedAt).UTC(),
		ExpiresAt:        value(r.ExpiresAt).UTC(),
		ProofAt:          value(r.LastProofOfLifeAt).UTC(),
		Proof:            Proof(value(r.LastProofOfLife)),
		ReadAt:           value(r.LastReadAt).UTC(),
		Intent:           ActionKind(value(r.Intent)),
		IntentAt:         value(r.IntentAt).UTC(),
		NextAttemptAt:    value(r.NextAttemptAt).UTC(),
		Attempts:         int(value(r.Attempts)),
		ErrorStatus:      int(value(r.ErrorStatus)),
		ErrorCode:        value(r.ErrorCode),
		Error:            value(r.Error),
		ErrorAt:          value(r.ErrorAt).UTC(),
		Gap: OpenGap{
			ID:                value(r.OpenGapID),
			From:              value(r.OpenGapFrom).UTC(),
			Cause:             Cause(value(r.OpenGapCause)),
			OldSubscriptionID: value(r.OpenGapOldSubscriptionID),
		},
	}
	return s, s.understood()
}

// understood returns why a state that was read cannot be worked with.
func (s *State) understood() error {
	if key, ok := ParseKey(s.String()); !ok || key != s.Key {
		return fmt.Errorf("read state: tenant, resource and change types %q name no subscription", s.String())
	}
	for _, word := range [...]struct {
		field, value string
		known        []string
	}{
		{"state", string(s.Status), []string{string(Creating), string(Active), string(Blocked), string(Dead), string(Deleting), string(Deleted)}},
		{"intent", string(s.Intent), []string{"", string(Create), string(Renew), string(Replace), string(Delete), string(Read)}},
		{"api_version", string(s.Version), []string{"", string(graph.V1), string(graph.Beta)}},
	} {
		if !slices.Contains(word.known, word.value) {
			return fmt.Errorf("read state: %s is %.40q, which this version does not know: one of %s", word.field, word.value, strings.Join(word.known, ", "))
		}
	}
	switch {
	case s.Attempts < 0:
		return fmt.Errorf("read state: %d attempts", s.Attempts)
	case s.SubscriptionID != "" && s.ExpiresAt.IsZero():
		return fmt.Errorf("read state: a subscription without expires_at")
	}
	return nil
}

// ToRecord returns the record of s.
func (s State) ToRecord() schemas.SubscriptionState {
	return schemas.SubscriptionState{
		TenantID:                        s.TenantID,
		Resource:                        s.Resource,
		ChangeType:                      s.ChangeType,
		State:                           string(s.Status),
		UpdatedAt:                       s.UpdatedAt,
		IncludeResourceData:             &s.Rich,
		QueryOptions:                    pointer(s.QueryOptions),
		APIVersion:                      pointer(string(s.Version)),
		SubscriptionID:                  pointer(s.SubscriptionID),
		ApplicationID:                   pointer(s.ApplicationID),
		CreatedAt:                       pointer(s.CreatedAt),
		RenewedAt:                       pointer(s.RenewedAt),
		ReauthorizedAt:                  pointer(s.ReauthorizedAt),
		ExpiresAt:                       pointer(s.ExpiresAt),
		ClientStateKeyID:                pointer(s.ClientStateKeyID),
		EncryptionCertificateID:         pointer(s.CertificateID),
		EncryptionCertificateThumbprint: pointer(s.Thumbprint),
		NotificationURL:                 pointer(s.NotificationURL),
		LifecycleNotificationURL:        pointer(s.LifecycleURL),
		Intent:                          pointer(string(s.Intent)),
		IntentAt:                        pointer(s.IntentAt),
		LastProofOfLifeAt:               pointer(s.ProofAt),
		LastProofOfLife:                 pointer(string(s.Proof)),
		LastReadAt:                      pointer(s.ReadAt),
		NextAttemptAt:                   pointer(s.NextAttemptAt),
		Attempts:                        pointer(int32(min(s.Attempts, math.MaxInt32))),
		ErrorStatus:                     pointer(int32(s.ErrorStatus)),
		ErrorCode:                       pointer(s.ErrorCode),
		Error:                           pointer(s.Error),
		ErrorAt:                         pointer(s.ErrorAt),
		OpenGapID:                       pointer(s.Gap.ID),
		OpenGapFrom:                     pointer(s.Gap.From),
		OpenGapCause:                    pointer(string(s.Gap.Cause)),
		OpenGapOldSubscriptionID:        pointer(s.Gap.OldSubscriptionID),
	}
}

// ToRecord returns the record of g.
func (g Gap) ToRecord() schemas.SubscriptionGap {
	return schemas.SubscriptionGap{
		EventID:           g.EventID,
		GapID:             g.GapID,
		TenantID:          g.Key.TenantID,
		Resource:          g.Key.Resource,
		ChangeType:        g.Key.ChangeType,
		From:              g.From,
		To:                pointer(g.To),
		RecordedAt:        g.RecordedAt,
		Cause:             string(g.Cause),
		Evidence:          pointer(g.Evidence),
		OldSubscriptionID: pointer(g.OldSubscriptionID),
		NewSubscriptionID: pointer(g.NewSubscriptionID),
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// pointer returns nil for a zero value, which is null on the wire.
func pointer[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
