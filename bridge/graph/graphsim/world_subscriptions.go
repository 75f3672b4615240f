package graphsim

import "time"

// subscription is what an item needs to know of the subscription that it is
// for. Without the API it is fixed: it exists from the start of the world or of
// its resource, and whoever owns it renews it in time. With the API it is what a
// living subscription was when the item was told, and never changed.
type subscription struct {
	id, app, tenantID string
	resource          string // as subscribed
	tokenV2           bool   // which version of validation token the app gets
	sealer            *sealer
	clientState       string
	expires           time.Time
	layout            string // how its expiry is written
	messages          bool   // to chatMessage: the only Teams resource with subscriptionRemoved

	to     *endpoint // with the API: where its notifications go
	living *living   // with the API: what it was taken from
}

// rich reports whether the subscriber asked for resource data.
func (s *subscription) rich() bool { return s.sealer != nil }

// expiry returns the expiration time as Graph writes it for this subscription.
func (s *subscription) expiry() string { return s.expires.UTC().Format(s.layout) }

// subscribe makes a subscription of t. App, certificate and time layout go
// round, so that every POST with several subscriptions mixes them.
func (w *world) subscribe(t *tenant, resource string, rich bool) *subscription {
	n := len(t.all)
	app := (t.index + n) % len(w.cfg.AppIDs)
	s := &subscription{
		id: w.guid(), tenantID: t.id, resource: resource,
		app: w.cfg.AppIDs[app], tokenV2: (t.index+app)%2 == 0,
		clientState: w.cfg.ClientState(t.id),
		expires:     w.now.Add(time.Duration(60+w.rng.IntN(4_000))*time.Minute + time.Duration(w.rng.IntN(1e9)/100*100)),
		layout:      []string{layout7, layout7, layoutOffset, layoutMillis, layoutWhole}[w.rng.IntN(5)],
	}
	if rich && !w.cfg.Basic {
		s.sealer = w.sealers[(t.index+n)%len(w.sealers)]
	}
	t.all = append(t.all, s)
	return s
}

// messageSubscription is subscribe for chat messages.
func (w *world) messageSubscription(t *tenant, resource string, rich bool) *subscription {
	s := w.subscribe(t, resource, rich)
	s.messages = true
	return s
}

// unsubscribe forgets s once its resource is gone.
func (t *tenant) unsubscribe(s *subscription) {
	for i, other := range t.all {
		if other == s {
			t.all = append(t.all[:i], t.all[i+1:]...)
			return
		}
	}
}

// tenantSubscriptions are those that cover a whole tenant, by what they bring.
type tenantSubscriptions struct {
	recordings, transcripts           *subscription
	adhocRecordings, adhocTranscripts *subscription
	chats, channels, teams            *subscription
	chatMessages, channelMessages     *subscription
	chatMembers, channelMembers       *subscription
	teamMembers                       *subscription
	installations                     *subscription
	events                            *subscription
	presence, callRecords, approvals  *subscription
}

// subscribeTenant makes the tenant-wide subscriptions of t. Nearly all that can
// be rich are; Graph has no rich virtual events, call records and approvals
// (FACTS §4.6, §5).
func (w *world) subscribeTenant(t *tenant) {
	t.subs = tenantSubscriptions{
		recordings:       w.subscribe(t, "communications/onlineMeetings/getAllRecordings", true),
		transcripts:      w.subscribe(t, "communications/onlineMeetings/getAllTranscripts", true),
		adhocRecordings:  w.subscribe(t, "communications/adhocCalls/getAllRecordings", true),
		adhocTranscripts: w.subscribe(t, "communications/adhocCalls/getAllTranscripts", true),
		chats:            w.subscribe(t, "/chats", true),
		channels:         w.subscribe(t, "/teams/getAllChannels", true),
		teams:            w.subscribe(t, "/teams", true),
		chatMessages:     w.messageSubscription(t, "/chats/getAllMessages?model=B", true),
		channelMessages:  w.messageSubscription(t, "/teams/getAllMessages?model=B", true),
		chatMembers:      w.subscribe(t, "/chats/getAllMembers", true),
		channelMembers:   w.subscribe(t, "teams/getAllChannels/getAllMembers", true),
		teamMembers:      w.subscribe(t, "/teams/getAllMembers", t.index%2 == 0),
		installations:    w.subscribe(t, "/appCatalogs/teamsApps/"+t.catalogApp+"/installations", true),
		events:           w.subscribe(t, "solutions/virtualEvents/events", false),
		presence:         w.subscribe(t, "/communications/presences?$filter=id in ('"+t.users[0].id+"','"+t.users[1].id+"')", t.index%2 == 0),
		callRecords:      w.subscribe(t, "communications/callRecords", false),
		approvals:        w.subscribe(t, "/solutions/approval/approvalItems", false),
	}
}
