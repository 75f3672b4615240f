package bridge_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"meetbridge/bridge"
)

// Ensure that announced ids are read as they were said, and that what is not
// whole gives none.
func TestRecentIDs(t *testing.T) {
	t.Parallel()
	ids := [][16]byte{{1, 2, 3}, {15: 9}, {}}
	text := bridge.AppendRecentIDs(nil, ids)
	if len(text) != 1+16*len(ids) {
		t.Errorf("%d ids take %d bytes", len(ids), len(text))
	}
	if got, err := bridge.ParseRecentIDs(text); err != nil || !slices.Equal(got, ids) {
		t.Errorf("read back %v, %v", got, err)
	}
	if got, err := bridge.ParseRecentIDs(text[:1]); err != nil || len(got) != 0 {
		t.Errorf("no ids are read as %v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, text[:2], text[:len(text)-1], append(bytes.Clone(text), 0)} {
		if got, err := bridge.ParseRecentIDs(bad); err == nil || got != nil {
			t.Errorf("%x is read as %v", bad, got)
		}
	}
	newer := append([]byte{2}, text[1:]...)
	if got, err := bridge.ParseRecentIDs(newer); !errors.Is(err, bridge.ErrForm) || got != nil {
		t.Errorf("another form is read as %v, %v", got, err)
	}
	if got := bridge.RecentIDs("teams."); got != "teams.recent-ids" {
		t.Errorf("the topic is %q", got)
	}
}

// FuzzRecentIDs gives the parser what another version, or a stranger with the
// right to write, may have written: it gives either nothing, or the very bytes
// (I2, I11).
func FuzzRecentIDs(f *testing.F) {
	whole := bridge.AppendRecentIDs(nil, [][16]byte{{1}, {2}})
	for _, seed := range [][]byte{nil, whole, whole[:1], whole[:20], append([]byte{0}, whole[1:]...), append([]byte{2}, whole[1:]...), []byte(`{"ids":[]}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ids, err := bridge.ParseRecentIDs(text)
		if err != nil {
			if ids != nil {
				t.Errorf("%d ids of text that is refused: %v", len(ids), err)
			}
			return
		}
		if again := bridge.AppendRecentIDs(nil, ids); !bytes.Equal(again, text) {
			t.Errorf("%x was read, and written as %x", text, again)
		}
	})
}
