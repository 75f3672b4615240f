package graph

import (
	"fmt"
	"strings"
)

// Cloud is one deployment of Microsoft's cloud, with the base URLs of its
// Microsoft Graph and of its Entra authority.
type Cloud struct {
	Name      string // as in subscriptions.yaml
	Graph     string // Config.BaseURL
	Authority string // CredentialConfig.AuthorityHost
}

// globalCloud is the name of the cloud that almost all tenants are in.
const globalCloud = "global"

// Clouds returns every deployment that has Teams notifications (FACTS §2.1).
func Clouds() []Cloud {
	return []Cloud{
		{globalCloud, "https://graph.microsoft.com", "https://login.microsoftonline.com"},
		{"usgov", "https://graph.microsoft.us", "https://login.microsoftonline.us"},
		{"usgov-dod", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us"},
		{"china", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"},
	}
}

// CloudByName returns the cloud of that name; "" is the global one. The error
// lists the names.
func CloudByName(name string) (Cloud, error) {
	if name == "" {
		name = globalCloud
	}
	var names []string
	for _, c := range Clouds() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Cloud{}, fmt.Errorf("cloud %.40q is none of %s", name, strings.Join(names, ", "))
}
