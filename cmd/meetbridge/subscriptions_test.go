package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

func TestShortResource(t *testing.T) {
	t.Parallel()
	const (
		user    = "2c06f687-1f9c-4edc-9854-ea79ad884f5a"
		channel = "19:0123456789abcdef0123456789abcdef@thread.tacv2"
		link    = "https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_OTk2NGM2ODEtNjQ2NC00MDliLWE4NWEtN2RhNjZkMjhlNGVk%2540thread.v2%2F0"
	)
	for path, want := range map[string]string{
		"chats/getAllMessages": "chats/getAllMessages",
		"communications/onlineMeetings(joinWebUrl='" + link + "')/meetingCallEvents": "communications/onlineMeetings(19:meeting_OTk2NGM2…MjhlNGVk@thread.v2)/meetingCallEvents",
		"users/" + user + "/chats/getAllMessages":                                    "users/" + user + "/chats/getAllMessages",
		"teams/" + user + "/channels/" + channel + "/messages/and/more":              "teams/" + user + "/channels/19:0123456789abcdef…bcdef@thread.tacv2/messages/and/more",
		"chats/\x1b[2J": "chats/\uFFFD[2J",
	} {
		if got := shortResource(path); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", path, got, want)
		}
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0:                                 "now",
		400 * time.Millisecond:            "now",
		7 * time.Second:                   "in 7s",
		-90 * time.Second:                 "1m 30s ago",
		59*time.Minute + 59*time.Second:   "in 59m",
		3 * time.Hour:                     "in 3h",
		71*time.Hour + 55*time.Minute:     "in 2d 23h",
		30*24*time.Hour + 5*time.Hour:     "in 30d",
		-(24*time.Hour + 10*time.Minute):  "1d ago",
		9*time.Minute + 30*time.Second:    "in 9m 30s",
		10*time.Minute + 30*time.Second:   "in 10m",
		23*time.Hour + 5*time.Minute:      "in 23h",
		9*time.Hour + 5*time.Minute + 1e9: "in 9h 5m",
	} {
		if got := from(now, now.Add(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// somePlan is a plan with a difference of each kind.
func somePlan() subscriptionsPlan {
	const tenant, app = "7a4c9d0e-0000-4000-8000-000000000001", "11111111-1111-4111-8111-111111111111"
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	w := &renewer.Wanted{File: "dir/subscriptions.yaml", Tenants: []renewer.Tenant{{ID: tenant, NotificationURL: "https://bridge.example/n"}}}
	states := map[renewer.Key]renewer.State{}
	add := func(name string, change func(*renewer.Desired, *renewer.State)) {
		key := renewer.Key{TenantID: tenant, Resource: name, ChangeType: "created"}
		d := renewer.Desired{
			Key: key, Lifetime: 71 * time.Hour, NotificationURL: "https://bridge.example/n", LifecycleURL: "https://bridge.example/l", Version: graph.V1,
			ApplicationID: app, Line: int32(len(w.Subscriptions) + 1),
		}
		s := renewer.State{
			Key: key, Status: renewer.Active, SubscriptionID: "id-" + name, ApplicationID: app, Version: graph.V1,
			NotificationURL: d.NotificationURL, LifecycleURL: d.LifecycleURL, RenewedAt: now.Add(-time.Hour), ExpiresAt: now.Add(70 * time.Hour), ProofAt: now.Add(-time.Minute),
		}
		change(&d, &s)
		if d.Line > 0 {
			w.Subscriptions = append(w.Subscriptions, d)
		}
		if s.Status != "" {
			states[key] = s
		}
	}
	add("fine", func(*renewer.Desired, *renewer.State) {})
	add("new", func(_ *renewer.Desired, s *renewer.State) { s.Status = "" })
	add("found", func(_ *renewer.Desired, s *renewer.State) { s.Status = "" })
	for _, name := range []string{"moved-1", "moved-2"} {
		add(name, func(_ *renewer.Desired, s *renewer.State) { s.LifecycleURL = "" })
	}
	add("sealed", func(d *renewer.Desired, s *renewer.State) {
		d.Rich, s.Rich = true, true
		d.Certificate, s.CertificateID = renewer.Certificate{ID: "new-cert", Thumbprint: "AB"}, "old-cert"
	})
	add("old", func(_ *renewer.Desired, s *renewer.State) { s.ExpiresAt = now.Add(time.Minute) })
	add("over", func(d *renewer.Desired, _ *renewer.State) { d.Line = 0 })
	add("refused", func(_ *renewer.Desired, s *renewer.State) {
		s.Status, s.SubscriptionID, s.Attempts, s.ErrorStatus, s.Error, s.NextAttemptAt = renewer.Blocked, "", 2, 403, "create: no\x1b role", now.Add(time.Hour)
	})
	add("throttled", func(_ *renewer.Desired, s *renewer.State) {
		s.Status, s.SubscriptionID, s.Attempts, s.ErrorStatus, s.Error, s.NextAttemptAt = renewer.Dead, "", 1, 429, "create: later", now.Add(time.Minute)
	})
	listed := map[string][]graph.Subscription{tenant: {
		{ID: "id-found", Resource: "/found", ChangeType: "created", NotificationURL: "https://bridge.example/n", ExpirationDateTime: now.Add(time.Hour)},
		{ID: "id-other", Resource: "chats", ChangeType: "created", NotificationURL: "https://other.example/?code=secret", ExpirationDateTime: now.Add(time.Hour)},
	}}
	d := &desired{Wanted: w, byKey: map[renewer.Key]*renewer.Desired{}, rules: renewer.DefaultRules()}
	for i := range w.Subscriptions {
		d.byKey[w.Subscriptions[i].Key] = &w.Subscriptions[i]
	}
	p := subscriptionsPlan{desired: d, now: now, view: renewer.View{States: states, Shards: 1, Unreadable: 2}}
	p.all = renewer.Differences(now, w, states, listed, d.rules)
	return p
}

// Ensure that the plan is what its help says, names everything once, and lets
// nobody's secrets nor control characters through.
func TestSubscriptionsPlanText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := somePlan()
	if err := p.print(&terminal{stdout: &out}); err != nil {
		t.Fatal(err)
	}
	want := `Tenant 7a4c9d0e-0000-4000-8000-000000000001
  +   create   new  created  basic  for 2d 23h  subscriptions.yaml:2
  <=  adopt    found  created  id-found  subscriptions.yaml:3
               Graph has it already, with our notification URL
               expires in 1h
  -/+ replace  moved-1  created  id-moved-1  subscriptions.yaml:4
               lifecycle_url: none → https://bridge.example/l
               its lifecycle URL changed, which no PATCH can do: deleted and created anew, with a gap of about a second
  -/+ replace  moved-2  created  id-moved-2  subscriptions.yaml:5  as above
  ~   change   sealed  created  id-sealed  subscriptions.yaml:6
               certificate: old-cert → new-cert, once every ingest process announces its key
               with the next renewal, DUE
  >   renew    old  created  id-old  subscriptions.yaml:7
               two thirds of its time are over
  -   delete   over  created  id-over
               expires in 2d 22h
  !   retry    refused  created  subscriptions.yaml:8
               failed 2 times: create: no` + "\uFFFD" + ` role; again in 1h
  *   retry    throttled  created  subscriptions.yaml:9
               failed once: create: later; again in 1m
      leave    chats  created  id-other
               not ours: it notifies other.example
               expires in 1h

Plan: 1 to create, 1 to adopt, 2 to replace, 1 to change, 1 to renew, 1 to delete, 2 to try again, 1 to leave alone; 1 of 9 desired are as they should be.
No renewer runs. Start one with meetbridge renewer, or carry it out once with meetbridge subscriptions apply.
2 records cannot be read, and their subscriptions are not looked after: see the errors above.
`
	var lines []string
	for line := range strings.Lines(out.String()) {
		if before, _, due := strings.Cut(line, "next renewal, in "); due {
			line = before + "next renewal, DUE\n"
		}
		lines = append(lines, line)
	}
	if got := strings.Join(lines, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s := p.summary()
	if s.Desired != 9 || s.AsDesired != 1 || s.Stuck != 1 || s.Later != 3 || s.Unreadable != 2 {
		t.Errorf("summary %+v", s)
	}
	out.Reset()
	if err := p.print(&terminal{stdout: &out, color: true}); err != nil || !strings.Contains(out.String(), "\x1b[32m+   create \x1b[0m") {
		t.Errorf("with colours: %v\n%s", err, &out)
	}
	out.Reset()
	if err := p.printJSON(&terminal{stdout: &out}); err != nil || strings.Contains(out.String(), "secret") || strings.Count(out.String(), "\n") != len(p.all)+1 {
		t.Errorf("as JSON: %v\n%s", err, &out)
	}
}

// Ensure that who leads is said in words.
func TestWhoLeads(t *testing.T) {
	t.Parallel()
	lead := func(host string, shards ...int32) renewer.Member { return renewer.Member{Host: host, Shards: shards} }
	for want, v := range map[string]renewer.View{
		"No renewer runs.":                          {},
		"The renewers are just electing who leads.": {Electing: true, Renewers: []renewer.Member{lead("a")}},
		"A renewer stands by, and none leads.":      {Renewers: []renewer.Member{lead("a")}},
		"A renewer leads (a).":                      {Renewers: []renewer.Member{lead("a", 0)}},
		"A renewer leads (a), 1 more stands by.":    {Renewers: []renewer.Member{lead("a", 0), lead("b")}},
		"2 renewers lead (a, b), 2 more stand by.":  {Renewers: []renewer.Member{lead("b", 0), lead("a", 1), lead("c"), lead("d")}},
		"3 renewers stand by, and none leads.":      {Renewers: []renewer.Member{lead("b"), lead("a"), lead("c")}},
	} {
		if got := whoLeads(v); got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", v, got, want)
		}
	}
}

// Ensure that a verdict's exit code is what the help promises.
func TestSubscriptionsVerdict(t *testing.T) {
	t.Parallel()
	p := somePlan()
	if err := p.verdict(nil, true); err == nil || err.Error() != "a subscription needs somebody to mend it (see what begins with ! above)" {
		t.Errorf("with one that is refused: %v", err)
	}
	for i := len(p.all) - 1; i >= 0; i-- {
		if p.all[i].Stuck {
			p.all = append(p.all[:i], p.all[i+1:]...)
		}
	}
	if err := p.verdict(nil, false); err != nil {
		t.Errorf("something to do: %v", err)
	}
	if err := p.verdict(nil, true); err != errDiffers { //nolint:errorlint // it is the sentinel itself
		t.Errorf("something to do, with --exit-code: %v", err)
	}
	p.all = p.all[len(p.all)-1:] // somebody else's
	if err := p.verdict(nil, true); err != nil {
		t.Errorf("only somebody else's: %v", err)
	}
}
