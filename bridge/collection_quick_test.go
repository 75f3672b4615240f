package bridge

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func newQuick(body string) *quick { return &quick{body: []byte(body), text: body} }

// samples returns the documented bodies of POSTs by the names of their files.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no samples: %v", err)
	}
	bodies := map[string][]byte{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		if strings.Contains(string(body), `"value"`) { // the others are what was sealed in one
			bodies[filepath.Base(name)] = body
		}
	}
	return bodies
}

// What Graph sends goes the quick way, as it is and without its white space.
func TestQuickTakes(t *testing.T) {
	t.Parallel()
	for name, body := range samples(t) {
		for _, body := range []string{string(body), strings.NewReplacer("\n", "", " ", "").Replace(string(body))} {
			if _, _, ok := newQuick(body).collection(); !ok {
				t.Errorf("%s is left to the decoder: %s", name, body)
			}
		}
	}
}

// Whatever has a rule of its own is left to the decoder.
func TestQuickGivesUp(t *testing.T) {
	t.Parallel()
	const item = `{"subscriptionId":"s"}`
	for _, body := range []string{
		``, `[]`, `{}`, `null`, `{"value":[]}`, `{"value":null}`, `{"value":[` + item + `]`, `{"value":[` + item + `],}`, `{"value":[` + item + `,]}`,
		`{"value":[` + item + `]} x`, `{"value":[` + item + `]}{}`, "\ufeff" + `{"value":[` + item + `]}`, `{"Value":[` + item + `]}`, `{"value":[` + item + `],"more":1}`,
		`{"value":[` + item + `],"value":[` + item + `]}`, `{"value":[` + item + `],"validationTokens":null}`, `{"value":[` + item + `],"validationTokens":[1]}`,
		`{"value":[null]}`, `{"value":["s"]}`, `{"value":[{}]}`, `{"value":[{"id":"x"}]}`, `{"value":[{"subscriptionId":""}]}`, `{"value":[{"subscriptionId":7}]}`,
		`{"value":[{"subscriptionId":"s","subscriptionId":"s"}]}`, `{"value":[{"subscriptionId":"s","SubscriptionID":"t"}]}`, `{"value":[{"subscriptionId":"s","more":{}}]}`,
		`{"value":[{"subscriptionId":"\u0073"}]}`, "{\"value\":[{\"subscriptionId\":\"s\tt\"}]}", `{"value":[{"subscriptionId":"é"}]}`, "{\"value\":[{\"subscriptionId\":\"\xff\"}]}",
		`{"value":[{"subscriptionId":"s","resourceData":[]}]}`, `{"value":[{"subscriptionId":"s","resourceData":{"id":null}}]}`, `{"value":[{"subscriptionId":"s","resourceData":{"id":"a","id":"b"}}]}`,
		`{"value":[{"subscriptionId":"s","resourceData":{"more":"a"}}]}`, `{"value":[{"subscriptionId":"s","encryptedContent":{"data":"a","data":"b"}}]}`,
		`{"value":[{"subscriptionId":"s","encryptedContent":{"data":null}}]}`, `{"value":[{"subscriptionId":"s","encryptedContent":"x"}]}`, `{"value":[{"subscriptionId":"s","id":nul}]}`,
		`{"value":[` + strings.Repeat(item+",", MaxItems) + item + `]}`,
	} {
		if _, _, ok := newQuick(body).collection(); ok {
			t.Errorf("taken: %.200s", body)
		}
	}
}

// What tokens say lives longer than their POST, and must not keep its body.
func TestQuickTokensAreCopies(t *testing.T) {
	t.Parallel()
	body := []byte(`{"value":[{"subscriptionId":"s"}],"validationTokens":["token"]}`)
	_, tokens, err := Decode(body)
	clear(body)
	if err != nil || len(tokens) != 1 || tokens[0] != "token" {
		t.Errorf("%q, %v", tokens, err)
	}
}

// Wherever in a string something stands that is not plain, it is found.
func TestPlainASCII(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		plain := c >= 0x20 && c < 0x80 && c != '"' && c != '\\'
		for at := range 20 {
			b := []byte(strings.Repeat("a", 20))
			b[at] = byte(c)
			want := at
			if plain {
				want = len(b)
			}
			if got := plainASCII(b); got != want {
				t.Fatalf("byte %d at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}

// BenchmarkDecode is the same body read the quick way and by the decoder.
func BenchmarkDecode(b *testing.B) {
	body := samples(b)["chatMessage.basic.channel.json"]
	for name, decode := range map[string]func([]byte) ([]Decoded, []string, error){"quick": Decode, "decoder": decodeAny} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if items, _, err := decode(body); err != nil || len(items) == 0 || items[0].Err != nil {
					b.Fatal("the body does not decode")
				}
			}
		})
	}
}

// What goes the quick way the decoder takes too, and reads the same from it (I7).
func FuzzDecode(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body)
	}
	f.Add([]byte(`{"value":[{"subscriptionId":"s","ID":"x","resource_data":{"@odata.type":"t","ID":"i"},"encryptedContent":{"Data":"d"},"clientState":null},{"subscriptionId":"t"}],"validationTokens":["a","b"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, tokens, ok := newQuick(string(body)).collection()
		if !ok {
			return
		}
		want, wantTokens, err := decodeAny(body)
		if err != nil || !reflect.DeepEqual(items, want) || !reflect.DeepEqual(tokens, wantTokens) {
			t.Fatalf("%q: quick %+v %q, decoder %+v %q %v", body, items, tokens, want, wantTokens, err)
		}
	})
}
