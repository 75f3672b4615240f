package bridge_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"meetbridge/bridge"
)

// I4: the clientState is cut out and nothing else changes.
func TestWithoutClientState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"middle", `{ "a": 1.50, "clientState" : "s\"ecret", "b":[ {"clientState":"inner"} ] }`, `{ "a": 1.50, "clientState" : "", "b":[ {"clientState":"inner"} ] }`},
		{"any case, twice", `{"ClientState":"x","clientstate":{"y":"z"}}`, `{"ClientState":"","clientstate":""}`},
		{"as the decoder would also take it", `{"client_state":"x","Client-State":"y"}`, `{"client_state":"","Client-State":""}`},
		{"absent", `{"a":"clientState"}`, `{"a":"clientState"}`},
		{"null", `{"clientState":null}`, `{"clientState":null}`},
		{"escaped name", `{"client\u0053tate":"x"}`, `{"client\u0053tate":""}`},
		{"no object", `["clientState","x"]`, `["clientState","x"]`},
		{"no JSON", `{"clientState":`, `{"clientState":`},
	} {
		if got := string(bridge.WithoutClientState([]byte(c.in))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDecodeCollection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body    string
		items, tokens int
		ok            bool
	}{
		{"empty value", `{"value":[]}`, 0, 0, true},
		{"items of every sort", `{"value":[null, "x", {"a":1,"a":2}, 7, [1]]}`, 5, 0, true},
		{"tokens", `{"validationTokens":["a",null,7],"value":[{}]}`, 1, 3, true},
		{"tokens null", `{"validationTokens":null,"value":[{}]}`, 1, 0, true},
		{"names in any case", `{"Value":[{}],"ValidationTokens":["a"]}`, 1, 1, true},
		{"unknown members", `{"@odata.context":"x","value":[{}],"more":{"deep":[1]}}`, 1, 0, true},
		{"invalid UTF-8 in an item", "{\"value\":[{\"a\":\"\xff\"},{}]}", 2, 0, true},
		{"value missing", `{}`, 0, 0, false},
		{"value null", `{"value":null}`, 0, 0, false},
		{"value an object", `{"value":{}}`, 0, 0, false},
		{"value twice", `{"value":[],"value":[]}`, 0, 0, false},
		{"an array", `[]`, 0, 0, false},
		{"truncated", `{"value":[{}`, 0, 0, false},
		{"something after it", `{"value":[]} {}`, 0, 0, false},
		{"garbage after it", `{"value":[]} x`, 0, 0, false},
		{"nothing", ``, 0, 0, false},
	} {
		got, err := bridge.DecodeCollection([]byte(c.body))
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v, want ok=%v", c.name, err, c.ok)
			continue
		}
		if err == nil && (len(got.Items) != c.items || len(got.Tokens) != c.tokens) {
			t.Errorf("%s: %d items and %d tokens, want %d and %d", c.name, len(got.Items), len(got.Tokens), c.items, c.tokens)
		}
	}
}

func TestDecodeItemRejects(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`null`, `"x"`, `7`, `[]`, `{}`, `{"subscriptionId":null}`, `{"subscriptionId":7}`, `{"subscriptionId":"s","subscriptionId":"s"}`,
		`{"subscriptionId":"s","clientState":{}}`, "{\"subscriptionId\":\"\xff\"}", `{"subscriptionId":"s","encryptedContent":"x"}`,
		`{"subscriptionId":"s","EncryptedContent":null,"encryptedContent":null}`, `{"subscriptionId":"\ud800"}`,
	} {
		it, err := bridge.DecodeItem([]byte(raw))
		var rej *bridge.Rejection
		if !errors.As(err, &rej) || rej.Reason != bridge.MalformedItem {
			t.Errorf("%s: got %v, want %s", raw, err, bridge.MalformedItem)
		}
		if string(it.Raw) != raw {
			t.Errorf("%s: raw is %s", raw, it.Raw)
		}
	}
}

// A collection splits into items that, put together again, are the body's, and
// no input panics (I11).
func FuzzDecodeCollection(f *testing.F) {
	for _, s := range []string{
		`{"value":[]}`, `{"value":[null,{"subscriptionId":"s","changeType":"Created","EncryptedContent":{"data":"x"}}],"validationTokens":["t"]}`,
		`{"value":{}}`, `{"value":[`, "{\"value\":[\"\xff\"]}", `[]`, `{"value":[{"a":1,"a":2}]} x`, `{"value":[{"subscriptionId":"\ud800"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := bridge.DecodeCollection(body)
		items, tokens, all := bridge.Decode(body)
		if (err == nil) != (all == nil) || len(items) != len(c.Items) || !slices.Equal(tokens, c.Tokens) {
			t.Fatalf("%q: apart %d items, %d tokens, %v; at once %d, %d, %v", body, len(c.Items), len(c.Tokens), err, len(items), len(tokens), all)
		}
		for i, raw := range c.Items {
			it, err := bridge.DecodeItem(raw)
			if at := items[i]; (err == nil) != (at.Err == nil) || !reflect.DeepEqual(it, at.Item) {
				t.Fatalf("%q: apart %+v, %v; at once %+v, %v", raw, it, err, at.Item, at.Err)
			}
			if string(it.Raw) != string(raw) {
				t.Fatalf("raw changed: %q became %q", raw, it.Raw)
			}
			if err == nil && it.SubscriptionID == "" {
				t.Fatalf("an item without subscription passed: %q", raw)
			}
			if cut := bridge.WithoutClientState(raw); !cut.IsValid() && raw.IsValid() {
				t.Fatalf("cutting broke the item: %q", cut)
			}
		}
	})
}
