package renewer

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// What a leader holds of each subscription, the wish for it and what the planner
// knows, stays below so many bytes: 100,000 of them leave a process of 256 MiB
// room to read them, and the file, anew.
func TestMemory(t *testing.T) {
	const n, most = 20_000, 900
	empty := heapBytes()
	p, w := leadMany(n)
	held := int(heapBytes()-empty) / n
	t.Logf("%d bytes for each subscription", held)
	if held > most {
		t.Errorf("%d bytes are held for each subscription, want at most %d", held, most)
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(w)
}

// leadMany returns a planner as it is after a take-over, and the wish.
func leadMany(n int) (*Planner, *Wanted) {
	now := time.Now()
	all, wanted := benchStates(n, now)
	p := NewPlanner()
	for _, s := range all {
		s.Resource = strings.Clone(s.Resource) // as if read
		p.Set(s, now)
	}
	p.Want(wanted, DefaultRules(), now)
	return p, wanted
}
