package token

import (
	"fmt"
	"testing"
)

// TestRememberedBound: no more than the limit is kept, and what is in use stays.
func TestRememberedBound(t *testing.T) {
	t.Parallel()
	r := newRemembered(10)
	for i := range 1000 {
		r.put(&passed{text: fmt.Sprint(i)})
		r.put(&passed{text: "in use"})
		if r.get("in use") == nil {
			t.Fatal("forgot what is in use")
		}
	}
	if r.byUse.Len() != 10 || len(r.byText) != 10 {
		t.Errorf("%d and %d kept", r.byUse.Len(), len(r.byText))
	}
	if r.get("998") == nil || r.get("900") != nil {
		t.Error("it is not the oldest that were forgotten")
	}
	r.drop("999")
	r.drop("999")
	if r.get("999") != nil || r.byUse.Len() != 9 {
		t.Error("dropped is still there")
	}
}
