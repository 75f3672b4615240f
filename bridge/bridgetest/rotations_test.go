//go:build synctests

package bridgetest_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
)

// carrying returns how many of the living subscriptions are rich, and how many
// of these carry the certificate.
func carrying(s *bridgetest.System, certificate string) (with, of int) {
	for _, sub := range s.Graph.Subscriptions() {
		if sub.CertificateID != "" {
			of++
		}
		if sub.CertificateID == certificate {
			with++
		}
	}
	return with, of
}

// minted returns how many of the living subscriptions have a clientState made
// with the key.
func minted(s *bridgetest.System, key string) (n int) {
	for _, sub := range s.Graph.Subscriptions() {
		if strings.HasPrefix(sub.ClientState, "mb1."+key+".") {
			n++
		}
	}
	return n
}

// Certificate, client-state key and client secret change while notifications
// flow, and no notification is refused or unreadable: no subscription gets the
// new certificate before every ingest process has its key (FACTS §2.4), whatever
// order people do it in, and what has it is what the old key can be taken away
// from. Only the client-state key costs each subscription a moment, of which
// teams.gaps tells.
//
// Nor does any of it leave by a log line, with the tokens that it gets (I4).
func TestSystemRotations(t *testing.T) {
	t.Parallel()
	keys, second := bridgetest.NewKeyFiles(t), bridgetest.OtherKeyFiles(t)
	synctest.Test(t, func(t *testing.T) {
		var said lockedBuffer
		log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := bridgetest.NewSystem(t, keys, log, 2, func(c *graphsim.Config) {
			c.Seed, c.Rate, c.Tenants = *seed, 0.4, 1
			c.API.Vouched, c.API.NoticeLead, c.API.TokenLifetime = 4*time.Minute, time.Minute, 10*time.Minute
			c.Faults.Every = map[graphsim.Fault]int{
				graphsim.APIThrottled: -1, graphsim.APIUnavailable: -1, graphsim.HandshakeLost: -1,
				graphsim.NoticeLate: -1, graphsim.NoticeRepeated: -1, // they bring clientStates of subscriptions long gone
			}
		})
		s.Lifetime = 10 * time.Minute
		wishes := everything(s.Graph)
		s.Desire(wishes...)
		s.StartRenewer()
		s.StartRenewer()
		s.Within(30*time.Second, "all are made", func() bool { return s.AsDesired() == nil })
		finish := live(t, s)

		// The wish comes before the key, and the key comes to one process first.
		s.Write("certificates/second.pem", second.PEM)
		s.Certificate = "second"
		s.Desire(wishes...)
		time.Sleep(3 * time.Minute)
		s.Write(s.Ingests[0].Dir+"/second.pem", second.PEM)
		time.Sleep(3 * time.Minute)
		if n, _ := carrying(s, "second"); n > 0 {
			t.Errorf("%d subscriptions have a certificate that not every process has the key of", n)
		}
		if n := s.Graph.Summary().API.Lives[graphsim.LifeRenewed]; n < 20 {
			t.Errorf("%d renewals while the certificate waits", n)
		}
		s.Write(s.Ingests[1].Dir+"/second.pem", second.PEM)
		took := s.Within(6*time.Minute, "all have the new certificate", func() bool { with, of := carrying(s, "second"); return with == of })
		t.Logf("all have the new certificate %v after the last process has its key", took)
		time.Sleep(10 * time.Second)
		for _, p := range s.Ingests {
			s.Remove(p.Dir + "/" + keys.CertificateID + ".pem")
		}

		const newKey = "k2 HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
		s.Write("client-state.keys", bridgetest.ClientStateKey+newKey) // known to all
		time.Sleep(5 * time.Second)
		s.Write("client-state.keys", newKey+bridgetest.ClientStateKey) // and used
		s.Within(10*time.Minute, "all have a clientState of the new key", func() bool { return minted(s, "k2") == len(wishes) })
		time.Sleep(10 * time.Second)
		s.Write("client-state.keys", newKey)

		// The secret is noticed to have expired when the next token is asked for.
		s.Graph.ExpireSecrets(bridgetest.AppID)
		s.Within(10*time.Minute, "the secret is refused", func() bool { return s.Graph.Summary().API.Tokens["AADSTS7000222"] > 0 })
		time.Sleep(time.Minute)
		s.Graph.AddSecret(bridgetest.AppID, "the next secret")
		s.Write("secret", "the next secret")
		issued := s.Graph.Summary().API.Tokens["issued"]
		s.Within(8*time.Minute, "the new secret is used", func() bool { return s.Graph.Summary().API.Tokens["issued"] > issued })
		time.Sleep(3 * time.Minute)
		finish()
		secrets := []string{
			graphsim.DefaultSecret, "the next secret", "AAECAwQFBgcICQoL", "HwECAwQFBgcICQoL", "Bearer ", "eyJ", "PRIVATE KEY", keys.PEM[100:160], second.PEM[100:160],
		}
		for _, sub := range s.Graph.Subscriptions() {
			secrets = append(secrets, sub.ClientState)
		}
		for _, secret := range secrets {
			if i := strings.Index(said.String(), secret); i >= 0 {
				t.Errorf("the log holds %.20q…: %.200q", secret, said.String()[max(0, i-100):])
			}
		}
		if said.len() < 100_000 {
			t.Errorf("only %d bytes were logged", said.len())
		}

		stored, found := judge(t, s, *seed, exact())
		for _, r := range stored {
			if r.Topic == "quarantine" {
				t.Errorf("in quarantine: %s %s", r.Text("reason"), r.Text("detail"))
			}
		}
		if found.ByCause["replaced"] != len(wishes) || found.Gaps != len(wishes) || found.Stored < 200 {
			t.Errorf("%d gaps, want one for each of %d subscriptions: %+v", found.Gaps, len(wishes), found)
		}
	})
}

// live lets the world go on until the returned function is called, which waits
// until all that was sent is acknowledged.
func live(t *testing.T, s *bridgetest.System) (finish func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Graph.Run(ctx, graphsim.Limit{}) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run the world: %v", err)
		}
	}
}
