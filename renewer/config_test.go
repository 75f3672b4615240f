package renewer_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
)

// Ensure that each wrong setting is named by its flag, all of them at once, and
// that a file with faults is refused at start with its lines.
func TestConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := func() renewer.Config {
		return renewer.Config{
			Subscriptions: write("good.yaml", "tenants: []\n"), ClientStateKeys: write("keys", "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
			AdminListen: "127.0.0.1:0", Kafka: kafka.Config{Brokers: []string{"127.0.0.1:9092"}}, Registry: kafka.RegistryConfig{URL: "http://127.0.0.1:8081"},
			SessionTimeout: 10 * time.Second, Heartbeat: 250 * time.Millisecond,
		}
	}
	for _, c := range []struct {
		name   string
		change func(*renewer.Config)
		want   []string
	}{
		{"OK", func(*renewer.Config) {}, nil},
		{"session", func(c *renewer.Config) { c.SessionTimeout = 0 }, []string{"--session-timeout is 0s", "--heartbeat"}},
		{"heartbeat", func(c *renewer.Config) { c.Heartbeat = 2 * time.Second }, []string{"--heartbeat is 2s", "a sixth of --session-timeout"}},
		{"keys missing", func(c *renewer.Config) { c.ClientStateKeys = "" }, []string{"--client-state-keys is needed"}},
		{"keys empty", func(c *renewer.Config) { c.ClientStateKeys = write("none", "# nothing\n") }, []string{"--client-state-keys", "no client-state key"}},
		{"CA", func(c *renewer.Config) { c.GraphCA = write("ca.pem", "nothing") }, []string{"--graph-ca", "no certificate in PEM form"}},
		{"brokers", func(c *renewer.Config) { c.Kafka.Brokers = nil; c.Registry.URL = "ftp://x" }, []string{"--kafka-brokers", "--registry-url"}},
		{"admin", func(c *renewer.Config) { c.AdminListen = "nowhere" }, []string{"--admin-listen"}},
		{"no file", func(c *renewer.Config) { c.Subscriptions = filepath.Join(dir, "gone.yaml") }, []string{"--subscriptions", "gone.yaml"}},
		{"faulty file", func(c *renewer.Config) { c.Subscriptions = write("bad.yaml", "tenantz: []\n") }, []string{"--subscriptions", "bad.yaml:1", "tenants"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			r, err := renewer.New(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				err = r.Stop(t.Context())
			}
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got error %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q says nothing of %q", err, want)
				}
			}
		})
	}
}
