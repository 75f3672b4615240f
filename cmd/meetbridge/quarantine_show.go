package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
	"meetbridge/ingest"
)

type quarantineShowCmd struct {
	EventID string `arg:"" name:"id" help:"Event id of the record, as quarantine list prints it."`
	Raw     bool   `help:"Print nothing but the item's bytes as they are in the record. Where a clientState names a missing key it is in there: mind who looks on."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
	quarantineFlags
}

// Help is printed below what the command is for.
func (quarantineShowCmd) Help() string {
	return `
Says why something was set aside, and what would cure it; shows the claims of the tokens
and the item, its sealed members shortened. It opens nothing, and shows no clientState.

Examples:
  meetbridge quarantine show 2f1c7f0a-…
  meetbridge quarantine show 2f1c7f0a-… --raw > item.json`
}

// errFound ends the reading of the quarantine.
var errFound = errors.New("found")

// Run shows the record.
func (c quarantineShowCmd) Run(ctx context.Context, t *terminal) error {
	cfg, err := c.config(ctx, t)
	if err != nil {
		return err
	}
	var found *ingest.SetAside
	err = ingest.ReadQuarantine(ctx, cfg, ingest.SetAsideFilter{EventIDs: []string{c.EventID}}, t.log, func(s *ingest.SetAside) error {
		found = s
		return errFound
	})
	switch {
	case found == nil && err == nil:
		return fmt.Errorf("no record of the quarantine has the event id %q: see meetbridge quarantine list", c.EventID)
	case found == nil:
		return err
	case c.Raw:
		_, err := t.stdout.Write(found.Raw)
		return err
	}
	d := newSetAsideDetail(found)
	if c.JSON {
		return t.printJSON(d)
	}
	return d.print(t)
}

// setAsideDetail is all that may be shown of a record, and its JSON form.
type setAsideDetail struct {
	setAside
	Means       string         `json:"means"`
	Detail      string         `json:"detail,omitempty"`
	Cure        string         `json:"cure"`
	ClientState string         `json:"client_state"`
	Tokens      []shownToken   `json:"tokens"`
	Partition   int32          `json:"partition"`
	Offset      int64          `json:"offset"`
	Item        map[string]any `json:"item,omitempty"` // null: the bytes are no item
	claims      []*shownClaims // nil where they cannot be read
	sealed      *sealedFor     // nil: not sealed
	state       string         // id of the key that the clientState names
	reason      bridge.ReasonInfo
}

type shownToken struct {
	SignatureValid bool           `json:"signature_valid"`
	Reason         string         `json:"reason,omitempty"`
	Claims         jsontext.Value `json:"claims,omitempty"`
}

// shownClaims are the claims that a cure depends on.
type shownClaims struct {
	Audience any `json:"aud"`
	Issuer   any `json:"iss"`
}

type sealedFor struct{ id, thumbprint string }

func newSetAsideDetail(s *ingest.SetAside) setAsideDetail {
	d := setAsideDetail{
		setAside: newSetAside(s), Means: s.Reason.Means, Detail: s.Detail, reason: s.Reason,
		Tokens: []shownToken{}, Partition: s.Partition, Offset: s.Offset,
	}
	for _, tok := range s.Tokens {
		shown := shownToken{SignatureValid: tok.SignatureValid, Reason: string(tok.Reason)}
		claims := &shownClaims{}
		if json.Unmarshal([]byte(tok.Claims), claims) == nil {
			shown.Claims = jsontext.Value(tok.Claims)
		}
		d.Tokens, d.claims = append(d.Tokens, shown), append(d.claims, claims)
	}
	if item, err := bridge.DecodeItem(s.Raw); err == nil {
		var members map[string]any
		if json.Unmarshal(s.Raw, &members) == nil {
			d.Item = shownMembers("", members)
		}
		if item.Rich() {
			d.sealed = &sealedFor{item.EncryptedContent.CertificateID, item.EncryptedContent.CertificateThumbprint}
		}
		if s.Reason.Reason == bridge.ClientStateUnknownKey {
			rest, _ := strings.CutPrefix(item.ClientState, "mb1.")
			d.state, _, _ = strings.Cut(rest, ".")
		}
	}
	switch {
	case s.ClientStateVerified:
		d.ClientState = "was found good"
	case d.state != "":
		d.ClientState = "names the key " + printable(d.state, keyWidth)
	default:
		d.ClientState = "was not found good"
	}
	d.Cure = d.cure()
	return d
}

// cure returns what would let a replay succeed.
func (d setAsideDetail) cure() string {
	certificate := "the certificate"
	if d.sealed != nil {
		certificate = fmt.Sprintf("the certificate %q (thumbprint %q)", printable(d.sealed.id, valueWidth), printable(d.sealed.thumbprint, valueWidth))
	}
	said := func(claim func(*shownClaims) any) string {
		var all []string
		for i, c := range d.claims {
			if v := printable(fmt.Sprint(claim(c)), 2*valueWidth); d.Tokens[i].Reason != "" && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
		return oneOf(all)
	}
	if d.Size == 0 {
		return "Nothing: it was too large to be kept. The detail says what to ask of Graph."
	}
	switch d.reason.Reason {
	case bridge.ClientStateUnknownKey:
		return fmt.Sprintf("Add the key %q to the file --client-state-keys, if it is one of yours.", printable(d.state, keyWidth))
	case bridge.TokenIssuer:
		return fmt.Sprintf("Correct --entra-authority and --entra-sts, if %s is an issuer to trust.", said(func(c *shownClaims) any { return c.Issuer }))
	case bridge.TokenAudience:
		return fmt.Sprintf("Add %s to --app-ids, if that is an application of yours.", said(func(c *shownClaims) any { return c.Audience }))
	case bridge.DecryptionKeyUnknown:
		return fmt.Sprintf("Put the private key of %s into the directory --decryption-keys.", certificate)
	case bridge.DataKeyUnopened:
		return fmt.Sprintf("Put the right private key of %s into --decryption-keys: the one there is another.", certificate)
	case bridge.RecordTooLarge:
		return "Raise max.message.bytes of the topic: meetbridge topics apply."
	}
	return "Nothing: it stays out for ever."
}

// print writes d for people.
func (d setAsideDetail) print(t *terminal) error {
	sealed := "basic"
	if d.Sealed {
		sealed = "sealed"
	}
	rows := [][]string{
		{"event id", d.EventID},
		{"received", d.ReceivedAt.Format(setAsideTime)},
		{"reason", d.Reason + ": " + d.Means},
		{"cure", d.Cure},
		{"tenant", d.TenantID},
		{"subscription", d.SubscriptionID},
		{"kind", strings.TrimSpace(d.Kind + " (" + sealed + ")")},
		{"client state", d.ClientState},
		{"record", fmt.Sprintf("partition %d, offset %d; the item has %d bytes", d.Partition, d.Offset, d.Size)},
	}
	if d.Detail != "" {
		rows = append(rows, []string{"detail", d.Detail})
	}
	for i, tok := range d.Tokens {
		verdict := "good"
		if tok.Reason != "" {
			verdict = tok.Reason
		}
		if tok.SignatureValid {
			verdict += ", its signature is valid"
		} else {
			verdict += ", its signature is not valid"
		}
		rows = append(rows, []string{fmt.Sprintf("token %d", i+1), verdict}, []string{"  claims", string(tok.Claims)})
	}
	for i := range rows {
		rows[i][1] = printable(rows[i][1], 4000)
	}
	if err := t.table(rows, func(_, column int) string { return []string{dim, ""}[column] }); err != nil {
		return err
	}
	if d.Item == nil {
		return t.printf("\nThe item is none that can be shown: see --raw.\n")
	}
	text, err := json.Marshal(d.Item, json.Deterministic(true), jsontext.WithIndent("  "), jsontext.EscapeForHTML(false))
	if err != nil {
		return fmt.Errorf("encode item: %w", err)
	}
	return t.printf("\n%s\n", text)
}
