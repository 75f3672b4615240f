//go:build synctests

package bridgetest_test

import (
	"fmt"
	"net/url"
	"strings"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/graph/graphsim"
)

// everything returns wishes that bring all that happens in the simulated world
// to a topic: some of them as people write them, in the short forms.
func everything(sim *graphsim.Sim) []bridgetest.Wish {
	const all = "created,updated,deleted"
	var wishes []bridgetest.Wish
	for _, t := range sim.Tenants() {
		add := func(resource, changes, ask string) {
			wishes = append(wishes, bridgetest.Wish{TenantID: t.ID, Resource: resource, ChangeType: changes, Ask: ask})
		}
		add("chats/getAllMessages", all, "all chat messages")
		add("teams/getAllMessages", all, "")
		add("communications/onlineMeetings/getAllRecordings", "created", "all recordings")
		add("communications/onlineMeetings/getAllTranscripts", "created", "all transcripts")
		add("communications/adhocCalls/getAllRecordings", "created", "")
		add("communications/adhocCalls/getAllTranscripts", "created", "")
		add("chats", "created,updated", "all chats")
		add("teams/getAllChannels", all, "")
		add("teams", all, "all teams")
		add("chats/getAllMembers", "created,deleted", "")
		add("teams/getAllMembers", all, "")
		add("teams/getAllChannels/getAllMembers", all, "all channel members")
		add("appCatalogs/teamsApps/"+t.CatalogApp+"/installations", all, "")
		add("solutions/virtualEvents/events", "created", "all events")
		for _, u := range t.JoinURLs {
			add("communications/onlineMeetings(joinWebUrl='"+url.QueryEscape(u)+"')/meetingCallEvents", "updated", fmt.Sprintf("{meeting: %q}", u))
		}
		for _, id := range t.Webinars {
			at := "solutions/virtualEvents/webinars/" + id
			add(at+"/registrations", "created,updated", "")
			add(at+"/sessions", "created,updated", "")
			add(at+"/getAttendanceReports", "created", "")
		}
	}
	for i, w := range wishes {
		if !strings.Contains(w.Ask, ":") && w.Ask != "" {
			wishes[i].Ask = strings.Replace(w.Ask, "all ", "all: ", 1)
			wishes[i].Ask = "{" + wishes[i].Ask + "}"
		}
	}
	return wishes
}
