package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meetbridge/renewer"
)

// look is how a kind of difference is shown.
type look struct {
	symbol, style string
	would         string // in the totals
}

func lookOf(k renewer.DifferenceKind) look {
	switch k {
	case renewer.WouldCreate:
		return look{"+", green, "to create"}
	case renewer.WouldAdopt:
		return look{"<=", cyan, "to adopt"}
	case renewer.WouldReplace:
		return look{"-/+", yellow, "to replace"}
	case renewer.WouldChange:
		return look{"~", yellow, "to change"}
	case renewer.WouldRenew:
		return look{">", cyan, "to renew"}
	case renewer.WouldDelete:
		return look{"-", red, "to delete"}
	case renewer.WouldRetry:
		return look{"*", yellow, "to try again"}
	default:
		return look{"", dim, "to leave alone"}
	}
}

// print writes the plan for people, tenant by tenant.
func (p subscriptionsPlan) print(t *terminal) error {
	byTenant := map[string][]renewer.Difference{}
	var tenants []string
	for _, d := range p.all {
		if byTenant[d.TenantID] == nil {
			tenants = append(tenants, d.TenantID)
		}
		byTenant[d.TenantID] = append(byTenant[d.TenantID], d)
	}
	slices.Sort(tenants)
	for _, tenant := range tenants {
		note := ""
		if !slices.ContainsFunc(p.Tenants, func(t renewer.Tenant) bool { return t.ID == tenant }) {
			note = "  (not in the file)"
		}
		if err := t.printf("%s%s\n", t.paint(bold, "Tenant "+printable(tenant, keyWidth)), t.paint(dim, note)); err != nil {
			return err
		}
		var above []string
		for _, d := range byTenant[tenant] {
			var err error
			if above, err = p.printOne(t, d, above); err != nil {
				return err
			}
		}
		if err := t.printf("\n"); err != nil {
			return err
		}
	}
	return p.printTotals(t)
}

// printOne writes one difference: what it is about, and below that the details,
// which it returns, but for those that were those of the one above.
func (p subscriptionsPlan) printOne(t *terminal, d renewer.Difference, above []string) (details []string, err error) {
	l := lookOf(d.Kind)
	if d.Stuck {
		l.symbol, l.style = "!", red
	}
	words := []string{changesOf(d.ChangeType)}
	if want := p.byKey[keyOf(d)]; want != nil && d.Kind == renewer.WouldCreate {
		words = append(words, kindWord(want.Rich), "for "+span(want.Lifetime))
	}
	if d.SubscriptionID != "" {
		words = append(words, printable(d.SubscriptionID, keyWidth))
	}
	if d.Where != "" {
		words = append(words, fileOf(d.Where))
	}
	details = p.details(d)
	fresh := slices.DeleteFunc(slices.Clone(details), func(line string) bool { return slices.Contains(above, line) })
	if len(fresh) < len(details) {
		words = append(words, "as above")
	}
	err = t.printf("  %s  %s  %s\n", t.paint(l.style, pad(l.symbol, 3)+" "+pad(string(d.Kind), 7)), shortResource(d.Resource), t.paint(dim, strings.Join(words, "  ")))
	for _, line := range fresh {
		if err == nil {
			err = t.printf("               %s\n", line)
		}
	}
	return details, err
}

// details says what would be changed, why and when, a line each.
func (p subscriptionsPlan) details(d renewer.Difference) []string {
	var lines []string
	for _, f := range d.Fields {
		line := fmt.Sprintf("%s: %s → %s", f.Name, orNone(f.From), orNone(f.To))
		if f.From == f.To {
			line = fmt.Sprintf("%s: %s, of which there is another one under the same id", f.Name, f.To)
		}
		if want := p.byKey[keyOf(d)]; f.Name == "certificate" && want != nil && !p.view.Opens(want.Certificate) {
			line += ", once every ingest process announces its key"
		}
		lines = append(lines, printable(line, maxDetail))
	}
	why := d.Why
	switch {
	case why == "there is none", why == "no longer desired":
		why = "" // as the symbol says
	case p.later(d) && p.view.States[keyOf(d)].Attempts > 0:
		why += "; again " + from(p.now, d.Due)
	case p.later(d):
		why += fmt.Sprintf(", %s (%s)", from(p.now, d.Due), d.Due.UTC().Format(time.RFC3339))
	}
	if why != "" {
		lines = append(lines, printable(why, maxDetail))
	}
	if left := d.Kind == renewer.WouldDelete || d.Kind == renewer.WouldAdopt || d.Kind == renewer.LeftAlone; left && !d.Expires.IsZero() {
		lines = append(lines, "expires "+from(p.now, d.Expires))
	}
	return lines
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// printTotals says in a few lines how much there is to do, and who does it.
func (p subscriptionsPlan) printTotals(t *terminal) error {
	s := p.summary()
	var parts []string
	for _, k := range renewer.DifferenceKinds() {
		if n := s.Would[k]; n > 0 {
			l := lookOf(k)
			parts = append(parts, t.paint(l.style, fmt.Sprintf("%d %s", n, l.would)))
		}
	}
	text := fmt.Sprintf("As desired: %s.", plural(s.Desired, "the one subscription", "all %d subscriptions"))
	if s.Desired == 0 {
		text = "No subscription is desired."
	}
	if len(parts) > 0 {
		text = fmt.Sprintf("Plan: %s; %s.", strings.Join(parts, ", "), s.standing())
	}
	if err := t.printf("%s\n%s\n", text, p.whatNext(s)); err != nil {
		return err
	}
	if s.Unreadable > 0 {
		return t.printf("%s\n", t.paint(red, unreadable(s.Unreadable)))
	}
	return nil
}

// standing says how much is as it should be.
func (s planSummary) standing() string {
	if s.Desired == 0 {
		return "none is desired"
	}
	return fmt.Sprintf("%d of %d desired are as they should be", s.AsDesired, s.Desired)
}

// unreadable says that records were left alone.
func unreadable(n int) string {
	return plural(n, "A record cannot be read, and its subscription is not looked after: see the error above.",
		"%d records cannot be read, and their subscriptions are not looked after: see the errors above.")
}

// whatNext says who carries the plan out.
func (p subscriptionsPlan) whatNext(s planSummary) string {
	now := slices.ContainsFunc(p.all, func(d renewer.Difference) bool { return p.toDo(d) && !d.Stuck })
	text := whoLeads(p.view)
	switch {
	case s.Leading == 0 && now:
		return text + " Start one with meetbridge renewer, or carry it out once with meetbridge subscriptions apply."
	case s.Leading == 0 && len(p.view.States) > 0:
		return text + " Start one with meetbridge renewer, or the subscriptions lapse."
	case now:
		return text + " It carries this out by itself, if it reads the same file; meetbridge subscriptions apply watches it."
	}
	return text
}
