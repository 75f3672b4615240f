//go:build synctests

package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alecthomas/units"

	"meetbridge/bridge/bridgetest"
	"meetbridge/ingest"
)

// Where the brokers take small messages only, what is too large for a record is
// set aside as it came, and what is too large even for that leaves a word of what
// it was. Neither is sent again and again until Graph gives it up (I1, I2).
func TestOversizedItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, nil, func(c *ingest.Config) { c.Kafka.MaxMessage = 1000 * units.KiB })
		text := func(bytes int) string {
			return fmt.Sprintf(`{"@odata.type":"#Microsoft.Graph.chatMessage","id":"1","body":{"content":"Sesam-%s"}}`, strings.Repeat("x", bytes))
		}
		for i, tt := range []struct {
			name          string
			bytes         int
			topic, reason string
			kept          bool // the item is in the quarantine
		}{
			{"fits", 400_000, "chat-messages", "", false},
			{"its text stands in the record twice", 600_000, "quarantine", "record_too_large", true},
			{"too large for the quarantine", 1_500_000, "quarantine", "record_too_large", false},
		} {
			it := item(tt.name, i+1).with(object{"encryptedContent": e.sealed(sealing{}, text(tt.bytes))})
			body := `{"value":[` + it.String() + `],"validationTokens":["` + e.token(nil) + `"]}`
			for _, which := range []string{"the first", "its repetition"} {
				if a := e.post(body); a.code != 202 {
					t.Errorf("%s: %s is answered %d", tt.name, which, a.code)
				}
			}
			var found []bridgetest.Stored
			for _, r := range e.Records() {
				if r.Text("subscription_id") == tt.name {
					found = append(found, r)
				}
			}
			if len(found) != 1 || found[0].Topic != tt.topic || found[0].Text("reason") != tt.reason {
				t.Errorf("%s: %d records", tt.name, len(found))
				continue
			}
			if kept := len(found[0].Text("item")) > tt.bytes; kept != tt.kept {
				t.Errorf("%s: an item of %d bytes is in the quarantine", tt.name, len(found[0].Text("item")))
			}
			detail := found[0].Text("detail")
			if tt.topic == "quarantine" && !tt.kept && (!strings.Contains(detail, "messages('3')") || strings.Contains(detail, "Sesam")) {
				t.Errorf("%s: the detail is %q", tt.name, detail)
			}
		}
	})
}
