package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meetbridge/renewer"
)

// resentFor is how long Graph sends again what it could not deliver (FACTS §1.3):
// sealed for the key, and with the clientState, that the subscription had then.
const resentFor = 4 * time.Hour

// hurry is how what waits for renewals is done at once.
const hurry = "where that is too slow, stop the renewers, run meetbridge subscriptions apply, and start them again"

// certificateSteps says which steps of the rotation to the first of the pairs
// are done, and what comes next.
func (r *rotation) certificateSteps(c keysRotateCmd, pairs []keyPair, w *renewer.Wanted, v renewer.View, tenants []int, living []alive) {
	private := pairs[0].private
	if private == "" {
		private = "its private key"
	}
	r.step(stepMade, true, "the new key is made", strings.Join(r.Keys[0].Files, ", "))
	missing := r.announced()
	old := 0
	for _, n := range tenants[1:] {
		old += n
	}
	named, detail := old == 0 && tenants[0] > 0, ""
	switch {
	case old > 0:
		detail = fmt.Sprintf("%d of %s name an older one", old, count(len(w.Tenants), "tenant"))
	case tenants[0] == 0:
		detail = "no tenant names it"
	}
	r.step(stepNamed, named, c.Subscriptions+" names its certificate", detail)
	if missing != "" && tenants[0] > 0 && len(pairs) > 1 {
		r.Problems = append(r.Problems, fmt.Sprintf("%s names %s too early: what is subscribed to from now on is sealed for a key that ingest lacks, and goes to quarantine", c.Subscriptions, r.New))
	}
	left := r.moved(v, living[1:], old == 0)
	rest := r.rest(living[1:], left == "" && named)
	idle := len(pairs) == 1 && missing == "" && named
	if r.stage(); idle {
		r.Stage = stageIdle
	}
	switch r.Stage {
	case stepAnnounced:
		r.Next, r.waits = fmt.Sprintf("copy %s into the --decryption-keys of every ingest process, which takes it up within seconds", private), true
	case stepNamed:
		r.nameNext(c, pairs, w, old)
	case stepMoved:
		r.Next, r.waits = "let the renewer go on: it changes each with its next renewal; "+hurry, true
	case stepRemoved:
		r.Next = fmt.Sprintf("remove %s, there and in the --decryption-keys of every ingest process, once %s have passed: Graph may send again for so long what it sealed before. "+
			"What comes later still is quarantined, and can be replayed when the key is back: keep it in a safe place for as long as quarantine keeps records",
			strings.Join(rest, ", "), span(resentFor))
	default:
		r.Next, r.act = fmt.Sprintf("nothing to do. To begin a rotation: meetbridge keys rotate %s --next", c.Dir), c.makeKey
	}
}

// nameNext is the next step where the file does not name the new certificate.
func (r *rotation) nameNext(c keysRotateCmd, pairs []keyPair, w *renewer.Wanted, old int) {
	if old == 0 {
		r.Next = fmt.Sprintf("write its certificate into %s, as decryption_certificate of the tenants or below defaults", c.Subscriptions)
		return
	}
	r.Next = fmt.Sprintf("name it in %s (and put %s where the renewers read the others): by hand, or by meetbridge keys rotate %s --next",
		c.Subscriptions, r.New+".pem", c.Dir)
	r.act = func() ([]string, error) { return nameCertificate(c.Subscriptions, w, pairs) }
}

// moved adds the step that every living subscription has the new key, and
// returns what is left to be done.
func (r *rotation) moved(v renewer.View, others []alive, named bool) (left string) {
	var sum alive
	for _, o := range others {
		sum.n, sum.blocked = sum.n+o.n, sum.blocked+o.blocked
		if o.last.After(sum.last) {
			sum.last = o.last
		}
	}
	switch {
	case sum.n > 0:
		left = fmt.Sprintf("%s to go", count(sum.n, "subscription"))
		if named && !sum.last.IsZero() {
			left += fmt.Sprintf(", the last before %s", sum.last.UTC().Format(time.DateTime))
		}
		if sum.blocked > 0 {
			left += fmt.Sprintf("; Graph refuses %d of them: meetbridge subscriptions list says why", sum.blocked)
		}
	case v.Unreadable > 0:
		left = fmt.Sprintf("%s cannot be read by this version, and may name another", count(v.Unreadable, "state"))
	}
	if named && left != "" && len(v.Renewers) == 0 {
		left += "; no renewer runs: start one"
	}
	r.step(stepMoved, left == "" && named, "every living subscription has it", left)
	return left
}

// rest adds the last step, and returns what is to be removed by then: the files
// of the keys that nothing names, with --only client-state their ids.
func (r *rotation) rest(others []alive, moved bool) []string {
	var rest []string
	for i, k := range r.Keys[1:] {
		if moved && others[i].n == 0 {
			r.Removable = append(r.Removable, k.ID)
		}
		rest = append(rest, k.Files...)
		if len(k.Files) == 0 {
			rest = append(rest, k.ID)
		}
	}
	detail := ""
	if len(rest) > 0 {
		detail = "still there: " + strings.Join(rest, ", ")
	}
	r.step(stepRemoved, len(r.Keys) == 1, "no old key is left", detail)
	return rest
}

// are returns "1 thing is" or "2 things are".
func are(n int, noun string) string {
	if n == 1 {
		return count(n, noun) + " is"
	}
	return count(n, noun) + " are"
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
