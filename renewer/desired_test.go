package renewer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

const (
	desiredTenant = "7a4c9d0e-0000-4000-8000-000000000001"
	desiredHead   = `tenants:
  - id: ` + desiredTenant + `
    client_id: 11111111-2222-4333-8444-555555555555
    secret_file: secret
    notification_url: https://bridge.example.com/graph/notifications
    lifecycle_url: https://bridge.example.com/graph/lifecycle
    decryption_certificate: certificates/mb-1.pem
    subscriptions:
`
)

// desiredFiles returns what a file of desired subscriptions may name, by name.
var desiredFiles = sync.OnceValue(func() map[string][]byte {
	rsaKey := func(bits int) *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return k
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	good, small := rsaKey(2048), rsaKey(1024)
	cert := func(public, private any, until time.Time) []byte {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-time.Hour), NotAfter: until}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			panic(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	soon := time.Now().Add(time.Hour)
	return map[string][]byte{
		"secret":                  []byte("s3cret"),
		"certificates/mb-1.pem":   cert(&good.PublicKey, good, soon),
		"certificates/old.pem":    cert(&good.PublicKey, good, time.Now().Add(-time.Hour)),
		"certificates/small.pem":  cert(&small.PublicKey, small, soon),
		"certificates/ec.pem":     cert(&ec.PublicKey, ec, soon),
		"certificates/none.pem":   []byte("nothing"),
		"certificates/bad id.pem": cert(&good.PublicKey, good, soon),
	}
})

// desiredDir is a directory with desiredFiles.
func desiredDir(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "certificates"), 0o700); err != nil {
		tb.Fatal(err)
	}
	for name, content := range desiredFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func parse(dir, text string) (*renewer.Wanted, []renewer.Fault) {
	return renewer.ParseDesired([]byte(text), filepath.Join(dir, "subscriptions.yaml"), time.Now())
}

func wanted(t *testing.T, dir, text string) *renewer.Wanted {
	t.Helper()
	w, faults := parse(dir, text)
	if w == nil {
		t.Fatalf("faults: %v", faults)
	}
	return w
}

func TestDesiredDefaults(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	for _, tc := range []struct {
		item, resource, changes string
		rich                    bool
		lifetime                time.Duration
		version                 graph.Version
	}{
		{"all: transcripts", "communications/onlineMeetings/getAllTranscripts", "created", true, 4315 * time.Minute, graph.V1},
		{"all ad-hoc Recordings", "communications/adhocCalls/getAllRecordings", "created", true, 4315 * time.Minute, graph.Beta},
		{"/Chats/GetAllMessages/", "chats/getAllMessages", "created,deleted,updated", true, 4315 * time.Minute, graph.V1},
		{"resource: chats('19:a@thread.v2')/messages", "chats/19:a@thread.v2/messages", "created,deleted,updated", true, 4315 * time.Minute, graph.V1},
		{"{resource: chats, change_types: [Updated], rich: false, lifetime: 1d12h}", "chats", "updated", false, 36 * time.Hour, graph.V1},
		{"{resource: teams/getAllMessages, change_types: 'updated, created', lifetime: 3d}", "teams/getAllMessages", "created,updated", true, 4315 * time.Minute, graph.V1},
		{"{resource: chats/getAllMembers, lifetime: 45m}", "chats/getAllMembers", "created,deleted", true, 45 * time.Minute, graph.V1},
		{"all: events", "solutions/virtualEvents/events", "created", false, 24*time.Hour - 5*time.Minute, graph.V1},
		{"teams?$filter=a/b eq 'c'", "teams?$filter=a/b eq 'c'", "created,deleted,updated", true, 4315 * time.Minute, graph.V1},
		{"chats?a=b", "chats?a=b", "created,updated", true, 4315 * time.Minute, graph.V1},
		{"organizers: [u1, u2]", "solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=['u1','u2'])", "created", false, 24*time.Hour - 5*time.Minute, graph.V1},
	} {
		w := wanted(t, dir, desiredHead+"      - "+tc.item+"\n")
		if len(w.Subscriptions) != 1 {
			t.Errorf("%s: %d subscriptions", tc.item, len(w.Subscriptions))
			continue
		}
		d := w.Subscriptions[0]
		if d.Resource != tc.resource || d.ChangeType != tc.changes || d.Rich != tc.rich || d.Lifetime != tc.lifetime || d.Version != tc.version {
			t.Errorf("%s: %s %s rich=%v %s %s", tc.item, d.Resource, d.ChangeType, d.Rich, d.Lifetime, d.Version)
		}
		if d.TenantID != desiredTenant || d.ApplicationID != "11111111-2222-4333-8444-555555555555" || d.Line != 9 || !strings.HasSuffix(w.File, "subscriptions.yaml") {
			t.Errorf("%s: %+v", tc.item, d)
		}
		if has := d.Certificate.ID == "mb-1" && len(d.Certificate.Thumbprint) == 40 && d.Certificate.DER != ""; has != d.Rich {
			t.Errorf("%s: certificate %+v", tc.item, d.Certificate)
		}
	}
}

