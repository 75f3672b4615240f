package renewer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

// The plan that people read names everything that is not as desired, once, and
// says why.
func TestDifferences(t *testing.T) {
	t.Parallel()
	w := modelWishes(12)
	w.File = "subscriptions.yaml"
	for i := range w.Subscriptions {
		w.Subscriptions[i].Line = int32(i + 1)
	}
	_, s := living()
	now := modelStart
	actual := map[renewer.Key]renewer.State{}
	put := func(i int, change func(*renewer.State)) {
		c := s
		c.Key, c.SubscriptionID = w.Subscriptions[i].Key, fmt.Sprint("id-", i)
		change(&c)
		actual[c.Key] = c
	}
	put(0, func(*renewer.State) {}) // as it should be
	put(1, func(c *renewer.State) { c.NotificationURL = "https://old.example.com" })
	put(2, func(c *renewer.State) { c.CertificateID = "cert-0" })
	put(3, func(c *renewer.State) { c.LifecycleURL = "" })
	put(4, func(c *renewer.State) { c.ClientStateKeyID = "k0" })
	put(5, func(c *renewer.State) { c.RenewedAt = now.Add(-dueAge); c.ExpiresAt = now.Add(18 * time.Hour) })
	put(6, func(c *renewer.State) {
		c.SubscriptionID, c.Status, c.Attempts, c.Error, c.NextAttemptAt = "", renewer.Blocked, 3, "quota", now.Add(time.Hour)
		c.ErrorStatus = 403
	})
	put(7, func(c *renewer.State) { c.Status = renewer.Aside })
	put(8, func(c *renewer.State) { c.Intent = renewer.Renew })
	put(9, func(*renewer.State) {})
	w.Subscriptions = append(w.Subscriptions[:9], w.Subscriptions[10:]...) // 9 is undesired, 10 and 11 are new
	adopted := w.Subscriptions[9]
	listed := map[string][]graph.Subscription{modelTenant: {
		{ID: "found", Resource: adopted.Resource, ChangeType: "created,updated,deleted", NotificationURL: adopted.NotificationURL, ExpirationDateTime: now.Add(time.Hour)},
		{ID: "foreign", Resource: "chats", ChangeType: "created", NotificationURL: "https://other.example.org/hook?code=secret", ExpirationDateTime: now.Add(time.Hour)},
		{ID: "over", Resource: "chats", ChangeType: "updated", ExpirationDateTime: now.Add(-time.Hour)},
		{ID: "id-0", Resource: w.Subscriptions[0].Resource, ExpirationDateTime: now.Add(time.Hour)},
	}}
	var lines []string
	all := renewer.Differences(now, w, actual, listed, renewer.DefaultRules())
	for _, d := range all {
		line := string(d.Kind) + " " + strings.TrimPrefix(d.SubscriptionID, "id-")
		if d.Stuck {
			line += " stuck"
		}
		for _, f := range d.Fields {
			line += fmt.Sprintf(" %s=%s>%s:%v", f.Name, f.From, f.To, f.Patchable)
		}
		if !d.Due.IsZero() {
			line += " later"
		}
		lines = append(lines, line)
		if d.Why == "" {
			t.Errorf("%+v: no reason", d)
		}
	}
	want := []string{
		"create ",
		"adopt found",
		"replace 3 lifecycle_url=>https://bridge.example.com/graph/lifecycle:false",
		"replace 4 client_state_key=k0>k1:false later",
		"change 1 notification_url=https://old.example.com>https://bridge.example.com/graph/notifications:true",
		"change 2 certificate=cert-0>cert-1:true later",
		"renew 5",
		"delete 9",
		"retry  stuck later",
		"leave foreign",
		"leave 7 stuck", "leave 8",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, has := range []string{`"kind":"replace"`, `"fields":[{"name":"lifecycle_url","from":"","to":`, `"patchable":false`, `"where":"subscriptions.yaml:4"`} {
		if !strings.Contains(string(text), has) {
			t.Errorf("%s is not in %s", has, text)
		}
	}
	if strings.Contains(string(text), "secret") {
		t.Error("another's URL is shown whole")
	}
}
