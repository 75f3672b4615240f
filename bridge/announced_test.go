package bridge_test

import (
	"slices"
	"testing"

	"meetbridge/bridge"
)

// Ensure that announced keys are read as they were said, and that an id is not
// taken for a key where a thumbprint says otherwise.
func TestAnnouncedKeys(t *testing.T) {
	t.Parallel()
	keys := []bridge.DecryptionKey{{ID: "2026 spring", Thumbprint: "AA"}, {ID: "bare"}}
	got, states, err := bridge.ParseAnnouncedKeys(bridge.AnnounceKeys(keys, "k1", "k2"))
	if err != nil || !slices.Equal(got, keys) || !slices.Equal(states, []string{"k1", "k2"}) {
		t.Fatalf("read back %v, %v, %v", got, states, err)
	}
	if got, states, err := bridge.ParseAnnouncedKeys(nil); err != nil || len(got)+len(states) != 0 {
		t.Errorf("nothing announced is read as %v, %v, %v", got, states, err)
	}
	for _, bad := range []string{"AA", "AA \n", "\n", "client-state \n"} {
		if got, _, err := bridge.ParseAnnouncedKeys([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
	for _, c := range []struct {
		id, thumbprint string
		want           bool
	}{
		{"2026 spring", "AA", true},
		{"another name", "aa", true},
		{"2026 spring", "BB", false},
		{"bare", "BB", true},
		{"unknown", "", false},
	} {
		if got := bridge.Opens(keys, c.id, c.thumbprint); got != c.want {
			t.Errorf("certificate %q %q is opened: %v", c.id, c.thumbprint, got)
		}
	}
}
