//go:build synctests

package renewer_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// Ensure that a broken file leaves the last good wish in force, that the next
// good one is taken, and that a new client-state key comes into use without a
// moment in which two or none live for long.
func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(4, tenantOne)
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		w.write("subscriptions.yaml", "tenants:\n\t- broken")
		time.Sleep(3 * time.Minute)
		if !w.allAlive(keys) {
			t.Errorf("with a broken file there live %v", w.graph.alive())
		}
		if refused := p.value("reloads_total"); refused != 1 {
			t.Errorf("%v reloads counted, want the one that was refused", refused)
		}
		keys = w.desire(6, tenantOne)
		within(t, 30*time.Second, "the new ones are made", func() bool { return w.allAlive(keys) })

		const oldKey, newKey = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "k2 HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
		w.write("client-state.keys", newKey+oldKey)
		within(t, 3*time.Minute, "all clientStates are made with the new key", func() bool { return w.graph.stateKeys()["k2"] == 6 })
		within(t, time.Minute, "all are alive", func() bool { return w.allAlive(keys) })
		w.write("client-state.keys", newKey)
		time.Sleep(time.Minute)
		if !w.allAlive(keys) || w.graph.stateKeys()["k2"] != 6 {
			t.Errorf("without the old key there live %v", w.graph.alive())
		}
		const replaced = "k2 PwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
		w.write("client-state.keys", replaced)
		time.Sleep(5 * time.Second)
		w.graph.remove(w.graph.idOf(keys[0]))
		within(t, 2*time.Minute, "it is made anew", func() bool { return w.allAlive(keys) })
		now, err := bridge.ParseClientStateKeys([]byte(replaced), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.graph.genuine(now); n != 1 {
			t.Errorf("%d are made with the key that took the place of another with its name, want the one that was made anew", n)
		}
		if len(w.graph.duplicates) > 0 {
			t.Errorf("Graph had duplicates: %q", w.graph.duplicates)
		}
		time.Sleep(5 * time.Second)
		p.stop()
		w.checkGaps(t)
	})
}

// Ensure that leader and standby are both ready and say which they are, and that
// the admin port has the series and the profiles.
func TestAdmin(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(3, tenantOne)
		leader := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		standby := w.start()
		time.Sleep(10 * time.Second)
		for _, c := range []struct {
			p          *proc
			host, path string
			want       []string
		}{
			{leader, "renewer-1", "/readyz", []string{`"ready": true`, "leads shard 0 in epoch", "3 desired in 1 tenants"}},
			{standby, "renewer-2", "/readyz", []string{`"ready": true`, "stands by"}},
			{leader, "renewer-1", "/livez", []string{"ok"}},
			{leader, "renewer-1", "/debug/pprof/", []string{"goroutine"}},
			{leader, "renewer-1", "/metrics", []string{
				`meetbridge_renewer_subscriptions{record="chat-messages",status="active"} 3`, `meetbridge_renewer_leading_shards 1`,
				`meetbridge_renewer_shard_epoch{shard="0"}`, `meetbridge_renewer_actions_total{action="create",result="done"} 3`,
				`meetbridge_renewer_graph_requests_total{code="2xx",op="create"} 3`, `meetbridge_renewer_open_gaps 0`, `meetbridge_renewer_nearest_expiry_seconds `,
				`meetbridge_renewer_lease_fresh 1`, `meetbridge_renewer_tenants_without_token 0`,
			}},
			{standby, "renewer-2", "/metrics", []string{`meetbridge_renewer_leading_shards 0`, `meetbridge_renewer_subscriptions{record="chat-messages",status="active"} 0`}},
		} {
			resp, err := c.p.admin.Get("http://" + c.host + ":9091" + c.path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %d, %v: %s", c.host, c.path, resp.StatusCode, err, body)
			}
			for _, want := range c.want {
				if !strings.Contains(string(body), want) {
					t.Errorf("%s %s says nothing of %s:\n%s", c.host, c.path, want, grep(string(body), strings.FieldsFunc(want, func(r rune) bool { return r == '{' || r == ' ' })[0]))
				}
			}
		}
		leader.stop()
		if got := leader.value("subscriptions"); got != 0 {
			t.Errorf("a leader that ended counts %v subscriptions", got)
		}
	})
}

// grep returns the lines of text that hold word.
func grep(text, word string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// Ensure that no clientState is made with a key before every ingest process has
// announced it (I3 the other way round: nothing genuine is refused), and that it
// is made with it then.
func TestClientStateKeyWaitsForIngest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		t.Helper()
		keys := w.desire(4, tenantOne)
		ingest, err := kafka.JoinRoster(w.config(), bridge.KeyRoster("teams."), "teams.lifecycle", bridge.AnnounceKeys(nil, "k1"), discard())
		if err != nil {
			t.Fatal(err)
		}
		p := w.start()
		within(t, time.Minute, "all are made", func() bool { return w.allAlive(keys) })
		w.write("client-state.keys", "k2 HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nk1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
		time.Sleep(5 * time.Minute)
		if got := w.graph.stateKeys(); got["k2"] != 0 || !w.allAlive(keys) {
			t.Errorf("while ingest lacks it, the new key has made %d clientStates", got["k2"])
		}
		ingest.Say(bridge.AnnounceKeys(nil, "k1", "k2"))
		within(t, 3*time.Minute, "all clientStates are made with the new key", func() bool { return w.graph.stateKeys()["k2"] == 4 })

		// A file of keys that ingest has none of, as if it were another one's.
		w.write("client-state.keys", "k3 HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
		time.Sleep(5 * time.Minute)
		if got := w.graph.stateKeys(); got["k3"] != 0 || !w.allAlive(keys) {
			t.Errorf("a key that no ingest has made %d clientStates", got["k3"])
		}
		p.stop()
		p = w.start() // who does not know yet what ingest has
		time.Sleep(5 * time.Minute)
		if got := w.graph.stateKeys(); got["k3"] != 0 || !w.allAlive(keys) {
			t.Errorf("after a new start, a key that no ingest has made %d clientStates", got["k3"])
		}
		ingest.Say(bridge.AnnounceKeys(nil, "k3"))
		within(t, 3*time.Minute, "all clientStates are made with the only key", func() bool { return w.graph.stateKeys()["k3"] == 4 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ingest.Leave(ctx); err != nil {
			t.Error(err)
		}
		p.stop()
	})
}
