package graphsim

import (
	"context"
	"strconv"

	"github.com/go-json-experiment/json"
)

// forge makes the forgery f: an item among others, or for forged tokens one to
// three items in a POST of their own. It reports false where nobody subscribes
// to what could be forged.
func (g *generator) forge(ctx context.Context, f Fault) (bool, error) {
	t := g.world.tenants[g.rng.IntN(len(g.world.tenants))]
	target, foreign := t.subs.chatMessages, ""
	if r := g.world.registry; r != nil {
		if target, foreign = r.target(t.id, f); target == nil {
			return false, nil
		}
	}
	if !f.tokenForgery() {
		it, err := g.forgedItem(t, target, f)
		if err != nil {
			return true, err
		}
		it.foreignState = foreign
		return true, g.put(ctx, it)
	}
	p := &post{tokenForgery: f}
	for range 1 + g.rng.IntN(3) {
		it, err := g.forgedItem(t, target, f)
		if err != nil {
			return true, err
		}
		p.items = append(p.items, it)
	}
	to := target.to
	if to == nil {
		to = g.sim.notifications
	}
	return true, g.submit(ctx, to, p)
}

// forgedItem returns a chat message that nobody wrote, under an id that no
// genuine message has, for the subscription sub.
func (g *generator) forgedItem(t *tenant, sub *subscription, f Fault) (*item, error) {
	g.forged++
	th := t.chats[0].thread
	m := &message{id: strconv.FormatInt(1_600_000_000_000+int64(g.forged), 10)}
	resource := th.path(m).text(quoted)
	it := &item{
		sub: sub, changeType: "created", resource: resource, odataID: resource,
		odataType: "#Microsoft.Graph.chatMessage", id: m.id,
		tenantID: sub.tenantID, expires: sub.expiry(), forgery: f,
	}
	e := Entry{
		Topic: "quarantine", Forgery: f,
		TenantID: it.tenantID, SubscriptionID: sub.id, ChangeType: it.changeType,
		Resource: resource, ODataID: resource, ODataType: it.odataType, ResourceID: it.id, MeetingOrEventKey: th.id,
	}
	for _, i := range FaultList() {
		if i.Fault == f {
			e.Reason = i.Reason
		}
	}
	if f == ForgeMalformedItem {
		e.SubscriptionID, e.TenantID = "", ""
	} else if sub.rich() {
		now := timeMillis(g.world.now)
		var err error
		it.payload, err = json.Marshal(&chatMessage{
			ID: m.id, ETag: m.id, MessageType: "message", CreatedDateTime: now, LastModifiedDateTime: now,
			ChatID: new(th.id), Importance: "normal", Locale: "en-us",
			Body: itemBody{ContentType: "text", Content: "This was never said." + g.world.marker()},
		})
		if err != nil {
			return nil, err
		}
	}
	it.track = g.sim.ledger.add(e, it.payload)
	return it, nil
}
