package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

type subscriptionsListCmd struct {
	Tenant []string `placeholder:"ID" help:"Only of that tenant, or of one of those, separated by commas."`
	Status []string `placeholder:"STATUS" help:"Only those that are creating, active, blocked, dead, deleting, aside (their record cannot be read) or unknown (with --graph)."`
	Graph  bool     `help:"Ask Graph too, with the credentials in --subscriptions, and list what lives there and nobody here knows of."`
	JSON   bool     `name:"json" help:"Print one JSON object a subscription, and the summary as the last one."`
	subscriptionsFlags
}

// Help is printed below what the command is for.
func (subscriptionsListCmd) Help() string {
	return `
Reads what the renewers know (teams.subscriptions) and disturbs none of them. A subscription is
  creating   about to be made, for the first time      active    alive
  blocked    refused by Graph, with the reason         dead      not alive; its gap is open
  deleting   no longer desired                         aside     of a record that cannot be read
  unknown    alive at Graph, and known to no renewer (with --graph)

Examples:
  meetbridge subscriptions list
  meetbridge subscriptions list --status blocked,dead
  meetbridge subscriptions list --graph --tenant 7a4c9d0e-1111-4222-8333-444455556666
  meetbridge subscriptions list --json | jq -r 'select(.expires_at < "2026-02-01") | .resource'`
}

// unknownStatus is the status of what only Graph knows.
const unknownStatus renewer.Status = "unknown"

// subscriptionLine is a line of the list, and its JSON form.
type subscriptionLine struct {
	TenantID       string             `json:"tenant_id"`
	Resource       string             `json:"resource"`
	ChangeType     string             `json:"change_type"`
	Status         renewer.Status     `json:"status"`
	SubscriptionID string             `json:"subscription_id,omitzero"`
	ApplicationID  string             `json:"application_id,omitzero"`
	Version        graph.Version      `json:"api_version,omitzero"`
	Rich           bool               `json:"rich"`
	CertificateID  string             `json:"certificate_id,omitzero"`
	ClientStateKey string             `json:"client_state_key,omitzero"`
	Notifies       string             `json:"notifies,omitzero"` // the host of its notification URL
	CreatedAt      time.Time          `json:"created_at,omitzero"`
	RenewedAt      time.Time          `json:"renewed_at,omitzero"`
	ExpiresAt      time.Time          `json:"expires_at,omitzero"`
	ProofAt        time.Time          `json:"last_proof_of_life_at,omitzero"`
	Proof          renewer.Proof      `json:"last_proof_of_life,omitzero"`
	Intent         renewer.ActionKind `json:"intent,omitzero"`
	Attempts       int                `json:"failures,omitzero"` // since the last success
	ErrorStatus    int                `json:"error_status,omitzero"`
	ErrorCode      string             `json:"error_code,omitzero"`
	Error          string             `json:"error,omitzero"`
	NextAttemptAt  time.Time          `json:"next_attempt_at,omitzero"`
	GapSince       time.Time          `json:"gap_since,omitzero"`
	GapCause       renewer.Cause      `json:"gap_cause,omitzero"`
}

func lineOfState(s renewer.State) subscriptionLine {
	return subscriptionLine{
		TenantID: s.TenantID, Resource: s.Resource, ChangeType: s.ChangeType, Status: s.Status, SubscriptionID: s.SubscriptionID,
		ApplicationID: s.ApplicationID, Version: s.Version, Rich: s.Rich, CertificateID: s.CertificateID, ClientStateKey: s.ClientStateKeyID,
		Notifies: hostOf(s.NotificationURL), CreatedAt: s.CreatedAt, RenewedAt: s.RenewedAt, ExpiresAt: s.ExpiresAt, ProofAt: s.ProofAt, Proof: s.Proof,
		Intent: s.Intent, Attempts: s.Attempts, ErrorStatus: s.ErrorStatus, ErrorCode: s.ErrorCode, Error: s.Error, NextAttemptAt: s.NextAttemptAt,
		GapSince: s.Gap.From, GapCause: s.Gap.Cause,
	}
}

