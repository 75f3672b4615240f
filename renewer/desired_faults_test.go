package renewer_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meetbridge/renewer"
)

// Every fault is found before Graph is asked, with its line and what to do.
func TestDesiredFaults(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	item := func(s string) string { return desiredHead + "      - " + s + "\n" }
	tenant := func(old, replaced string) string { return strings.Replace(item("all chats"), old, replaced, 1) }
	many := desiredHead + "      - resource:\n"
	for i := range 10_001 {
		many += fmt.Sprintf("          - chats/19:%d@thread.v2/messages\n", i)
	}
	for _, tc := range []struct {
		name, text string
		line       int
		want       string // in the fault
	}{
		{"Empty", "", 0, "it is empty: write tenants:"},
		{"Null", "~\n", 0, "it is empty"},
		{"Comment", "# nothing\n", 0, "it is empty"},
		{"NUL", "tenants:\n  - \x00\n", 2, "NUL byte"},
		{"Tab", "tenants:\n\t- id: x\n", 2, "YAML allows no tabs"},
		{"Unclosed", "tenants: [\n", 1, "mend the YAML"},
		{"TwoDocuments", "tenants: []\n---\ntenants: []\n", 2, "second YAML document"},
		{"List", "- a\n", 1, "the file is a list"},
		{"Text", "hello\n", 1, `the file is "hello"`},
		{"NoTenants", "development: true\n", 1, `there is no key "tenants"`},
		{"TenantsMapping", "tenants: {id: x}\n", 1, "tenants is a mapping"},
		{"TenantText", "tenants: [x]\n", 1, `a tenant is "x"`},
		{"UnknownTop", "tenant: []\n", 1, `did you mean "tenants"?`},
		{"UnknownTenantKey", tenant("secret_file", "secret_fiel"), 4, `did you mean "secret_file"?`},
		{"UnknownKeyFar", item("{resource: chats, zzzzzz: 1}"), 9, "known are resource, all"},
		{"DuplicateKey", tenant("    secret_file: secret\n", "    secret_file: secret\n    secret_file: secret\n"), 5, "stands in line 4 already"},
		{"Merge", "tenants:\n  - <<: {}\n    id: x\n", 2, "merging is not supported"},
		{"Development", "development: maybe\ntenants: []\n", 1, "write true or false"},
		{"NotGUID", tenant(desiredTenant, "contoso"), 2, "id is \"contoso\": write a GUID"},
		{"NoID", tenant("  - id: "+desiredTenant+"\n    client_id", "  - client_id"), 2, "the tenant has no id"},
		{"NoClientID", tenant("    client_id: 11111111-2222-4333-8444-555555555555\n", ""), 2, "the tenant has no client_id"},
		{"TenantTwice", desiredHead + "      - all chats\n" + strings.TrimPrefix(desiredHead, "tenants:\n"), 10, "stands in line 2 already"},
		{"TenantAliased", "tenants: [&t {id: x, subscriptions: [all chats]}, *t]", 1, "write a GUID"},
		{"NoCredential", tenant("    secret_file: secret\n", ""), 2, "add one of secret_file, certificate_file, token_file"},
		{"TwoCredentials", tenant("    secret_file: secret\n", "    secret_file: secret\n    token_file: secret\n"), 5, "several credentials"},
		{"SecretMissing", tenant("secret_file: secret", "secret_file: nowhere"), 4, "nowhere: no such file"},
		{"SecretDirectory", tenant("secret_file: secret", "secret_file: certificates"), 4, "no regular file"},
		{"SecretMapping", tenant("secret_file: secret", "secret_file: {a: b}"), 4, "secret_file is a mapping"},
		{"Cloud", tenant("    secret_file: secret\n", "    secret_file: secret\n    cloud: usgof\n"), 5, `did you mean "usgov"?`},
		{"RemovalsBelow", tenant("    secret_file: secret\n", "    secret_file: secret\n    max_removals: -1\n"), 5, "write a number of subscriptions"},
		{"RemovalsAll", tenant("    secret_file: secret\n", "    secret_file: secret\n    max_removals: all\n"), 5, "write a number of subscriptions"},
		{"RemovalsHuge", tenant("    secret_file: secret\n", "    secret_file: secret\n    max_removals: 99999999999999999999\n"), 5, "write a number of subscriptions"},
		{"RemovalsText", tenant("    secret_file: secret\n", "    secret_file: secret\n    max_removals: '5'\n"), 5, "write a number of subscriptions"},
		{"RemovalsList", tenant("    secret_file: secret\n", "    secret_file: secret\n    max_removals: [5]\n"), 5, "max_removals is a list"},
		{"PlainHTTP", tenant("https://bridge.example.com/graph/n", "http://bridge.example.com/graph/n"), 5, "Graph speaks nothing else"},
		{"LoopbackHTTP", tenant("https://bridge.example.com/graph/n", "http://127.0.0.1/graph/n"), 5, "development: true"},
		{"NoURL", tenant("    notification_url: https://bridge.example.com/graph/notifications\n", ""), 2, "no notification_url"},
		{"BadURL", tenant("https://bridge.example.com/graph/n", "bridge/n"), 5, "write a whole URL"},
		{"PasswordInURL", tenant("https://bridge.example.com/graph/n", "https://u:p@bridge.example.com/graph/n"), 5, "no plain URL"},
		{"CertificateMissing", tenant("mb-1.pem", "mb-2.pem"), 7, "meetbridge keys new"},
		{"CertificateNone", tenant("mb-1.pem", "none.pem"), 7, "no PEM block CERTIFICATE"},
		{"CertificateSmall", tenant("mb-1.pem", "small.pem"), 7, "the RSA key has 1024 bits"},
		{"CertificateEC", tenant("mb-1.pem", "ec.pem"), 7, "not of an RSA key"},
		{"CertificateID", tenant("mb-1.pem", "bad id.pem"), 7, "no certificate id"},
		{"CertificateIDAlone", tenant("decryption_certificate:", "decryption_certificate_id:"), 7, "but no certificate"},
		{"NoCertificate", tenant("    decryption_certificate: certificates/mb-1.pem\n", ""), 8, "need a certificate: add decryption_certificate"},
		{"SubscriptionsText", "tenants:\n  - id: x\n    subscriptions: all chats\n", 3, "subscriptions is"},
		{"Nothing", item("{lifetime: 1h}"), 9, "does not say what to subscribe to"},
		{"Both", item("{chat: x, team: y}"), 9, "several things"},
		{"Word", item("all: transkripts"), 9, `did you mean "transcripts"?`},
		{"WordFar", item("all: zzzz"), 9, "write one of: transcripts, recordings"},
		{"Path", item("chats/getAllMesages"), 9, `did you mean "chats/getAllMessages"?`},
		{"PathUnknown", item("me/mailFolders/inbox/messages"), 9, "no subscriptions to"},
		{"PathURL", item("https://graph.microsoft.com/v1.0/chats/getAllMessages"), 9, "leave out everything up to"},
		{"Bare", item("transcripts"), 9, "no resource"},
		{"Injected", item("chats/a/messages'); x"), 9, "no subscriptions to"},
		{"ChangeType", item("{resource: chats, change_types: [deleted]}"), 9, "it has created, updated"},
		{"ChangeTypeWord", item("{resource: chats, change_types: [updatd]}"), 9, `did you mean "updated"?`},
		{"ChangeTypesEmpty", item("{resource: chats, change_types: []}"), 9, "change_types is empty"},
		{"ChangeTypesOfMany", item("{webinar: w, change_types: [updated]}"), 9, "several resources at once"},
		{"Rich", item("{webinar: w, rich: true}"), 9, "has no rich notifications"},
		{"LifetimeLong", item("{resource: chats, lifetime: 4d}"), 9, "lives for 3d at most"},
		{"LifetimeShort", item("{resource: chats, lifetime: 44m}"), 9, "write 45m or more"},
		{"LifetimeWord", item("{resource: chats, lifetime: soon}"), 9, "as 3d, 12h or 90m"},
		{"LifetimeNumber", item("{resource: chats, lifetime: 60}"), 9, "as 3d, 12h or 90m"},
		{"Unwatched", strings.Replace(item("{resource: chats, lifetime: 2h}"), "    lifecycle_url: https://bridge.example.com/graph/lifecycle\n", "", 1), 8, "needs a lifecycle URL"},
		{"Duplicate", item("all chats\n      - resource: /chats"), 10, "is asked for in line 9 already"},
		{"Quota", item("{chat: a}\n      - {resource: chats/a/messages, change_types: created}"), 10, "Graph allows an application one"},
		{"QuotaEvents", item("all: events\n      - organizers: [u]"), 10, "Graph allows an application one"},
		{"QuotaOrganization", many, 10010, "more than 10000 subscriptions"},
		{"ChannelsAlone", item("{chat: a, channels: [b]}"), 9, "channels belongs to a team"},
		{"IDSlash", item("webinar: a/b"), 9, "no id"},
		{"IDEmpty", item("webinar: ''"), 9, "an id is missing"},
		{"IDLong", item("webinar: " + strings.Repeat("a", 600)), 9, "too long"},
		{"NoLink", item("meeting: https://example.com/x"), 9, "no join link"},
		{"NoURLLink", item("meeting: 19:meeting_x@thread.v2"), 9, "no join link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, faults := parse(dir, tc.text)
			if w != nil {
				t.Error("it was taken all the same")
			}
			for _, f := range faults {
				if strings.Contains(f.String(), tc.want) {
					if f.Line != tc.line {
						t.Errorf("line %d, want %d: %s", f.Line, tc.line, f)
					}
					return
				}
			}
			t.Errorf("faults are %v", faults)
		})
	}
}

