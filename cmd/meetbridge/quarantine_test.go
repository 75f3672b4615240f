package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/ingest"
)

// I4: what show prints of an item holds neither its clientState, nor its sealed
// content, nor anything that a member nobody documented may hold.
func TestQuarantineShowsNothingSecret(t *testing.T) {
	t.Parallel()
	const secret = "Sekret"
	raw := `{"subscriptionId":"s1","ClientState":"mb1.k9.` + secret + `.x","tenantId":"t1","changeType":"created","resource":"chats('c')/messages('1')",
		"displayName":"` + secret + `","list":["` + secret + `"],"resourceData":{"@odata.type":"#t","id":"1","subject":"` + secret + `"},
		"encryptedContent":{"data":"AAAAAAAAAAAA` + secret + `","dataKey":"BBBBBBBBBBBB` + secret + `","dataSignature":"CCCCCCCCCCCC` + secret + `","encryptionCertificateId":"cert","new":"` + secret + `"}}`
	for _, reason := range bridge.Reasons() {
		d := newSetAsideDetail(&ingest.SetAside{
			EventID: "e", ReceivedAt: time.Unix(0, 0), Reason: reason, Raw: []byte(raw),
			Tokens: []ingest.SetAsideToken{{Claims: `{"aud":"app","iss":"issuer"}`, SignatureValid: true, Reason: bridge.TokenAudience}},
		})
		var out strings.Builder
		term := &terminal{stdout: &out, stderr: io.Discard}
		if err := d.print(term); err != nil {
			t.Fatal(err)
		}
		if err := term.printJSON(d); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s: shown: %s", reason.Reason, out.String())
		}
		for _, want := range []string{"resource", "chats('c')", "AAAAAAAAAAAA…", "(not shown)", "(in the record, not shown)", `"displayName"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %s is not shown in: %s", reason.Reason, want, out.String())
			}
		}
		if none := d.Cure == "Nothing: it stays out for ever."; none == reason.Replayable {
			t.Errorf("%s: can be replayed: %t, cure: %s", reason.Reason, reason.Replayable, d.Cure)
		}
	}
}

// Ensure that whatever stands in a record of the quarantine can be shown.
func TestQuarantineShowsAnything(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "null", "42", "{", `{"subscriptionId":7}`, `{"subscriptionId":"s","encryptedContent":{}}`, "{\"subscriptionId\":\"\xff\"}", `{"subscriptionId":"s","clientState":null,"resourceData":"x"}`} {
		d := newSetAsideDetail(&ingest.SetAside{
			Raw: []byte(raw), Reason: bridge.Reasons()[0],
			Tokens: []ingest.SetAsideToken{{}, {Claims: "{"}, {Claims: `{"aud":[1,null],"iss":{}}`, Reason: bridge.TokenAudience}},
		})
		term := &terminal{stdout: io.Discard, stderr: io.Discard}
		if err := d.print(term); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
		if err := term.printJSON(d); err != nil {
			t.Errorf("%q as JSON: %v", raw, err)
		}
	}
}
