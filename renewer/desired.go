package renewer

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// Wanted is all that the file of desired subscriptions asks for.
type Wanted struct {
	File          string // that was read
	Tenants       []Tenant
	Subscriptions []Desired // of all tenants, in the order of the file
	// Development allows what only a simulated Graph has: plain http, and lifetimes
	// below Graph's minimum.
	Development bool
	// Files are the certificates that were read, sorted: when one changes, the
	// file must be read again.
	Files []string
}

// Tenant is one Entra tenant, with the application that subscribes there.
type Tenant struct {
	ID              string                 // a GUID in lower case
	GraphURL        string                 // graph.Config.BaseURL
	Credential      graph.CredentialConfig // without HTTP and Log
	NotificationURL string
	LifecycleURL    string      // "" for none
	Certificate     Certificate // zero for none
	Removals        int         // how many subscriptions may be deleted though more are dropped than kept; see Rules.Removals
	Where           string      // file:line
}

// Fault is something wrong in the file of desired subscriptions.
type Fault struct {
	File    string
	Line    int    // from 1; 0 for the file as a whole
	Problem string // what is wrong
	Fix     string // what to do, with the nearest known word where there is one
	Warning bool   // it does no harm yet
}

// String returns "file:line: problem: fix".
func (f Fault) String() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Fix == "" {
		return where + ": " + f.Problem
	}
	return where + ": " + f.Problem + ": " + f.Fix
}

// Limits of the file: it may be broken in any way, or not be meant at all.
const (
	maxDesiredFile   = 16 << 20  // bytes: some 100,000 subscriptions
	maxDesiredNodes  = 2_000_000 // values looked at, aliases followed
	maxSubscriptions = 200_000
	maxFaults        = 100
)

// LoadDesired reads the file of desired subscriptions and the certificates that
// it names. It returns all faults that can be found without asking Graph, in the
// order of the lines; Wanted is nil if there are any but warnings. The error is
// about a file that cannot be read.
func LoadDesired(path string) (*Wanted, []Fault, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read desired subscriptions: %w", err)
	}
	w, faults := ParseDesired(text, path, time.Now())
	return w, faults, nil
}

func readBounded(path string) ([]byte, error) {
	var text bytes.Buffer
	err := copyBounded(&text, path)
	return text.Bytes(), err
}

// copyBounded writes what stands in the file to w.
func copyBounded(w io.Writer, path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxDesiredFile:
		return tooLarge(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if text, is := w.(*bytes.Buffer); is {
		text.Grow(int(info.Size()) + bytes.MinRead)
	}
	n, err := io.Copy(w, io.LimitReader(f, maxDesiredFile+1))
	if err == nil && n > maxDesiredFile {
		err = tooLarge(path)
	}
	return err
}

func tooLarge(path string) error {
	return fmt.Errorf("%s has more than %d MiB: a subscription takes some 100 bytes, so this is another file", path, maxDesiredFile>>20)
}

// ParseDesired is LoadDesired for a text that is read already, path being its
// name, from which the files that it names are found. now is what certificates
// may have expired before.
func ParseDesired(text []byte, path string, now time.Time) (*Wanted, []Fault) {
	l := newLoader(path, now)
	if !l.apart(text) {
		l = newLoader(path, now)
		l.document(text)
	}
	return l.result()
}

// result returns what was read, or what is wrong with it.
func (l *loader) result() (*Wanted, []Fault) {
	l.wanted.File = l.file
	l.wanted.Files = slices.Sorted(maps.Keys(l.certificates))
	slices.SortStableFunc(l.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	l.faults = slices.Compact(l.faults)
	bad := slices.ContainsFunc(l.faults, func(f Fault) bool { return !f.Warning })
	if n := len(l.faults) - maxFaults; n > 0 {
		l.faults = append(l.faults[:maxFaults:maxFaults], Fault{
			File: l.file, Problem: fmt.Sprintf("%d more faults", n), Fix: "mend those above first",
		})
	}
	if bad {
		return nil, l.faults
	}
	return &l.wanted, l.faults
}

// Rules returns the rules to plan by.
func (w *Wanted) Rules() Rules {
	if !w.Development {
		return DefaultRules()
	}
	shortest := DefaultRules().MinLifetime
	for i := range w.Subscriptions {
		shortest = min(shortest, w.Subscriptions[i].Lifetime)
	}
	return DevelopmentRules(shortest)
}

// relative returns the place of a file that is named in the file at path.
func relative(path, named string) string {
	if filepath.IsAbs(named) {
		return named
	}
	return filepath.Join(filepath.Dir(path), named)
}

// Changes says how what is wanted has changed from one reading to the next.
type Changes struct {
	Added, Removed, Changed []Key    // sorted
	Tenants                 []string // whose client must be made anew: added, removed or changed; sorted
}

// Compare returns what changed from old to w; old may be nil. Where it stands in
// the file makes no difference.
func (w *Wanted) Compare(old *Wanted) Changes {
	if old == nil {
		old = &Wanted{}
	}
	var c Changes
	before := make(map[Key]*Desired, len(old.Subscriptions))
	for i := range old.Subscriptions {
		before[old.Subscriptions[i].Key] = &old.Subscriptions[i]
	}
	for i := range w.Subscriptions {
		d := &w.Subscriptions[i]
		b := before[d.Key]
		if b == nil {
			c.Added = append(c.Added, d.Key)
			continue
		}
		delete(before, d.Key)
		was := *b
		if was.Line, was.ClientStateKeyID = d.Line, d.ClientStateKeyID; was != *d {
			c.Changed = append(c.Changed, d.Key)
		}
	}
	for k := range before {
		c.Removed = append(c.Removed, k)
	}
	tenants := map[string]Tenant{}
	for _, t := range old.Tenants {
		tenants[t.ID] = t
	}
	for _, t := range w.Tenants {
		b, had := tenants[t.ID]
		delete(tenants, t.ID)
		if b.Where = t.Where; !had || b != t || w.Development != old.Development {
			c.Tenants = append(c.Tenants, t.ID)
		}
	}
	for id := range tenants {
		c.Tenants = append(c.Tenants, id)
	}
	for _, keys := range [...][]Key{c.Added, c.Removed, c.Changed} {
		slices.SortFunc(keys, compareKeys)
	}
	slices.Sort(c.Tenants)
	return c
}

func compareKeys(a, b Key) int {
	if c := strings.Compare(a.TenantID, b.TenantID); c != 0 {
		return c
	}
	if c := strings.Compare(a.Resource, b.Resource); c != 0 {
		return c
	}
	return strings.Compare(a.ChangeType, b.ChangeType)
}
