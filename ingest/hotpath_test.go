//go:build !race

package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"meetbridge/bridge"
	"meetbridge/schemas"
)

// mostAllocations is how many allocations a basic notification may cost between
// its body and the record that the producer takes.
const mostAllocations = 8

// hotPath is what every basic notification goes through but HTTP and Kafka.
func hotPath(tb testing.TB) (run func(), body []byte) {
	tb.Helper()
	codec, err := schemas.NewCodec()
	if err != nil {
		tb.Fatal(err)
	}
	states, err := bridge.ParseClientStateKeys(nil, []byte("bench-client-state\n"))
	if err != nil {
		tb.Fatal(err)
	}
	e := newEncoder("teams.", codec)
	ids := map[string]int{bridge.ChatMessage.Topic(): 7}
	e.ids.Store(&ids)
	const path = "chats('19:meeting_MGYxMzQ2NTctNTA4@thread.v2')/messages('1612289992105')"
	body = fmt.Appendf(nil, `{"value":[{"subscriptionId":"10493aa0-4d29-4df5-bc0c-ef742cc6cd7f","changeType":"created","clientState":"bench-client-state",`+
		`"subscriptionExpirationDateTime":"2027-02-02T10:30:34.9097561-08:00","resource":%q,"resourceData":{"id":"1612289992105",`+
		`"@odata.type":"#Microsoft.Graph.chatMessage","@odata.id":%q},"tenantId":"84bd8158-6d4d-4958-8b9f-9d6445542f95"}]}`, path, path)
	at, rules := time.Now(), bridge.Rules{FreshID: freshID}
	const trace = "00-00112233445566778899aabbccddeeff-0011223344556677-00"
	return func() {
		items, _, err := bridge.Decode(body)
		if err != nil || len(items) != 1 || items[0].Err != nil {
			tb.Fatal("the body does not decode")
		}
		it := items[0].Item
		if err := admit(it, states); err != nil {
			tb.Fatal(err)
		}
		record, _ := bridge.Normalize(it, nil, at, rules)
		if _, err := e.encode(it, &record, trace, make([]kgo.RecordHeader, 0, headerCount)); err != nil {
			tb.Fatal(err)
		}
	}, body
}

// BenchmarkHotPath is a basic notification without HTTP and Kafka.
func BenchmarkHotPath(b *testing.B) {
	run, body := hotPath(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		run()
	}
}

// The hot path allocates no more than it has to: who makes it dearer raises the
// bound here and says why.
func TestHotPathAllocations(t *testing.T) {
	run, _ := hotPath(t)
	if n := testing.AllocsPerRun(1000, run); n > mostAllocations {
		t.Errorf("%v allocations a notification, at most %d", n, mostAllocations)
	}
}
