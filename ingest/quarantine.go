package ingest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/ingest/token"
	"meetbridge/schemas"
)

// leastCost is what one quarantine record costs of the rate for forgeries, in
// bytes, however small it is: records cost Kafka more than their bytes.
const leastCost = 1 << 10

// maxKey bounds the ids that a quarantine record holds beside the item, in
// bytes: a stranger's item may name a subscription of any length, and what held
// it twice would be larger than Kafka takes.
const maxKey = 256

// maxClaims bounds the claims of tokens in one quarantine record, in bytes; a
// token of Graph's has 1 KiB of them. Every item of a POST that is set aside
// holds those of all its tokens, so without a bound a POST of many bad items and
// many large tokens would become gigabytes.
const maxClaims = 64 << 10

// quarantine hands the quarantine record of w, which did not pass, to Kafka. One
// whose reason anybody can provoke is only counted once the rate is exceeded, so
// that a stranger cannot fill the topic; what carried a good clientState is kept
// always.
func (o *outlet) quarantine(post *post, w *work, verdict token.Verdict, trace string) {
	rej := &bridge.Rejection{Reason: bridge.MalformedItem}
	errors.As(w.err, &rej)
	o.metrics.reasons[rej.Reason].Inc()
	d := delivery{post: post, kind: bridge.Quarantine, outcome: bridge.Quarantined}
	memory := o.recent
	if limited(rej.Reason) {
		memory = o.strange
	}
	if memory == o.strange && !o.forged.AllowN(post.arrived, max(len(w.item.Raw), leastCost)) {
		d.outcome = bridge.QuarantineLimited
		o.settle(&d, nil)
		return
	}
	eventID, repeatable := quarantineID(w)
	o.claimAndSend(&outgoing{
		delivery: d, repeatable: repeatable, memory: memory, work: w, verdict: verdict, trace: trace,
		record: quarantined(w.item, rej.Reason, verdict, post.arrived, eventID),
	})
}

func limited(r bridge.Reason) bool {
	for _, info := range bridge.Reasons() {
		if info.Reason == r {
			return info.Limited
		}
	}
	return false
}

// quarantineID returns the identity of w's quarantine record. Equal bytes are a
// repetition of the same delivery, but for a basic update: two of those are
// equal and yet two (DESIGN §5).
func quarantineID(w *work) (eventID string, repeatable bool) {
	it := w.item
	if !it.Rich() && strings.EqualFold(it.ChangeType, "updated") {
		return freshID(), false
	}
	return bridge.DerivedID(sha256.Sum256(append([]byte("quarantine\n"), it.Raw...))), true
}

// quarantined returns the record of an item that was set aside: still sealed,
// with the tokens' claims and never the tokens.
func quarantined(it *bridge.Item, reason bridge.Reason, verdict token.Verdict, receivedAt time.Time, eventID string) bridge.Record {
	q := &schemas.QuarantinedItem{
		EventID:             eventID,
		TenantID:            optional(short(it.TenantID)),
		SubscriptionID:      optional(short(it.SubscriptionID)),
		ReceivedAt:          receivedAt,
		Reason:              string(reason),
		Item:                it.Raw,
		Tokens:              []schemas.QuarantinedToken{},
		ClientStateVerified: !limited(reason),
	}
	// A clientState that passed is a secret between Graph and us, and those who
	// read this topic are neither (I4). A malformed item may hold one too. Only
	// one that names a missing key is kept: a replay has to judge it.
	if reason != bridge.ClientStateUnknownKey {
		q.Item = bridge.WithoutClientState(it.Raw)
	}
	room := maxClaims
	for _, c := range verdict.Checked {
		if room -= len(c.Claims); room < 0 {
			c.Claims = "" // a replay takes such a token for malformed
		}
		t := schemas.QuarantinedToken{Claims: optional(c.Claims), SignatureValid: c.SignatureValid, Reason: optional(string(c.Reason))}
		q.Tokens = append(q.Tokens, t)
	}
	key := short(it.SubscriptionID)
	if key == "" {
		key = eventID // spread what names no subscription of Graph's
	}
	return bridge.Record{Kind: bridge.Quarantine, Key: key, EventID: eventID, ReceivedAt: receivedAt, Value: q, Type: "quarantined"}
}

// maxDescribed bounds the resource path in a description, in bytes.
const maxDescribed = 2 << 10

// described returns the value of a quarantine record with what the item was in the
// place of the item.
func described(value schemas.Record, it *bridge.Item) schemas.Record {
	q, ok := value.(*schemas.QuarantinedItem)
	if !ok {
		return value
	}
	what := "unknown"
	if len(it.Resource) <= maxDescribed && it.Resource != "" {
		what = strings.ToLower(it.ChangeType) + " " + it.Resource
	}
	bare := *q
	bare.Item = []byte{}
	bare.Detail = optional(fmt.Sprintf("the item, of %d bytes (SHA-256 %x), is larger than Kafka takes and is not kept; it was: %.*s", len(it.Raw), sha256.Sum256(it.Raw), maxDescribed, what))
	return &bare
}

// short returns id, "" if it is longer than any of Graph's.
func short(id string) string {
	if len(id) > maxKey {
		return ""
	}
	return id
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
