package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meetbridge/renewer"
)

// applyEvent is a line of apply's JSON form.
type applyEvent struct {
	Event string `json:"event"` // done, failed, stuck, remains
	renewer.Difference
}

// pending reports whether a difference is one that apply waits for.
func (a *applying) pending(p subscriptionsPlan, d renewer.Difference) bool {
	s := p.view.States[keyOf(d)]
	switch {
	case !p.toDo(d), d.Kind == renewer.WouldRenew && a.led: // renewers renew all the time
		return false
	case s.Attempts > 0, s.Intent != "":
		return true
	default:
		return !p.later(d)
	}
}

// finished reports whether nothing is left but what nobody can do now.
func (a *applying) finished(p subscriptionsPlan) bool {
	if !a.led && (a.own == nil || a.unread > 0) {
		return false
	}
	for _, d := range a.open {
		// What was refused before we led is tried once more.
		if tried := a.led || p.view.States[keyOf(d)].ErrorAt.After(a.since); !d.Stuck || !tried {
			return false
		}
	}
	return true
}

// progress prints what was done, and what failed, since the last look.
func (a *applying) progress(p subscriptionsPlan, first bool) error {
	before, unread := a.open, a.unread
	a.open, a.unread = map[renewer.Key]renewer.Difference{}, 0
	for _, d := range p.all {
		if !a.pending(p, d) {
			continue
		}
		a.open[keyOf(d)] = d
		if _, known := a.begun[keyOf(d)]; !known && d.Kind != renewer.LeftAlone {
			a.begun[keyOf(d)] = d
		}
	}
	ids := a.ids
	a.ids = map[renewer.Key]string{}
	for key, s := range p.view.States {
		if s.SubscriptionID == "" || p.byKey[key] == nil {
			continue
		}
		a.ids[key] = s.SubscriptionID
		if _, open := a.open[key]; !open && s.ProofAt.Before(a.since) {
			a.unread++
		}
		if _, open := before[key]; !first && !open && ids[key] != s.SubscriptionID { // it had died in silence
			before[key] = renewer.Difference{Kind: renewer.WouldCreate, TenantID: key.TenantID, Resource: key.Resource, ChangeType: key.ChangeType}
		}
	}
	if a.unread < unread {
		a.moved = time.Now()
	}
	if first {
		return nil
	}
	for _, key := range sortedKeys(before) {
		if _, open := a.open[key]; open {
			continue
		}
		a.moved = time.Now()
		d := before[key]
		if begun, known := a.begun[key]; known {
			d = begun
			delete(a.begun, key)
		}
		if err := a.sayDone(p, d); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(a.open) {
		s := p.view.States[key]
		if _, known := before[key]; !known {
			a.moved = time.Now() // the renewer has begun something
		}
		// Graph's words have the id of a request in them, and differ each time.
		why := fmt.Sprint(s.ErrorStatus, s.ErrorCode)
		if s.Attempts == 0 || a.said[key] == why || a.own != nil && s.ErrorAt.Before(a.since) {
			continue
		}
		a.said[key] = why
		if err := a.sayFailed(p, a.open[key]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[renewer.Key]renewer.Difference) []renewer.Key {
	return slices.SortedFunc(maps.Keys(m), func(a, b renewer.Key) int { return cmp.Compare(a.String(), b.String()) })
}

// sayDone prints what has become of a difference that is none any more.
func (a *applying) sayDone(p subscriptionsPlan, d renewer.Difference) error {
	s := p.view.States[keyOf(d)]
	word := map[renewer.DifferenceKind]string{
		renewer.WouldCreate: "created", renewer.WouldAdopt: "adopted", renewer.WouldReplace: "replaced", renewer.WouldChange: "changed",
		renewer.WouldRenew: "renewed", renewer.WouldDelete: "deleted",
	}[d.Kind]
	switch {
	case word != "":
	case s.SubscriptionID == "":
		word = "deleted"
	case d.SubscriptionID == "":
		word = "created"
	default:
		word = "mended"
	}
	a.counts[word]++
	d.SubscriptionID, d.Expires, d.Due = s.SubscriptionID, s.ExpiresAt, time.Time{}
	if a.JSON {
		return a.printJSON(applyEvent{"done", d})
	}
	words := []string{changesOf(d.ChangeType)}
	if s.SubscriptionID != "" {
		words = append(words, printable(s.SubscriptionID, keyWidth), "expires "+from(p.now, s.ExpiresAt))
	}
	if err := a.head(d.TenantID); err != nil {
		return err
	}
	return a.printf("  %s  %s  %s\n", a.paint(green, pad(word, 8)), shortResource(d.Resource), a.paint(dim, strings.Join(words, "  ")))
}

// sayFailed prints the failure of a difference.
func (a *applying) sayFailed(p subscriptionsPlan, d renewer.Difference) error {
	event, word, style := "failed", "failed", yellow
	if d.Stuck {
		event, word, style = "stuck", "refused", red
	}
	if a.JSON {
		return a.printJSON(applyEvent{event, d})
	}
	if err := a.head(d.TenantID); err != nil {
		return err
	}
	s := p.view.States[keyOf(d)]
	return a.printf("  %s  %s  %s\n            %s, tried again %s\n", a.paint(style, pad(word, 8)), shortResource(d.Resource),
		a.paint(dim, changesOf(d.ChangeType)), printable(s.Error, maxDetail), from(p.now, s.NextAttemptAt))
}

// head prints the name of the tenant that the next line is about, unless that
// is the one of the last.
func (a *applying) head(tenant string) error {
	if tenant == a.tenant {
		return nil
	}
	a.tenant = tenant
	return a.printf("%s\n", a.paint(bold, "Tenant "+printable(tenant, keyWidth)))
}

// end says what was done and what remains; why is nil if apply came to its end.
func (a *applying) end(p subscriptionsPlan, why error) error {
	var later, remains []renewer.Difference
	for _, d := range p.all {
		switch _, open := a.open[keyOf(d)]; {
		case open:
			remains = append(remains, d)
		case p.toDo(d) && p.later(d):
			later = append(later, d)
		}
	}
	if err := a.printEnd(p, remains, later); err != nil {
		return err
	}
	if a.unread > 0 {
		why = errors.Join(why, fmt.Errorf("%s could not be read back, and may be dead", plural(a.unread, "a subscription", "%d subscriptions")))
	}
	if len(remains) == 0 {
		return why
	}
	stays := fmt.Errorf("%s (see above)", plural(len(remains), "a subscription is not as desired", "%d subscriptions are not as desired"))
	if why != nil && a.led {
		why = fmt.Errorf("%w: does the renewer that leads read this file? Its log and /readyz tell", why)
	}
	return errors.Join(why, stays)
}

func (a *applying) printEnd(p subscriptionsPlan, remains, later []renewer.Difference) error {
	if a.JSON {
		for _, d := range remains {
			if err := a.printJSON(applyEvent{"remains", d}); err != nil {
				return err
			}
		}
		return a.printJSON(map[string]any{"summary": map[string]any{"done": a.counts, "remains": len(remains), "later": len(later), "desired": len(p.Subscriptions)}})
	}
	if err := a.printRest(p, remains); err != nil {
		return err
	}
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(a.counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", a.counts[word], word))
	}
	text := "Nothing to do"
	switch {
	case len(parts) > 0:
		text = "Done: " + strings.Join(parts, ", ")
	case len(remains) > 0:
		text = "Nothing was done"
	case len(later) > 0:
		text = "Nothing can be done now"
	}
	if len(later) > 0 {
		text += "; " + waiting(p.now, later)
	}
	text += "; " + p.summary().standing() + "."
	if a.tenant != "" {
		text = "\n" + text
	}
	if err := a.printf("%s\n", text); err != nil {
		return err
	}
	return a.warn(p)
}

// waiting says what comes with the next renewals, and when the last of it does.
func waiting(now time.Time, later []renewer.Difference) string {
	what, last := map[string]bool{}, time.Time{}
	for _, d := range later {
		for _, f := range d.Fields {
			what[f.Name] = true
		}
		if d.Due.After(last) {
			last = d.Due
		}
	}
	text := plural(len(later), "one change waits for its next renewal", "%d changes wait for their next renewals")
	if len(what) > 0 {
		text += " (" + strings.Join(sorted(what), ", ") + ")"
	}
	return text + plural(len(later), ", ", ", the last of them ") + from(now, last)
}

// printRest writes what remains and was not told of as a failure.
func (a *applying) printRest(p subscriptionsPlan, remains []renewer.Difference) error {
	first := true
	for _, d := range remains {
		if a.said[keyOf(d)] != "" {
			continue
		}
		if first {
			if err := a.printf("\nWhat remains:\n"); err != nil {
				return err
			}
			first, a.tenant = false, ""
		}
		if err := a.head(d.TenantID); err != nil {
			return err
		}
		if _, err := p.printOne(a.terminal, d, nil); err != nil {
			return err
		}
	}
	return nil
}

// warn says when all will be over, where nobody keeps the subscriptions alive.
func (a *applying) warn(p subscriptionsPlan) error {
	if others := len(p.view.Renewers); a.led || others > 1 {
		return nil
	}
	var first time.Time
	for _, s := range p.view.States {
		if s.SubscriptionID != "" && (first.IsZero() || s.ExpiresAt.Before(first)) {
			first = s.ExpiresAt
		}
	}
	if first.IsZero() {
		return nil
	}
	return a.printf("%s\n", a.paint(yellow, fmt.Sprintf("No renewer keeps them alive: the first expires %s. Start one with meetbridge renewer.", from(p.now, first))))
}
