package bridge_test

import (
	"testing"

	"meetbridge/bridge"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"kafka-brokers", "kafka-ca", "kafka-cert", "registry-url", "listen", "admin-listen", "key"}
	for _, tc := range []struct{ word, want string }{
		{"kafka-broker", "kafka-brokers"},   // a letter too few
		{"kafka-brokerss", "kafka-brokers"}, // one too many
		{"kakfa-ca", "kafka-ca"},            // two swapped
		{"kafka_brokers", "kafka-brokers"},  // the other dash
		{"Registry-URL", "registry-url"},    // another case
		{"rexistry-ulr", "registry-url"},
		{"listne", "listen"},
		{"kez", "key"},
		{"", ""},
		{"x", ""},
		{"password", ""},
		{"completely-different", ""},
	} {
		if got := bridge.Nearest(tc.word, names); got != tc.want {
			t.Errorf("nearest(%q) = %q, want %q", tc.word, got, tc.want)
		}
	}
}

func TestSlips(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"abc", "ab", 1},
		{"abc", "xbc", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
	} {
		if got := bridge.Slips(tc.a, tc.b); got != tc.want {
			t.Errorf("slips(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := bridge.Slips(tc.b, tc.a); got != tc.want {
			t.Errorf("slips(%q, %q) = %d, want %d: not symmetric", tc.b, tc.a, got, tc.want)
		}
	}
}