// How many removals a person allows stands under a tenant, or for all of them.
func TestDesiredRemovals(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	for _, tc := range []struct {
		text string
		want int
	}{
		{desiredHead, 0},
		{strings.Replace(desiredHead, "    subscriptions:", "    max_removals: 500\n    subscriptions:", 1), 500},
		{"defaults:\n  max_removals: 40\n" + desiredHead, 40},
	} {
		if got := wanted(t, dir, tc.text).Tenants[0].Removals; got != tc.want {
			t.Errorf("%d removals are allowed, want %d", got, tc.want)
		}
	}
}

// Short forms stand for all that people mean.
func TestDesiredForms(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	for _, tc := range []struct {
		item string
		want []string
	}{
		{"all: transcripts and recordings", []string{"communications/onlineMeetings/getAllTranscripts", "communications/onlineMeetings/getAllRecordings"}},
		{"all: [teams, channels]", []string{"teams", "teams/getAllChannels"}},
		{"all: messages", []string{"chats/getAllMessages", "teams/getAllMessages"}},
		{"webinar: w-1@t", []string{
			"solutions/virtualEvents/webinars/w-1@t", "solutions/virtualEvents/webinars/w-1@t/sessions",
			"solutions/virtualEvents/webinars/w-1@t/getAttendanceReports", "solutions/virtualEvents/webinars/w-1@t/registrations",
		}},
		{"town_hall: h", []string{"solutions/virtualEvents/townhalls/h", "solutions/virtualEvents/townhalls/h/sessions", "solutions/virtualEvents/townhalls/h/getAttendanceReports"}},
		{"{team: g, channels: ['19:c@thread.tacv2']}", []string{
			"teams/g", "teams/g/channels", "teams/g/members", "teams/g/channels/getAllMembers", "teams/g/channels/19:c@thread.tacv2/messages",
		}},
		{"chat: '19:x@thread.v2'", []string{"chats/19:x@thread.v2", "chats/19:x@thread.v2/messages", "chats/19:x@thread.v2/members"}},
		{"user: u", []string{"users/u/onlineMeetings/getAllRecordings", "users/u/onlineMeetings/getAllTranscripts", "users/u/chats/getAllMessages"}},
		{"app: a", []string{"appCatalogs/teamsApps/a/installations", "appCatalogs/teamsApps/a/installedToChats", "appCatalogs/teamsApps/a/installedToChats/getAllMessages"}},
	} {
		var got []string
		for _, d := range wanted(t, dir, desiredHead+"      - "+tc.item+"\n").Subscriptions {
			got = append(got, d.Resource)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q", tc.item, got)
		}
	}
}

