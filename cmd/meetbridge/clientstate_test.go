package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"meetbridge/bridge"
)

// Ensure that a clientState has the form which docs/security.md gives, so that
// it can be made without this program, and that ingest takes it.
func TestMinterForm(t *testing.T) {
	t.Parallel()
	const tenant = "7A4C9D0E-0000-4000-8000-00000000000F"
	secret := []byte(strings.Repeat("k", 32))
	text := "key-1 " + base64.StdEncoding.EncodeToString(secret) + "\n"
	file := filepath.Join(t.TempDir(), "client-state.keys")
	if err := writeNew(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	mint, err := minter(file)
	if err != nil {
		t.Fatal(err)
	}
	state := mint(tenant)
	parts := strings.Split(state, ".")
	if len(parts) != 4 || parts[0] != "mb1" || parts[1] != "key-1" || len(state) > 128 {
		t.Fatalf("got %q", state)
	}
	nonce, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(nonce) != 32 || hex.EncodeToString(nonce[16:]) != "7a4c9d0e00004000800000000000000f" {
		t.Errorf("nonce %x (%v)", nonce, err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(strings.ToLower(tenant) + "\n" + parts[2]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); parts[3] != want {
		t.Errorf("mac %q, want %q", parts[3], want)
	}
	keys, err := bridge.ParseClientStateKeys([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Check(tenant, state); err != nil {
		t.Error(err)
	}
	if mint(tenant) == state {
		t.Error("the same value twice")
	}
}