// hostOf returns the host of a URL: the rest may hold a secret of whoever made
// the subscription.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// note says what a person should know of the line.
func (l subscriptionLine) note(now time.Time) string {
	var parts []string
	if l.Intent != "" {
		parts = append(parts, "about to "+string(l.Intent))
	}
	if !l.GapSince.IsZero() {
		parts = append(parts, fmt.Sprintf("gap since %s (%s)", l.GapSince.UTC().Format(time.RFC3339), l.GapCause))
	}
	if l.Attempts > 0 {
		parts = append(parts, fmt.Sprintf("failed %s, again %s: %s", plural(l.Attempts, "once", "%d times"), from(now, l.NextAttemptAt), printable(l.Error, maxDetail)))
	}
	if l.Status == unknownStatus {
		parts = append(parts, "notifies "+orNone(l.Notifies))
	}
	return strings.Join(parts, "; ")
}

func (c subscriptionsListCmd) check() error {
	known := []string{
		string(renewer.Creating), string(renewer.Active), string(renewer.Blocked), string(renewer.Dead), string(renewer.Deleting),
		string(renewer.Aside), string(unknownStatus),
	}
	for _, s := range c.Status {
		if !slices.Contains(known, s) {
			return usagef("--status is %q: must be %s%s", s, oneOf(known), didYouMean(s, known))
		}
	}
	if slices.Contains(c.Status, string(unknownStatus)) && !c.Graph {
		return usagef("--status unknown needs --graph: only Graph knows what nobody here knows")
	}
	return nil
}

// Run lists the subscriptions.
func (c subscriptionsListCmd) Run(ctx context.Context, t *terminal) error {
	if err := c.check(); err != nil {
		return err
	}
	var (
		view    renewer.View
		listing renewer.Listing
		err     error
	)
	if c.Graph {
		desired, loadErr := c.load(t)
		if loadErr != nil {
			return loadErr
		}
		tenants := slices.DeleteFunc(slices.Clone(desired.Tenants), func(tenant renewer.Tenant) bool { return !c.selects(tenant.ID) })
		view, listing, err = c.readBoth(ctx, t, tenants)
	} else {
		view, err = c.read(ctx, t)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	lines := c.lines(view, listing.Listed, now)
	if c.JSON {
		err = c.printJSON(t, view, lines)
	} else {
		err = c.print(t, view, lines, now)
	}
	if unlisted := unlisted(listing); err == nil && unlisted != nil {
		err = fmt.Errorf("what Graph has is not known: %w", unlisted)
	}
	return err
}

func (c subscriptionsListCmd) selects(tenant string) bool {
	return len(c.Tenant) == 0 || slices.ContainsFunc(c.Tenant, func(id string) bool { return strings.EqualFold(id, tenant) })
}

// lines returns what is asked for, by tenant and resource.
func (c subscriptionsListCmd) lines(view renewer.View, listed map[string][]graph.Subscription, now time.Time) []subscriptionLine {
	var all []subscriptionLine
	known := map[string]bool{}
	for _, s := range view.States {
		known[s.SubscriptionID] = true
		all = append(all, lineOfState(s))
	}
	for tenant, subs := range listed {
		for _, sub := range subs {
			if known[sub.ID] || !sub.ExpirationDateTime.After(now) {
				continue
			}
			all = append(all, subscriptionLine{
				TenantID: tenant, Resource: sub.Resource, ChangeType: sub.ChangeType, Status: unknownStatus, SubscriptionID: sub.ID,
				ApplicationID: sub.ApplicationID, Rich: sub.IncludeResourceData, CertificateID: sub.EncryptionCertificateID,
				Notifies: hostOf(sub.NotificationURL), ExpiresAt: sub.ExpirationDateTime,
			})
		}
	}
	all = slices.DeleteFunc(all, func(l subscriptionLine) bool {
		return !c.selects(l.TenantID) || len(c.Status) > 0 && !slices.Contains(c.Status, string(l.Status))
	})
	slices.SortFunc(all, func(a, b subscriptionLine) int {
		return strings.Compare(a.TenantID+" "+a.Resource+" "+a.ChangeType+" "+a.SubscriptionID, b.TenantID+" "+b.Resource+" "+b.ChangeType+" "+b.SubscriptionID)
	})
	return all
}

func byStatus(lines []subscriptionLine) map[renewer.Status]int {
	counts := map[renewer.Status]int{}
	for _, l := range lines {
		counts[l.Status]++
	}
	return counts
}

func (c subscriptionsListCmd) printJSON(t *terminal, view renewer.View, lines []subscriptionLine) error {
	for _, l := range lines {
		if err := t.printJSON(l); err != nil {
			return err
		}
	}
	return t.printJSON(map[string]any{"summary": map[string]any{
		"statuses": byStatus(lines), "unreadable": view.Unreadable, "renewers": len(view.Renewers), "leading": view.Leading(), "shards": view.Shards,
	}})
}

func (c subscriptionsListCmd) print(t *terminal, view renewer.View, lines []subscriptionLine, now time.Time) error {
	counts := byStatus(lines)
	for len(lines) > 0 {
		n := slices.IndexFunc(lines, func(l subscriptionLine) bool { return l.TenantID != lines[0].TenantID })
		if n < 0 {
			n = len(lines)
		}
		if err := printTenant(t, lines[:n], now); err != nil {
			return err
		}
		lines = lines[n:]
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[status], status))
	}
	text := "No subscription that fits is known."
	if len(parts) > 0 {
		text = strings.Join(parts, ", ") + "."
	}
	if view.Unreadable > 0 {
		text += " " + t.paint(red, unreadable(view.Unreadable))
	}
	return t.printf("%s\n%s\n", text, whoLeads(view))
}

