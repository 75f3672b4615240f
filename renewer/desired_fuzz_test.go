package renewer_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"meetbridge/bridge"
	"meetbridge/renewer"
)

// Whatever the file holds, reading it ends without panic, with faults that can be
// shown, or with wishes that Graph may take (I11).
func FuzzDesired(f *testing.F) {
	dir := desiredDir(f)
	for _, item := range []string{
		"all: transcripts", "all chats", "/chats('19:a@thread.v2')/messages", "{webinar: w, rich: true}", "{team: g, channels: ['19:c@thread.tacv2']}",
		"meeting: https://teams.microsoft.com/l/meetup-join/19%3ameeting_A%40thread.v2/0?context=%7b%7d", "{resource: chats, change_types: [created], lifetime: 1d12h}",
		"organizers: [a, b]", "{resource: teams?$filter=a, query_options: x}", "&a [*a]", "!!binary aaaa", "{<<: {a: b}}", "? x\n        : y",
	} {
		f.Add([]byte(desiredHead + "      - " + item + "\n"))
	}
	for _, text := range []string{"", "~", "tenants: []", "tenants:\n\t- x", "a: &a [*a]", "--- a\n--- b", "tenants: [&t {id: x, subscriptions: [all chats]}, *t]", "\x00", "defaults: {lifetime: 90s}\ntenants: [{id: x}]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			t.Skip()
		}
		path, now := filepath.Join(dir, "subscriptions.yaml"), time.Now()
		w, faults := renewer.ParseDesired(text, path, now)
		if whole, all := renewer.ParseDesiredWhole(text, path, now); !reflect.DeepEqual(w, whole) || !slices.Equal(faults, all) {
			t.Fatalf("one tenant at a time %+v %v, as a whole %+v %v", w, faults, whole, all)
		}
		bad := false
		for _, f := range faults {
			bad = bad || !f.Warning
			if f.Problem == "" || len(f.String()) > 4096 {
				t.Errorf("fault %q", f)
			}
		}
		if bad != (w == nil) {
			t.Fatalf("faults %v and wishes %v", faults, w)
		}
		if w == nil {
			return
		}
		seen := map[renewer.Key]bool{}
		for _, d := range w.Subscriptions {
			back, ok := renewer.ParseKey(d.String())
			if !ok || back != d.Key || seen[d.Key] {
				t.Errorf("key %q", d.String())
			}
			seen[d.Key] = true
			if d.Lifetime <= 0 || d.Lifetime > 4315*time.Minute || d.NotificationURL == "" || d.Rich != (d.Certificate.ID != "") || d.ChangeType == "" {
				t.Errorf("%+v", d)
			}
			if r := bridge.ParseResource(d.Resource); r.Kind == bridge.Other && !other(d.Resource) {
				t.Errorf("%q has no kind", d.Resource)
			}
		}
	})
}