// A join link in every form in which people have it gives one resource, which the
// path parser reads as that meeting.
func TestDesiredMeeting(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	const link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_AbC%40thread.v2/0?context=%7b%22Tid%22%3a%227a4c%22%2c%22Oid%22%3a%22b1%22%7d"
	const path = "communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_AbC%2540thread.v2%2F0" +
		"%3Fcontext%3D%257b%2522Tid%2522%253a%25227a4c%2522%252c%2522Oid%2522%253a%2522b1%2522%257d')/meetingCallEvents"
	for _, form := range []string{
		link, "<" + link + ">", "  " + link + " ",
		`https://teams.microsoft.com/l/meetup-join/19:meeting_AbC@thread.v2/0?context={"Tid":"7a4c","Oid":"b1"}`,
		"https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_AbC%2540thread.v2%2F0%3Fcontext%3D%257b%2522Tid%2522%253a%25227a4c%2522%252c%2522Oid%2522%253a%2522b1%2522%257d",
	} {
		d := wanted(t, dir, desiredHead+"      - meeting: '"+form+"'\n").Subscriptions[0]
		if d.Resource != path {
			t.Errorf("%s:\n%s\n%s", form, d.Resource, path)
		}
		r := bridge.ParseResource(d.Resource)
		if r.Kind != bridge.MeetingCallEvent || r.JoinWebURL != link || r.Key() != "19:meeting_AbC@thread.v2" {
			t.Errorf("%s: %+v", form, r)
		}
		if d.Version != graph.Beta || !d.Rich || d.ChangeType != "updated" || d.Lifetime != 4225*time.Minute {
			t.Errorf("%+v", d)
		}
	}
	d := wanted(t, dir, desiredHead+"      - meeting: https://teams.microsoft.com/meet/12345?p=abc\n").Subscriptions[0]
	if r := bridge.ParseResource(d.Resource); r.Key() != "meet:12345" {
		t.Errorf("%s: %+v", d.Resource, r)
	}
}

// What is common to many tenants stands once.
func TestDesiredTenants(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	w := wanted(t, dir, `
development: true
defaults:
  cloud: usgov
  client_id: 11111111-2222-4333-8444-555555555555
  secret_file: secret
  notification_url: http://127.0.0.1:8080/graph/notifications
  lifecycle_url: http://localhost:8080/graph/lifecycle
  decryption_certificate: certificates/mb-1.pem
  lifetime: 90s
tenants:
  - id: 7A4C9D0E-0000-4000-8000-000000000001
    subscriptions: [all chats]
  - id: 7a4c9d0e-0000-4000-8000-000000000002
    graph_url: http://127.0.0.1:9999/
    certificate_file: certificates/mb-1.pem
    rich: false
    decryption_certificate: certificates/mb-1.pem
    decryption_certificate_id: other
    subscriptions: [all chats, all: events]
  - id: 7a4c9d0e-0000-4000-8000-000000000003
`)
	if !w.Development || len(w.Tenants) != 3 || len(w.Subscriptions) != 3 {
		t.Fatalf("%+v", w)
	}
	a, b := w.Tenants[0], w.Tenants[1]
	if a.ID != desiredTenant || a.GraphURL != "https://graph.microsoft.us" || a.Credential.AuthorityHost != "https://login.microsoftonline.us" ||
		a.Credential.SecretFile != filepath.Join(dir, "secret") || a.Credential.TenantID != desiredTenant || a.Certificate.ID != "mb-1" {
		t.Errorf("%+v", a)
	}
	if b.GraphURL != "http://127.0.0.1:9999" || b.Credential.SecretFile != "" || b.Credential.CertificateFile == "" || b.Certificate.ID != "other" {
		t.Errorf("%+v", b)
	}
	for i, d := range w.Subscriptions {
		if d.Lifetime != 90*time.Second || d.Rich != (i == 0) {
			t.Errorf("%+v", d)
		}
	}
}

// What changed from one reading to the next is told by subscription and tenant;
// moving it about in the file is no change.
func TestDesiredCompare(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	old := wanted(t, dir, desiredHead+"      - all chats\n      - all teams\n      - all: events\n")
	same := wanted(t, dir, "# moved\n"+desiredHead+"      - all: events\n      - all teams\n      - all chats\n")
	if c := same.Compare(old); len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Tenants) > 0 {
		t.Errorf("moved: %+v", c)
	}
	next := wanted(t, dir, strings.Replace(desiredHead, "/lifecycle\n", "/lc\n", 1)+"      - all: [teams, channels]\n")
	c := next.Compare(old)
	if len(c.Added) != 1 || len(c.Removed) != 2 || len(c.Changed) != 1 || len(c.Tenants) != 1 || c.Added[0].Resource != "teams/getAllChannels" || c.Removed[0].Resource != "chats" {
		t.Errorf("%+v", c)
	}
	if c := old.Compare(nil); len(c.Added) != 3 || len(c.Tenants) != 1 {
		t.Errorf("%+v", c)
	}
}
