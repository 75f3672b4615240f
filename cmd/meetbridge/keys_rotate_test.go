package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/renewer"
)

const rotateTenant = "7a4c9d0e-0000-4000-8000-00000000000"

// rotateWorld is a directory of keys, the youngest being autumn, and a file of
// desired subscriptions of two tenants that name them.
type rotateWorld struct {
	t   *testing.T
	cmd keysRotateCmd
	ids []string // of the keys, the youngest first
}

func newRotateWorld(t *testing.T) *rotateWorld {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	for i, id := range []string{"spring", "autumn"} {
		if _, err := makeKeys(filepath.Join(dir, "keys"), id, 2048, "decryption", now.Add(time.Duration(i-9)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	w := &rotateWorld{t: t, ids: []string{"autumn", "spring"}}
	w.cmd = keysRotateCmd{Dir: filepath.Join(dir, "keys"), Only: "decryption", Bits: 2048, Subscriptions: filepath.Join(dir, "subscriptions.yaml")}
	w.write("secret", "s3cret")
	return w
}

func (w *rotateWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.cmd.Subscriptions), name), []byte(text), 0o640); err != nil {
		w.t.Fatal(err)
	}
}

// desire writes a file in which each tenant names one certificate.
func (w *rotateWorld) desire(certificates ...string) {
	w.t.Helper()
	text := "tenants:\n"
	for i, c := range certificates {
		text += fmt.Sprintf("  - id: %s%d\n    client_id: %s9\n    secret_file: secret\n    notification_url: https://bridge.example.com/n\n"+
			"    lifecycle_url: https://bridge.example.com/l\n    decryption_certificate: keys/certificates/%s.pem # mind\n    subscriptions: [{all: chats}]\n", rotateTenant, i, rotateTenant, c)
	}
	w.write("subscriptions.yaml", text)
}

// pairs returns the keys of the directory.
func (w *rotateWorld) pairs() []keyPair {
	w.t.Helper()
	pairs, err := readKeyPairs(w.cmd.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return pairs
}

// view is what Kafka knows: ingest processes with those keys each, and
// subscriptions that live by those keys.
func (w *rotateWorld) view(ingest [][]string, living []string) renewer.View {
	w.t.Helper()
	thumbprints := map[string]string{}
	for _, p := range w.pairs() {
		thumbprints[p.ID] = p.Thumbprint
	}
	v := renewer.View{States: map[renewer.Key]renewer.State{}, Renewers: []renewer.Member{{}}}
	for i, ids := range ingest {
		p := renewer.IngestProcess{ID: fmt.Sprint(i), Host: fmt.Sprintf("host-%d", i), ClientStateKeys: ids}
		for _, id := range ids {
			p.Keys = append(p.Keys, bridge.DecryptionKey{ID: id, Thumbprint: thumbprints[id]})
		}
		v.Ingest = append(v.Ingest, p)
	}
	for i, id := range living {
		k := renewer.Key{TenantID: rotateTenant + "0", Resource: fmt.Sprint("chats/", i), ChangeType: "created"}
		v.States[k] = renewer.State{
			Key: k, Status: renewer.Active, SubscriptionID: fmt.Sprint("sub-", i), Rich: true, CertificateID: id, Thumbprint: thumbprints[id],
			ClientStateKeyID: id, ExpiresAt: time.Now().Add(time.Hour),
		}
	}
	return v
}

// Ensure that the stage of a rotation follows from the facts alone, and that a
// key is never called removable while anything may be sealed for it.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	w := newRotateWorld(t)
	both, old := []string{"spring", "autumn"}, []string{"spring"}
	for _, tt := range []struct {
		name      string
		named     []string
		ingest    [][]string
		living    []string
		stage     string
		waits     bool
		says      string // in a step or a problem
		removable []string
	}{
		{"no ingest", []string{"spring"}, nil, old, stepAnnounced, true, "no ingest process runs", nil},
		{"one of two has it", []string{"spring"}, [][]string{both, old}, old, stepAnnounced, true, "still missing at host-1 (1 of 2 processes)", nil},
		{"all have it", []string{"spring", "spring"}, [][]string{both, both}, old, stepNamed, false, "2 of 2 tenants name an older one", nil},
		{"half is named", []string{"autumn", "spring"}, [][]string{both}, old, stepNamed, false, "1 of 2 tenants name an older one", nil},
		{"none is named", nil, [][]string{both}, nil, stepNamed, false, "no tenant names it", nil},
		{"all is named", []string{"autumn"}, [][]string{both}, []string{"autumn", "spring"}, stepMoved, true, "1 subscription to go", nil},
		{"all have moved", []string{"autumn"}, [][]string{both}, []string{"autumn"}, stepRemoved, false, "still there: ", []string{"spring"}},
		{"named too early", []string{"autumn"}, [][]string{old}, []string{"autumn"}, stepAnnounced, true, "subscriptions.yaml names autumn too early", []string{"spring"}},
		{"made too early", []string{"autumn"}, [][]string{old}, []string{"autumn"}, stepAnnounced, true, "1 living subscription is sealed for the key autumn, which ingest at host-0 does not have", []string{"spring"}},
		{"removed too early", []string{"autumn"}, [][]string{{"autumn"}}, old, stepMoved, true, "sealed for the key spring, which ingest at host-0 does not have", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.desire(tt.named...)
			if tt.named == nil {
				w.write("subscriptions.yaml", "tenants: []\n")
			}
			r, err := w.cmd.lookAtCertificates(w.view(tt.ingest, tt.living))
			if err != nil {
				t.Fatal(err)
			}
			if r.Stage != tt.stage || r.waits != tt.waits || r.New != "autumn" || !slices.Equal(r.Removable, tt.removable) {
				t.Errorf("stage %s (waits %v) to %s, removable %q", r.Stage, r.waits, r.New, r.Removable)
			}
			if said := fmt.Sprint(r.Steps, r.Problems); !strings.Contains(said, tt.says) {
				t.Errorf("%s\ndoes not say %q", said, tt.says)
			}
		})
	}
	t.Run("creation under way", func(t *testing.T) {
		w.desire("autumn")
		v := w.view([][]string{both}, old)
		for k, s := range v.States {
			s.SubscriptionID, s.Intent = "", renewer.Create
			v.States[k] = s
		}
		if r, err := w.cmd.lookAtCertificates(v); err != nil || r.Stage != stepMoved || len(r.Removable) > 0 {
			t.Errorf("stage %s, removable %q, %v", r.Stage, r.Removable, err)
		}
	})
	t.Run("unreadable state", func(t *testing.T) {
		w.desire("autumn")
		v := w.view([][]string{both}, nil)
		v.Unreadable = 1
		if r, err := w.cmd.lookAtCertificates(v); err != nil || r.Stage != stepMoved || len(r.Removable) > 0 {
			t.Errorf("stage %s, removable %q, %v", r.Stage, r.Removable, err)
		}
	})
	t.Run("back again", func(t *testing.T) {
		w.desire("autumn")
		back := w.cmd
		back.ID = "spring"
		if r, err := back.lookAtCertificates(w.view([][]string{both}, old)); err != nil || r.New != "spring" || r.Stage != stepNamed {
			t.Errorf("to %s: stage %s, %v", r.New, r.Stage, err)
		}
		back.ID = "winter"
		if r, err := back.lookAtCertificates(w.view(nil, nil)); err != nil || r.New != "winter" || r.Stage != stepMade || r.act == nil {
			t.Errorf("to %s: stage %s, %v", r.New, r.Stage, err)
		}
	})
}

