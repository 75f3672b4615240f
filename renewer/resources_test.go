package renewer_test

import (
	"strings"
	"testing"

	"meetbridge/bridge"
	"meetbridge/renewer"
)

// other reports whether a resource has no record type of its own.
func other(path string) bool {
	return strings.Contains(path, "sharedWithTeams") || strings.Contains(path, "getVideoOnDemandPublication") || strings.HasPrefix(path, "solutions/virtualEvents/events")
}

// Every resource of the reference is one that the path parser knows, and that
// can be asked for as it is printed there.
func TestResourcesAreParsed(t *testing.T) {
	t.Parallel()
	dir := desiredDir(t)
	all := renewer.Resources()
	if len(all) < 45 {
		t.Errorf("%d resources", len(all))
	}
	for _, r := range all {
		path := strings.NewReplacer("{url}", "https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19%253ameeting_A%2540thread.v2%2F0", "{users}", "'u1'",
			"{chat}", "19:a@thread.v2", "{channel}", "19:c@thread.tacv2").Replace(r.Path)
		for _, id := range []string{"meeting", "user", "app", "call", "team", "webinar", "townhall"} {
			path = strings.ReplaceAll(path, "{"+id+"}", "id-"+id)
		}
		if got := bridge.ParseResource(path); got.Kind == bridge.Other && !other(path) {
			t.Errorf("%s: kind Other", path)
		}
		w, faults := parse(dir, desiredHead+"      - resource: \""+path+"\"\n")
		if w == nil || len(w.Subscriptions) != 1 || w.Subscriptions[0].Resource != path || w.Subscriptions[0].ChangeType != r.ChangeTypes || w.Subscriptions[0].Rich != r.Rich {
			t.Errorf("%s: %v", path, faults)
			continue
		}
		// As items name it: keys in quotes, another letter case, slashes around it.
		quoted := "/" + strings.NewReplacer("/id-team/", "('id-team')/", "/19:a@thread.v2/", "('19:a@thread.v2')/", "solutions/", "Solutions/").Replace(path) + "/"
		if v, faults := parse(dir, desiredHead+"      - resource: \""+quoted+"\"\n"); v == nil || v.Subscriptions[0].Key != w.Subscriptions[0].Key {
			t.Errorf("%s: %v", quoted, faults)
		}
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	text := renewer.Reference()
	for _, want := range []string{"| `all: transcripts` |", "| `webinar:` webinar id |", "| `chats/getAllMessages` | created, deleted, updated | 3d | yes | v1.0 |", "| `notification_url` |", "meetingCallEvents` | updated | 2d22h30m | yes | beta |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in it:\n%s", want, text)
		}
	}
}
