package graphsim_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

// With every forgery at work, a checker that shares no code finds every genuine
// item good, and every forgery bad for exactly the reason that the ledger
// expects; and each forgery fires.
func TestForgeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := &receiver{}, newPipeListener()
		cfg := config(r)
		cfg.Listener = l
		cfg.Faults = cfg.AllForgeries(40)
		s := start(t, cfg)
		defer stop(t, s)
		if err := s.Run(context.Background(), graphsim.Limit{Items: 600}); err != nil {
			t.Fatal(err)
		}
		c := &checker{key: newKey(), apps: cfg.AppIDs, authority: s.AuthorityURL(), sts: s.STSURL(), clientStates: cfg.ClientState}
		client := l.client()
		defer client.CloseIdleConnections()
		c.fetchKeys(t, client)

		got := map[string]int{}
		opened := map[string]int{}
		for _, d := range r.acknowledged() {
			col := d.collection(t)
			for _, raw := range col.Value {
				reason, payload := c.verdict(raw, col.ValidationTokens, d.at)
				got[reason]++
				if payload != nil {
					opened[string(payload)]++
				}
			}
		}
		sum := s.Summary()
		want := maps.Clone(sum.ForgedByReason)
		want[""] = sum.Copies - sum.Forged
		if !maps.Equal(got, want) {
			t.Errorf("verdicts %v\n    want %v", got, want)
		}
		rich := 0
		sealed := map[string]int{}
		for _, e := range s.Ledger() {
			if e.Genuine && e.Payload != nil {
				rich++
				sealed[string(e.Payload)] += e.Copies
			}
		}
		if !maps.Equal(opened, sealed) {
			t.Errorf("%d payloads opened, %d sealed, or other ones", len(opened), len(sealed))
		}
		if rich < 300 {
			t.Errorf("%d rich items of 600, too few to prove anything", rich)
		}
		for _, i := range graphsim.FaultList() {
			if i.Reason != "" && sum.Faults[i.Fault] == 0 {
				t.Errorf("%s never fired", i.Fault)
			}
		}
	})
}

// Every fault that costs nothing fires as well, and costs nothing.
func TestHarmlessFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg := config(r)
		cfg.Faults = graphsim.Faults{
			Every:  map[graphsim.Fault]int{},
			AtMost: map[graphsim.Fault]int{graphsim.RotateKeys: 1, graphsim.RotateKeysUnannounced: 1},
		}
		for _, i := range graphsim.FaultList() {
			if i.Reason == "" && (i.Per == "item" || i.Per == "post") {
				cfg.Faults.Every[i.Fault] = 10
			}
		}
		s := play(t, cfg, graphsim.Limit{Items: 400})
		sum := s.Summary()
		for _, i := range graphsim.FaultList() {
			if i.Reason == "" && (i.Per == "item" || i.Per == "post") && sum.Faults[i.Fault] == 0 {
				t.Errorf("%s never fired", i.Fault)
			}
		}
		if sum.Acked != 400 || sum.Answers["cut"] != sum.Faults[graphsim.CutPost] || sum.Copies <= 440 {
			t.Errorf("summary %+v", sum)
		}
		if n := len(items(t, r.acknowledged())); n != sum.Copies {
			t.Errorf("%d items acknowledged, %d copies sent", n, sum.Copies)
		}
	})
}

// By default items come twice, late and in batches, and nothing else is wrong.
func TestDefaultFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := play(t, config(r), graphsim.Limit{Items: 500})
		var late, twice, mixed int
		last := map[string]int{}
		order := map[string]int{}
		for _, e := range s.Ledger() {
			order[e.SubscriptionID+e.Resource+e.ChangeType+e.ResourceID] = e.Seq
		}
		for _, d := range r.acknowledged() {
			col := d.collection(t)
			subs := map[string]bool{}
			for _, raw := range col.Value {
				var n notification
				if err := json.Unmarshal(raw, &n); err != nil {
					t.Fatal(err)
				}
				subs[n.SubscriptionID] = true
				seq := order[n.SubscriptionID+n.Resource+n.ChangeType+n.ResourceData["id"]]
				if seq < last["seq"] {
					late++
				}
				last["seq"] = seq
			}
			if len(subs) > 1 {
				mixed++
			}
		}
		for _, e := range s.Ledger() {
			if e.Copies > 1 {
				twice++
				if e.Fresh {
					t.Errorf("entry %d is not to be told from its copy", e.Seq)
				}
			}
		}
		if late < 10 || twice < 10 || mixed < 10 {
			t.Errorf("late %d, twice %d, POSTs of several subscriptions %d", late, twice, mixed)
		}
	})
}