// Ensure that the file of desired subscriptions names the new certificate
// afterwards, and that nothing else in it has changed.
func TestNameCertificate(t *testing.T) {
	t.Parallel()
	w := newRotateWorld(t)
	tenant := func(i int, more string) string {
		return fmt.Sprintf("  - id: %s%d\n    client_id: %s9\n    secret_file: secret\n    notification_url: https://bridge.example.com/n\n"+
			"    lifecycle_url: https://bridge.example.com/l\n%s    subscriptions: [{all: chats}]\n", rotateTenant, i, rotateTenant, more)
	}
	const spring = "keys/certificates/spring.pem"
	for _, tt := range []struct {
		name, text string
		want       string // "": what stood there
		err        string
	}{
		{"plain", "# ours\r\ntenants:\n" + tenant(1, "    decryption_certificate:  "+spring+"   # old\n"), "keys/certificates/autumn.pem   # old", ""},
		{"quoted", "tenants:\n" + tenant(1, `    "decryption_certificate": '`+spring+"'\n"), "'keys/certificates/autumn.pem'\n", ""},
		{"defaults", "defaults: {decryption_certificate: \"" + spring + "\", rich: true}\ntenants:\n" + tenant(1, "") + tenant(2, ""), "defaults: {decryption_certificate: \"keys/certificates/autumn.pem\", rich: true}", ""},
		{"with its id", "tenants:\n" + tenant(1, "    decryption_certificate_id: spring\n    decryption_certificate: "+spring+"\n"), "decryption_certificate_id: autumn\n", ""},
		{"private file", "tenants:\n" + tenant(1, "    decryption_certificate: keys/decryption/spring.pem\n"), "decryption_certificate: keys/decryption/autumn.pem\n", ""},
		{"copied", "tenants:\n" + tenant(1, "    decryption_certificate: copied/spring.pem\n"), "decryption_certificate: keys/certificates/autumn.pem\n", ""},
		{"named already", "tenants:\n" + tenant(1, "    decryption_certificate: keys/certificates/autumn.pem\n"), "", ""},
		{"anchored", "tenants:\n" + tenant(1, "    decryption_certificate: &c "+spring+"\n") + tenant(2, "    decryption_certificate: *c\n"), "", "by hand"},
		{"folded", "tenants:\n" + tenant(1, "    decryption_certificate: >-\n      "+spring+"\n"), "", "by hand"},
		{"id kept", "defaults:\n  decryption_certificate_id: spring\ntenants:\n" + tenant(1, "    decryption_certificate_id: spring\n    decryption_certificate: "+spring+"\n"), "\n    decryption_certificate_id: autumn\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.MkdirAll(filepath.Join(filepath.Dir(w.cmd.Subscriptions), "copied"), 0o700); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(filepath.Join(w.cmd.Dir, "certificates", "spring.pem"))
			if err != nil {
				t.Fatal(err)
			}
			w.write("copied/spring.pem", string(content))
			w.write("subscriptions.yaml", tt.text)
			before, faults, err := renewer.LoadDesired(w.cmd.Subscriptions)
			if err != nil || before == nil {
				t.Fatal(faults, err)
			}
			did, err := nameCertificate(w.cmd.Subscriptions, before, w.pairs())
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Fatalf("%v, want %q", err, tt.err)
			case tt.want != "" && len(did) == 0:
				t.Error("says nothing of what it did")
			}
			got, err := os.ReadFile(w.cmd.Subscriptions)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				tt.want = tt.text
			}
			if !strings.Contains(string(got), tt.want) || strings.Count(string(got), "\n") != strings.Count(tt.text, "\n") {
				t.Errorf("%s\nwithout %q", got, tt.want)
			}
			if info, err := os.Stat(w.cmd.Subscriptions); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

// Ensure that a new client-state key proves before it makes, and that the old one
// goes only when nothing lives by it.
func TestStateRotation(t *testing.T) {
	t.Parallel()
	w := newRotateWorld(t)
	w.cmd.Only = "client-state"
	file := w.cmd.stateFile()
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(ingest [][]string, living ...string) rotation {
		t.Helper()
		r, err := w.cmd.lookAtStates(w.view(ingest, living))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	act := func(r rotation) {
		t.Helper()
		if r.act == nil {
			t.Fatalf("stage %s is not ours", r.Stage)
		}
		if _, err := r.act(); err != nil {
			t.Fatal(err)
		}
	}
	first := newStateLine("first")
	write("# ours\n\n" + strings.TrimSuffix(string(first), "\n"))
	r := look([][]string{{"first"}}, "first")
	if r.Stage != stageIdle {
		t.Fatalf("stage %s with one key", r.Stage)
	}
	act(r)
	r = look([][]string{{"first"}}, "first")
	if r.Stage != stepAnnounced || r.New == "first" || r.Keys[1].Named != "makes and proves" {
		t.Fatalf("after the new line: stage %s, %+v", r.Stage, r.Keys)
	}
	both := []string{"first", r.New}
	if r = look([][]string{both, {"first"}}, "first"); r.Stage != stepAnnounced || !r.waits {
		t.Fatalf("with one of two ingest processes that knows it: stage %s", r.Stage)
	}
	if r = look([][]string{both, both}, "first"); r.Stage != stepNamed {
		t.Fatalf("known to all: stage %s", r.Stage)
	}
	act(r)
	got, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(got), "# ours\n\n"+r.New+" ") || !strings.HasSuffix(string(got), "\n"+string(first)) {
		t.Fatalf("%s, %v", got, err)
	}
	if r = look([][]string{both}, "first", r.New); r.Stage != stepMoved || len(r.Removable) > 0 {
		t.Fatalf("on top: stage %s, removable %q", r.Stage, r.Removable)
	}
	if r = look([][]string{both}, r.New); r.Stage != stepRemoved || !slices.Equal(r.Removable, []string{"first"}) {
		t.Fatalf("all have moved: stage %s, removable %q", r.Stage, r.Removable)
	}
	if r = look([][]string{both}, r.New, "lost"); len(r.Problems) != 1 {
		t.Errorf("a clientState of an unknown key: %q", r.Problems)
	}
	write(string(newStateLine("one")) + string(newStateLine("two")))
	if _, err := w.cmd.lookAtStates(w.view(nil, nil)); err == nil || !strings.Contains(err.Error(), "--id") {
		t.Errorf("two keys of unknown age: %v", err)
	}
	w.cmd.ID = "two"
	if r = look([][]string{{"one", "two"}}, "one"); r.New != "two" || r.Stage != stepNamed {
		t.Errorf("to %s: stage %s", r.New, r.Stage)
	}
	w.cmd.ID = "three"
	if r = look([][]string{{"one", "two"}}, "one"); r.Stage != stepMade {
		t.Errorf("to a key that is not there: stage %s", r.Stage)
	}
}
