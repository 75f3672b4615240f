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
	got, err := bridge.ParseAnnouncedKeys(bridge.AnnounceKeys(keys))
	if err != nil || !slices.Equal(got, keys) {
		t.Fatalf("read back %v, %v", got, err)
	}
	if got, err := bridge.ParseAnnouncedKeys(nil); err != nil || len(got) != 0 {
		t.Errorf("nothing announced is read as %v, %v", got, err)
	}
	for _, bad := range []string{"AA", "AA \n", "\n"} {
		if got, err := bridge.ParseAnnouncedKeys([]byte(bad)); err == nil {
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
