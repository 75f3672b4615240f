package renewer_test

import (
	"reflect"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

// Every field of a state survives its record; what is never written does not.
func TestStateRecordRoundTrip(t *testing.T) {
	t.Parallel()
	var s renewer.State
	fillState(reflect.ValueOf(&s).Elem(), new(int))
	s.Status, s.Version, s.Intent = renewer.Active, graph.Beta, renewer.Renew
	s.TenantID, s.ChangeType = "t", "created"
	got, err := renewer.FromRecord(s.ToRecord())
	if err != nil {
		t.Fatal(err)
	}
	s.Orphan, s.AskedAt = false, time.Time{}
	if got != s {
		t.Errorf("got  %#v\nwant %#v", got, s)
	}
	empty := renewer.State{Key: s.Key, Status: renewer.Creating}
	r := empty.ToRecord()
	if got, err := renewer.FromRecord(r); err != nil || got != empty {
		t.Errorf("%#v, %v", got, err)
	}
	if r.SubscriptionID != nil || r.ExpiresAt != nil || r.Attempts != nil || r.Intent != nil {
		t.Errorf("zero values are not null: %+v", r)
	}
}

// fillState gives every field a value of its own.
func fillState(v reflect.Value, n *int) {
	*n++
	at := time.Date(2026, 1, 1, 0, 0, 0, *n*1000, time.UTC)
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(at))
	case v.Kind() == reflect.String:
		v.SetString(at.Format("v.000000"))
	case v.Kind() == reflect.Int:
		v.SetInt(int64(*n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fillState(v.Field(i), n)
		}
	}
}

// Records that this version does not understand in full are errors, not states.
func TestFromRecordUnknown(t *testing.T) {
	t.Parallel()
	negative, unknown := int32(-1), "merge"
	for name, change := range map[string]func(*schemas.SubscriptionState){
		"State":    func(r *schemas.SubscriptionState) { r.State = "hibernating" },
		"NoState":  func(r *schemas.SubscriptionState) { r.State = "" },
		"Aside":    func(r *schemas.SubscriptionState) { r.State = "aside" },
		"Intent":   func(r *schemas.SubscriptionState) { r.Intent = &unknown },
		"Version":  func(r *schemas.SubscriptionState) { r.APIVersion = &unknown },
		"Attempts": func(r *schemas.SubscriptionState) { r.Attempts = &negative },
		"NoExpiry": func(r *schemas.SubscriptionState) { r.ExpiresAt = nil },
		"NoTenant": func(r *schemas.SubscriptionState) { r.TenantID = "" },
		"Spaces":   func(r *schemas.SubscriptionState) { r.TenantID = "a b" },
	} {
		_, s := living()
		r := s.ToRecord()
		change(&r)
		if got, err := renewer.FromRecord(r); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	k := renewer.Key{TenantID: "t", Resource: "teams?$filter=a eq 'b c'", ChangeType: "created,updated"}
	if got, ok := renewer.ParseKey(k.String()); !ok || got != k {
		t.Errorf("%+v", got)
	}
	for _, s := range []string{"", " ", "a", "a b", " a b", "a b ", "a  ", "  "} {
		if got, ok := renewer.ParseKey(s); ok {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestGapRecord(t *testing.T) {
	t.Parallel()
	_, s := living()
	_, gaps, _ := renewer.Heed(s, renewer.Notice{SubscriptionID: "old", Event: "missed", ReceivedAt: modelStart}, modelStart, renewer.DefaultRules())
	opened, closed := gaps[0].ToRecord(), gaps[1].ToRecord()
	if opened.To != nil || opened.NewSubscriptionID != nil || *opened.OldSubscriptionID != "old" || opened.Cause != "missed" || opened.Resource != s.Resource {
		t.Errorf("%+v", opened)
	}
	if !closed.To.Equal(modelStart) || *closed.NewSubscriptionID != "old" || closed.GapID != opened.GapID || closed.EventID == opened.EventID {
		t.Errorf("%+v", closed)
	}
}
