package renewer

import "time"

// Election is election for tests in another package.
type Election = election

// Urgent reports whether a goes before all that can wait.
func (a Action) Urgent() bool { return a.rank < rankRenew }

// Leads returns how many shards are led with a fresh lease, their states read.
func (r *Renewer) Leads() (n int) {
	for _, l := range r.shards() {
		if l.lease.Fresh(time.Now()) {
			n++
		}
	}
	return n
}

// ParseDesiredWhole is ParseDesired without cutting the file apart.
func ParseDesiredWhole(text []byte, path string, now time.Time) (*Wanted, []Fault) {
	l := newLoader(path, now)
	l.document(text)
	return l.result()
}

// Apart reports whether a file is read one tenant after the other.
func Apart(text []byte, path string) bool {
	return newLoader(path, time.Now()).apart(text)
}
