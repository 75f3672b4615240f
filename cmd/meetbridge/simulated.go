package main

import (
	"bytes"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"meetbridge/bridge/graph/graphsim"
)

// simulated is what a file of desired subscriptions says of a simulated Graph.
type simulated struct {
	GraphURL                      string // the sign-in service's too
	NotificationURL, LifecycleURL string
	ClientID, SecretFile          string
	Certificate                   string        // file; "": all basic
	Lifetime                      time.Duration // 0: the longest
	Tenants                       []graphsim.Tenant
}

// all are the short forms of what concerns a whole tenant.
func (simulated) all() []string {
	return []string{
		"transcripts", "recordings", "ad hoc transcripts", "ad hoc recordings", "messages", "chats", "channels", "teams", "members", "events",
	}
}

// yaml returns the file.
func (s simulated) yaml() ([]byte, error) {
	type tenant struct {
		ID            string           `yaml:"id"`
		Subscriptions []map[string]any `yaml:"subscriptions"`
	}
	defaults := map[string]any{
		"graph_url": s.GraphURL, "authority_url": s.GraphURL, "client_id": s.ClientID, "secret_file": s.SecretFile,
		"notification_url": s.NotificationURL, "lifecycle_url": s.LifecycleURL,
	}
	if s.Certificate == "" {
		defaults["rich"] = false
	} else {
		defaults["decryption_certificate"] = s.Certificate
	}
	if s.Lifetime > 0 {
		defaults["lifetime"] = s.Lifetime.String()
	}
	file := struct {
		Development bool           `yaml:"development"`
		Defaults    map[string]any `yaml:"defaults"`
		Tenants     []tenant       `yaml:"tenants"`
	}{Development: true, Defaults: defaults}
	for _, t := range s.Tenants {
		subs := []map[string]any{{"all": s.all()}}
		each := func(form string, values []string) {
			for _, v := range values {
				subs = append(subs, map[string]any{form: v})
			}
		}
		each("meeting", t.JoinURLs)
		each("webinar", t.Webinars)
		each("town_hall", t.TownHalls)
		each("resource", []string{"appCatalogs/teamsApps/" + t.CatalogApp + "/installations"})
		file.Tenants = append(file.Tenants, tenant{t.ID, subs})
	}
	var b bytes.Buffer
	b.WriteString("# All that there is in a simulated Microsoft Graph.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		return nil, fmt.Errorf("write desired subscriptions: %w", err)
	}
	return b.Bytes(), nil
}
