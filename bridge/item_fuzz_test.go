package bridge_test

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
)

// byReflection is an item as the JSON library reads it by itself.
type byReflection struct {
	ID               string         `json:"id"`
	SubscriptionID   string         `json:"subscriptionId"`
	TenantID         string         `json:"tenantId"`
	OrganizationID   string         `json:"organizationId"`
	ClientState      string         `json:"clientState"`
	ChangeType       string         `json:"changeType"`
	LifecycleEvent   string         `json:"lifecycleEvent"`
	Resource         string         `json:"resource"`
	ExpirationTime   string         `json:"subscriptionExpirationDateTime"`
	ResourceData     jsontext.Value `json:"resourceData"`
	EncryptedContent *struct {
		Data                  string `json:"data"`
		DataKey               string `json:"dataKey"`
		DataSignature         string `json:"dataSignature"`
		CertificateID         string `json:"encryptionCertificateId"`
		CertificateThumbprint string `json:"encryptionCertificateThumbprint"`
	} `json:"encryptedContent"`
}

// Our own reader takes just the items that the JSON library would take, and reads
// the same from them (I7).
func FuzzDecodeItem(f *testing.F) {
	for _, s := range []string{
		`{"subscriptionId":"s","tenantId":"t","clientState":"c","changeType":"Created","resource":"r","id":"i","organizationId":"o","lifecycleEvent":null,"subscriptionExpirationDateTime":"x"}`,
		`{"subscriptionId":"s","resourceData":{"id":"x","@odata.type":"y"},"EncryptedContent":{"data":"d","dataKey":"k","dataSignature":"g","encryptionCertificateId":"c","EncryptionCertificateThumbprint":"t","more":[1]}}`,
		`{"subscription_id":"s","Client-State":"x\u0041","\u0069d":"y"}`, `{"subscriptionId":"s","SubscriptionId":"t"}`, `{"subscriptionId":"s","more":{"a":1,"a":2}}`,
		`{"subscriptionId":"s","encryptedContent":null,"resourceData":null}`, `{"subscriptionId":"s","encryptedContent":[]}`, "{\"subscriptionId\":\"\xff\"}",
		`{"subscriptionId":"\ud800"}`, `null`, `{"subscriptionId":"s"} x`, `{"subscriptionId":"s","resourceData":[7]}`, `{"subscriptionId":"s","\u212aey":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want byReflection
		err := json.Unmarshal(raw, &want, json.MatchCaseInsensitiveNames(true))
		good := err == nil && jsontext.Value(raw).Kind() == '{' && want.SubscriptionID != ""
		it, err := bridge.DecodeItem(raw)
		if (err == nil) != good {
			t.Fatalf("%q: error %v, want good=%v", raw, err, good)
		}
		if err != nil {
			return
		}
		got := byReflection{
			ID: it.ID, SubscriptionID: it.SubscriptionID, TenantID: it.TenantID, OrganizationID: it.OrganizationID, ClientState: it.ClientState,
			ChangeType: it.ChangeType, LifecycleEvent: it.LifecycleEvent, Resource: it.Resource, ExpirationTime: it.ExpirationTime,
		}
		if c, w := it.EncryptedContent, want.EncryptedContent; (c == nil) != (w == nil) || c != nil && *c != bridge.EncryptedContent(*w) {
			t.Fatalf("%q: encryptedContent %v, want %v", raw, c, w)
		}
		if it.ResourceData != string(want.ResourceData) && string(want.ResourceData) != "null" {
			t.Fatalf("%q: resourceData %s, want %s", raw, it.ResourceData, want.ResourceData)
		}
		want.EncryptedContent, want.ResourceData, got.ResourceData = nil, nil, nil
		if a, b := asJSON(t, got), asJSON(t, want); a != b {
			t.Fatalf("%q: got %s, want %s", raw, a, b)
		}
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