// The authority's faults are told apart from its service.
func TestAuthorityFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		cfg := config(&receiver{})
		cfg.Listener = l
		cfg.Faults = graphsim.Faults{
			Every:  map[graphsim.Fault]int{graphsim.AuthorityDown: 3, graphsim.AuthorityGarbage: 4, graphsim.AuthoritySlow: 5},
			AtMost: map[graphsim.Fault]int{graphsim.AuthoritySlow: 1},
		}
		s := start(t, cfg)
		defer stop(t, s)
		client := l.client()
		defer client.CloseIdleConnections()
		begin := time.Now()
		codes := map[int]int{}
		for range 12 {
			resp, err := client.Get(s.AuthorityURL() + "/common/discovery/keys")
			if err != nil {
				t.Fatal(err)
			}
			codes[resp.StatusCode]++
			_ = resp.Body.Close()
		}
		f := s.Summary().Faults
		if codes[503] != 4 || f[graphsim.AuthorityDown] != 4 || f[graphsim.AuthorityGarbage] < 1 || f[graphsim.AuthoritySlow] != 1 || s.Summary().Authority != 12 {
			t.Errorf("codes %v, faults %v", codes, f)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("twelve requests took %s", took)
		}
	})
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	f, err := graphsim.ParseFaults("duplicate_item=off, cut_post=30/2,forgeries=100")
	if err != nil {
		t.Fatal(err)
	}
	if f.Every[graphsim.DuplicateItem] != -1 || f.Every[graphsim.CutPost] != 30 || f.AtMost[graphsim.CutPost] != 2 || f.Every[graphsim.ForgePadding] != 100 {
		t.Errorf("read %+v", f)
	}
	for _, bad := range []string{"no_such=1", "cut_post", "cut_post=x", "cut_post=1/x"} {
		if _, err := graphsim.ParseFaults(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Faults that a configuration cannot have are errors when asked for.
func TestImpossibleFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*graphsim.Config){
		"sealed without certificates": func(c *graphsim.Config) {
			c.Certificates = nil
			c.Faults.Every = map[graphsim.Fault]int{graphsim.ForgePadding: 1}
		},
		"foreign state of literals": func(c *graphsim.Config) {
			c.ClientState = nil
			c.Faults.Every = map[graphsim.Fault]int{graphsim.ForgeClientStateForeign: 1}
		},
		"unknown": func(c *graphsim.Config) { c.Faults.Every = map[graphsim.Fault]int{"no_such": 1} },
	} {
		cfg := config(&receiver{})
		change(&cfg)
		if _, err := graphsim.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, asked := cfg.AllForgeries(5).Every[graphsim.ForgeClientStateForeign]; name == "foreign state of literals" && !asked {
			t.Errorf("%s: AllForgeries forgot what was asked for", name)
		}
	}
}

// The reasons are those of the bridge, word for word.
func TestReasonsAreTheBridges(t *testing.T) {
	t.Parallel()
	known := []string{
		"malformed_item", "client_state_missing", "client_state_malformed", "client_state_unknown_key", "client_state_mismatch",
		"token_missing", "token_malformed", "token_algorithm", "token_unknown_key", "token_signature", "token_expired", "token_not_yet_valid",
		"token_issuer", "token_audience", "token_publisher", "token_tenant", "sealed_malformed", "decryption_key_unknown", "data_key_unopened",
		"data_signature_missing", "data_signature_mismatch", "sealed_padding", "payload_not_json",
	}
	var forged []string
	for _, i := range graphsim.FaultList() {
		if i.Reason != "" {
			forged = append(forged, i.Reason)
		}
	}
	for _, r := range known {
		if !slices.Contains(forged, r) {
			t.Errorf("no forgery for %s", r)
		}
	}
	for _, r := range forged {
		if !slices.Contains(known, r) {
			t.Errorf("no reason is called %s", r)
		}
	}
}