// All faults come at once, each once, in the order of the lines.
func TestDesiredFaultsTogether(t *testing.T) {
	t.Parallel()
	_, faults := parse(desiredDir(t), strings.Replace(desiredHead, "secret_file", "secret_fil", 1)+`
      - all: transkripts
      - chats/getAllMesages
      - {resource: chats, rich: perhaps, lifetime: 4d}
`)
	if len(faults) != 6 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
	for i := 1; i < len(faults); i++ {
		if faults[i].Line < faults[i-1].Line {
			t.Errorf("%v after %v", faults[i], faults[i-1])
		}
	}
}

// An expired certificate serves as well: it is no fault but a warning.
func TestDesiredWarnings(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	for text, want := range map[string]string{
		strings.Replace(desiredHead, "mb-1.pem", "old.pem", 1) + "      - all chats\n":                                             "the certificate expired",
		desiredHead + "      - {meeting: 'https://teams.microsoft.com/l/meetup-join/19%3ameeting_A%40thread.v2/0', rich: false}\n": "say nothing",
	} {
		w, faults := parse(dir, text)
		if w == nil || len(faults) != 1 || !faults[0].Warning || !strings.Contains(faults[0].String(), want) {
			t.Errorf("%v", faults)
		}
	}
}

// Files that are meant to hurt are refused, in bounded time and memory (I11).
func TestDesiredBombs(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	var ids strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&ids, "c%d,", i)
	}
	var teams strings.Builder
	for i := range 1_000 {
		fmt.Fprintf(&teams, "      - {team: t%d, channels: *ids}\n", i)
	}
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, text := range map[string]string{
		"Laughs":     laughs + "tenants: *j\n",
		"Itself":     "tenants: &a [*a, *a]\n",
		"Channels":   strings.Replace(desiredHead, "tenants:\n", "defaults: {cloud: &x global}\ntenants:\n", 1) + "      - {team: t, channels: &ids [" + ids.String() + "]}\n" + teams.String(),
		"Deep":       "tenants: " + strings.Repeat("[", 20_000),
		"DeepBlocks": strings.Repeat("- ", 50_000),
		"Keys":       strings.Repeat("a: 1\n", 30_000),
		"LongLine":   "tenants: [" + strings.Repeat("x", 1<<20) + "]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, faults := parse(dir, text)
			if w != nil || len(faults) == 0 || len(faults) > 101 {
				t.Errorf("%d faults", len(faults))
			}
			for _, f := range faults {
				if len(f.String()) > 2000 {
					t.Errorf("a fault of %d bytes", len(f.String()))
				}
			}
		})
	}
}

