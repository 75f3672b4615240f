package graphsim

import "strings"

// covering returns paths as ResourceKey spells them.
func covering(paths ...string) []string {
	for i, p := range paths {
		paths[i] = strings.ToLower(p)
	}
	return paths
}

// hasApp reports whether the watched app is installed in that chat.
func (t *tenant) hasApp(chat string) bool {
	for _, a := range t.installed {
		if a.scope == "groupChat" && a.where == chat {
			return true
		}
	}
	return false
}

// Tenant is an organisation of the world, with what it has from the start: what
// a test can subscribe to. Some of it the world deletes in time.
type Tenant struct {
	ID         string   `json:"id"`
	Domain     string   `json:"domain"`
	CatalogApp string   `json:"catalog_app"` // whose installations there are
	Users      []string `json:"users"`
	Teams      []string `json:"teams"`
	Channels   []string `json:"channels"` // teams/{id}/channels/{id}
	Chats      []string `json:"chats"`
	JoinURLs   []string `json:"join_urls"` // of the meetings, as people copy them
	Webinars   []string `json:"webinars"`
	TownHalls  []string `json:"town_halls"`
}

// describe returns t as others see it.
func (t *tenant) describe() Tenant {
	out := Tenant{ID: t.id, Domain: t.domain, CatalogApp: t.catalogApp}
	for _, u := range t.users {
		out.Users = append(out.Users, u.id)
	}
	for _, tm := range t.teams {
		out.Teams = append(out.Teams, tm.id)
		for _, c := range tm.channels {
			out.Channels = append(out.Channels, "teams/"+tm.id+"/channels/"+c.thread.id)
		}
	}
	for _, c := range t.chats {
		out.Chats = append(out.Chats, c.thread.id)
	}
	for _, m := range t.meetings {
		out.JoinURLs = append(out.JoinURLs, m.joinURL)
	}
	for _, e := range t.events {
		if e.kind == webinars {
			out.Webinars = append(out.Webinars, e.id)
		} else {
			out.TownHalls = append(out.TownHalls, e.id)
		}
	}
	return out
}
