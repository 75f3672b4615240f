package bridgetest

import (
	"context"
	"crypto/x509"
	"encoding/pem"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
)

// StartGraph starts a simulated Graph that knows what the rig's ingest trusts, and
// ends with the test. change, if not nil, edits its configuration first.
func (r *Rig) StartGraph(change func(*graphsim.Config)) *graphsim.Sim {
	r.tb.Helper()
	states, err := bridge.ParseClientStateKeys([]byte(ClientStateKey), nil)
	if err != nil {
		r.tb.Fatal(err)
	}
	cfg := graphsim.Config{
		Seed: 1, Rate: 20, SigningKeys: signingKeys(r.tb),
		NotificationURL: r.NotificationURL(), LifecycleURL: r.LifecycleURL(), Client: r.HTTP, Listener: r.Listen(authorityAddr),
		AppIDs: []string{AppID}, Certificates: []graphsim.Certificate{{ID: r.keys.CertificateID, Certificate: r.certificate()}},
		ClientState: func(tenant string) string {
			s, err := states.Mint(tenant, [16]byte{7})
			if err != nil {
				r.tb.Error(err)
			}
			return s
		},
	}
	if change != nil {
		change(&cfg)
	}
	sim, err := graphsim.New(cfg)
	if err != nil {
		r.tb.Fatal(err)
	}
	if err := sim.Start(r.tb.Context()); err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() {
		if err := sim.Stop(context.Background()); err != nil {
			r.tb.Error(err)
		}
	})
	return sim
}

// certificate returns that of the rig's decryption key.
func (r *Rig) certificate() *x509.Certificate {
	r.tb.Helper()
	for block, rest := pem.Decode([]byte(r.keys.PEM)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			r.tb.Fatal(err)
		}
		return c
	}
	r.tb.Fatal("no certificate in the key file")
	return nil
}