// printTenant writes the table of one tenant, below each line what is to be
// noted of it.
func printTenant(t *terminal, lines []subscriptionLine, now time.Time) error {
	rows := [][]string{{"STATUS", "EXPIRES", "SUBSCRIPTION", "CERTIFICATE", "CHANGES", "RESOURCE"}}
	for _, l := range lines {
		expires, certificate := "-", "basic"
		if !l.ExpiresAt.IsZero() {
			expires = from(now, l.ExpiresAt)
		}
		if l.Rich || l.Status == renewer.Aside {
			certificate = cmp.Or(printable(l.CertificateID, keyWidth), "-")
		}
		rows = append(rows, []string{
			string(l.Status), expires, cmp.Or(printable(l.SubscriptionID, keyWidth), "-"), certificate, changesOf(l.ChangeType), shortResource(l.Resource),
		})
	}
	var table bytes.Buffer
	aside := *t
	aside.stdout = &table
	err := aside.table(rows, func(row, column int) string {
		switch {
		case row == 0:
			return dim
		case column == 0:
			return statusStyle(lines[row-1].Status)
		default:
			return ""
		}
	})
	if err != nil {
		return err
	}
	if err := t.printf("%s\n", t.paint(bold, "Tenant "+printable(lines[0].TenantID, keyWidth))); err != nil {
		return err
	}
	row := 0
	for text := range strings.Lines(table.String()) {
		if err := t.printf("  %s", text); err != nil {
			return err
		}
		if row > 0 {
			if note := lines[row-1].note(now); note != "" {
				if err := t.printf("            %s\n", t.paint(dim, note)); err != nil {
					return err
				}
			}
		}
		row++
	}
	return t.printf("\n")
}

func statusStyle(s renewer.Status) string {
	switch s {
	case renewer.Active:
		return green
	case renewer.Blocked, renewer.Dead, renewer.Aside:
		return red
	default:
		return yellow
	}
}
