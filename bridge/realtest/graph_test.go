//go:build real

package realtest_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/graph/graphsim"
)

const appID = "11111111-1111-4111-8111-111111111111"

// with returns a command with the settings of the site, and flags of its own.
func (s *site) with(args ...string) []string {
	n := 0
	for n < len(args) && args[n][0] != '-' {
		n++
	}
	settings := s.settings
	if len(args) > 0 && args[0] == "topics" {
		settings = s.kafkaOnly()
	}
	return append(append(append([]string{}, args[:n]...), settings...), args[n:]...)
}

// kafkaOnly returns the settings without those of the registry.
func (s *site) kafkaOnly() []string {
	var out []string
	for i := 0; i < len(s.settings); i++ {
		if s.settings[i] == "--registry-url" {
			i++
			continue
		}
		out = append(out, s.settings[i])
	}
	return out
}

// world is a simulated Graph that posts to the ingest of a site.
type world struct {
	t   *testing.T
	sim *graphsim.Sim
}

// graph starts one. Its ingest listens at the address of NotificationURL.
func (s *site) graph(seed uint64, change func(*graphsim.Config)) world {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "keys/client-state.keys"))
	if err != nil {
		s.t.Fatal(err)
	}
	states, err := bridge.ParseClientStateKeys(text, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	authority, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.public == "" {
		s.public = freeAddress(s.t)
	}
	cfg := graphsim.Config{
		Seed: seed, NotificationURL: "http://" + s.public + "/graph/notifications", LifecycleURL: "http://" + s.public + "/graph/lifecycle",
		Listener: authority, AppIDs: []string{appID},
		Certificates: []graphsim.Certificate{{ID: "main", Certificate: s.certificate()}},
		ClientState: func(tenant string) string {
			state, err := states.Mint(tenant, [16]byte{7})
			if err != nil {
				s.t.Error(err)
			}
			return state
		},
	}
	if change != nil {
		change(&cfg)
	}
	sim, err := graphsim.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := sim.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = sim.Stop(context.Background()) })
	return world{s.t, sim}
}

// run sends genuine items, and what else the world does, until all is
// acknowledged.
func (w world) run(items int) {
	if err := w.sim.Run(w.t.Context(), graphsim.Limit{Items: items}); err != nil {
		w.t.Error(err)
	}
}

func (s *site) certificate() *x509.Certificate {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "keys/certificates/main.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	b, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// ingest starts one that takes what sim sends; later flags win.
func (s *site) ingest(name string, sim *graphsim.Sim, more ...string) *process {
	s.t.Helper()
	if s.public == "" {
		s.public = freeAddress(s.t)
	}
	return s.ingestOn(name, s.public, sim, more...)
}

// ingestOn starts one that listens on an address of its own.
func (s *site) ingestOn(name, public string, sim *graphsim.Sim, more ...string) *process {
	s.t.Helper()
	args := s.with("ingest", "--listen", public, "--topic-partitions", "3",
		"--decryption-keys", "keys/decryption", "--client-state-keys", "keys/client-state.keys")
	if len(more) == 0 || more[0] != "--app-ids" {
		args = append(args, "--app-ids", appID)
	}
	if sim != nil {
		args = append(args, "--entra-authority", sim.AuthorityURL(), "--entra-sts", sim.STSURL())
	}
	return s.runAdmin(name, append(args, more...)...)
}

// simulatedGraph starts one with the API that renewers ask, and returns the flags
// of an ingest that trusts it. Its subscriptions live for lifetime.
func (s *site) simulatedGraph(rate, lifetime string) []string {
	s.t.Helper()
	s.public = freeAddress(s.t)
	authority, api := freeAddress(s.t), freeAddress(s.t)
	s.run("graphsim", "graphsim", "--listen", authority, "--api-listen", api, "--api-dir", "sim", "--api-min-lifetime", lifetime, "--api-lifetime", lifetime,
		"--notification-url", "http://"+s.public+"/graph/notifications", "--lifecycle-url", "http://"+s.public+"/graph/lifecycle",
		"--certificates", "keys/certificates", "--app-ids", appID, "--rate", rate, "--faults", quietGraph)
	await(s.t, time.Minute, "the simulated Graph says what is desired", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "sim/subscriptions.yaml"))
		return err == nil
	})
	return []string{"--app-ids", appID, "--entra-authority", "http://" + authority, "--entra-sts", "http://" + authority + "/sts"}
}

// quietGraph leaves out what makes a renewer wait for Graph.
const quietGraph = "api_throttled=off,api_500=off,api_503=off,api_504=off,api_cut_before=off,api_cut_after=off,api_slow=off,api_unauthorized=off," +
	"api_garbage=off,quota_hit=off,renewed_short=off,handshake_lost=off,list_expired=off,list_hidden=off,list_page_lost=off,silent_removal=off,subscription_removed=off"