func TestLoadDesired(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	path := filepath.Join(dir, "subscriptions.yaml")
	if _, _, err := renewer.LoadDesired(path); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, _, err := renewer.LoadDesired(dir); err == nil {
		t.Error("a directory was read")
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("# 100 MB\n"), 100<<20/9), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := renewer.LoadDesired(path); err == nil || !strings.Contains(err.Error(), "more than 16 MiB") {
		t.Errorf("100 MB: %v", err)
	}
	if err := os.WriteFile(path, []byte(desiredHead+"      - all chats\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, faults, err := renewer.LoadDesired(path); err != nil || len(faults) > 0 || len(w.Subscriptions) != 1 {
		t.Errorf("%v, %v", faults, err)
	}
}

// A file as people write it is read one tenant after the other, and what is
// written in any other way as a whole; the lines are those of the file.
func TestDesiredApart(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	path := filepath.Join(dir, "subscriptions.yaml")
	second := strings.Replace(strings.Replace(desiredHead, "tenants:\n", "", 1), desiredTenant, strings.ReplaceAll(desiredTenant, "7", "8"), 1)
	plain := desiredHead + "      - all: chats\n  # another\n\n" + second + "      - all: teams\n      - all: chatz\n"
	for _, tc := range []struct {
		name, text string
		apart      bool
	}{
		{"Plain", plain, true},
		{"CRLF", strings.ReplaceAll(plain, "\n", "\r\n"), true},
		{"NotIndented", strings.ReplaceAll(plain, "\n  ", "\n"), true},
		{"KeysAfter", plain + "development: true\n", true},
		{"AnchorInHead", strings.ReplaceAll(strings.Replace(plain, "secret_file: secret", "secret_file: &s secret", 1), "all: teams", "resource: *s"), false},
		{"Flow", "tenants: [{id: x}]\n", false},
		{"Quoted", "defaults: {cloud: \"x\ntenants:\n  - id: x\n\"}\ntenants: []\n", false},
		{"ItemsOfUnlikeDepth", "tenants:\n  - id: x\n - id: y\n", false},
		{"Tabs", "tenants:\n  - id: x\n\t- id: y\n", false},
		{"TwoDocuments", plain + "---\ntenants: []\n", false},
		{"TenantsTwice", plain + "tenants: []\n", true},
		{"CRInComment", strings.Replace(plain, "tenants:", "tenants: # mine\r- {id: x}", 1), false},
		{"NELInComment", strings.Replace(plain, "tenants:", "tenants: # mine\u0085- {id: x}", 1), false},
		{"LSInComment", strings.Replace(plain, "# another", "# another\u2028- {id: x}", 1), false},
		{"PSInComment", strings.Replace(plain, "# another", "# another\u2029- {id: x}", 1), false},
		{"NUL", plain + "\x00", false},
		{"AnchorAgain", "defaults: {rich: &a true}\n" + strings.Replace(plain, "    secret_file", "    rich: &a false\n    secret_file", 1) + "development: *a\n", false},
		{"FlowAround", "{\n" + plain + "}\n", false},
		{"Directive", "%TAG ! tag:yaml.org,2002:\n---\n" + plain, false},
		{"EndOfDocument", plain + "...\n", true},
		{"Merge", "tenants:\n- &t\n  id: x\n- <<: *t\n", false},
	} {
		if got := renewer.Apart([]byte(tc.text), path); got != tc.apart {
			t.Errorf("%s: apart %v", tc.name, got)
		}
		now := time.Now()
		w, faults := renewer.ParseDesired([]byte(tc.text), path, now)
		whole, all := renewer.ParseDesiredWhole([]byte(tc.text), path, now)
		if !reflect.DeepEqual(w, whole) || !slices.Equal(faults, all) {
			t.Errorf("%s: one tenant at a time %+v %v, as a whole %+v %v", tc.name, w, faults, whole, all)
		}
		if tc.name == "Plain" && (len(faults) != 1 || faults[0].Line != 1+strings.Count(plain[:strings.Index(plain, "all: chatz")], "\n")) {
			t.Errorf("faults %v", faults)
		}
	}
}

// A last item that stands for several leads beyond the most that there may be, and
// is a fault like others (I11).
func TestDesiredMost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("200,000 subscriptions")
	}
	var b strings.Builder
	b.WriteString("defaults: {client_id: 11111111-2222-4333-8444-555555555555, secret_file: secret, rich: false, notification_url: 'https://b.example.com/graph/notifications'}\ntenants:\n")
	tenant := func(i int) { fmt.Fprintf(&b, "  - id: %08x-bbbb-4ccc-8ddd-eeeeeeeeeeee\n    subscriptions:\n", i) }
	for i := range 20 {
		tenant(i)
		for n := range 10_000 - i/19 {
			fmt.Fprintf(&b, "      - chats/19:a%d@thread.v2/messages\n", n)
		}
	}
	tenant(20)
	b.WriteString("      - {team: 57fb72d0-d811-46f4-8947-305e6072eaa5, channels: ['19:c@thread.tacv2']}\n")
	if w, faults := parse(desiredDir(t), b.String()); w == nil || len(w.Subscriptions) < 200_000 {
		t.Errorf("faults %v", faults)
	}
}
