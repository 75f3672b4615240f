package renewer

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
)

// The keys of the file. Those of a tenant may stand under defaults, too, but for
// id and subscriptions, for all tenants that do not say otherwise.
const (
	keyDefaults, keyTenants, keyDevelopment = "defaults", "tenants", "development"

	keyID, keySubscriptions                       = "id", "subscriptions"
	keyCloud, keyGraphURL, keyAuthorityURL        = "cloud", "graph_url", "authority_url"
	keyClientID                                   = "client_id"
	keySecretFile, keyCertificateFile, keyToken   = "secret_file", "certificate_file", "token_file"
	keyNotificationURL, keyLifecycleURL           = "notification_url", "lifecycle_url"
	keyDecryptionCertificate, keyDecryptionCertID = "decryption_certificate", "decryption_certificate_id"
	keyRich, keyLifetime                          = "rich", "lifetime"
	keyMaxRemovals                                = "max_removals"
)

func credentialKeys() []string { return []string{keySecretFile, keyCertificateFile, keyToken} }

// tenantKeys returns the keys of a tenant that may stand under defaults.
func tenantKeys() []string {
	return []string{
		keyCloud, keyGraphURL, keyAuthorityURL, keyClientID, keySecretFile, keyCertificateFile, keyToken,
		keyNotificationURL, keyLifecycleURL, keyDecryptionCertificate, keyDecryptionCertID, keyRich, keyLifetime, keyMaxRemovals,
	}
}

// top reads the mapping that the file is, and returns the list of its tenants,
// nil if there is none, and what holds for all of them.
func (l *loader) top(n *yaml.Node) (tenants *yaml.Node, defaults map[string]*yaml.Node) {
	m := l.mapping(n, "the file", []string{keyTenants, keyDefaults, keyDevelopment})
	if m == nil {
		return nil, nil
	}
	if d := m[keyDevelopment]; d != nil {
		l.wanted.Development = l.boolean(d, keyDevelopment)
	}
	if d := m[keyDefaults]; d != nil {
		defaults = l.mapping(d, keyDefaults, tenantKeys())
	}
	switch tenants = m[keyTenants]; {
	case tenants == nil:
		l.fault(n, "write tenants: with a list of tenants, or tenants: [] to desire nothing", "there is no key %q", keyTenants)
	case tenants.Kind != yaml.SequenceNode:
		l.fault(tenants, "write a list, each item beginning with - id:", "%s is %s", keyTenants, kindOfNode(tenants))
		tenants = nil
	}
	return tenants, defaults
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// tenant reads one tenant and its subscriptions.
func (l *loader) tenant(n *yaml.Node, defaults map[string]*yaml.Node) {
	m := l.mapping(n, "a tenant", append([]string{keyID, keySubscriptions}, tenantKeys()...))
	if m == nil {
		return
	}
	if slices.ContainsFunc(credentialKeys(), func(k string) bool { return m[k] != nil }) {
		defaults = without(defaults, credentialKeys())
	}
	if m[keyDecryptionCertificate] != nil {
		defaults = without(defaults, []string{keyDecryptionCertID})
	}
	for key, value := range defaults {
		if m[key] == nil {
			m[key] = value
		}
	}
	t := Tenant{Where: fmt.Sprintf("%s:%d", l.file, n.Line)}
	t.ID = l.guid(n, m, keyID)
	if line := l.tenants[t.ID]; t.ID != "" && line > 0 {
		l.fault(m[keyID], "put all subscriptions of a tenant under one", "tenant %s stands in line %d already", t.ID, line)
		return
	} else if t.ID != "" {
		l.tenants[t.ID] = m[keyID].Line
	}
	l.cloud(m, &t)
	l.credential(n, m, &t)
	t.NotificationURL = l.url(n, m, keyNotificationURL, true)
	t.LifecycleURL = l.url(n, m, keyLifecycleURL, false)
	t.Certificate = l.certificate(m)
	if r := m[keyMaxRemovals]; r != nil {
		t.Removals = l.count(r, keyMaxRemovals)
	}
	l.wanted.Tenants = append(l.wanted.Tenants, t)
	l.subscriptions(m, &t)
}

func without(m map[string]*yaml.Node, keys []string) map[string]*yaml.Node {
	rest := make(map[string]*yaml.Node, len(m))
	for k, v := range m {
		if !slices.Contains(keys, k) {
			rest[k] = v
		}
	}
	return rest
}

// guid returns the GUID that must stand under key, in lower case.
func (l *loader) guid(n *yaml.Node, m map[string]*yaml.Node, key string) string {
	const like = "a GUID such as 7a4c9d0e-0000-4000-8000-000000000000"
	if m[key] == nil {
		l.fault(n, "add "+key+": with "+like, "the tenant has no %s", key)
		return ""
	}
	text, ok := l.text(m[key], key)
	if text = strings.ToLower(text); ok && !guid.MatchString(text) {
		l.fault(m[key], "write "+like, "%s is %.60q", key, text)
		return ""
	}
	return text
}

// cloud finds the base URLs of Graph and of its authority.
func (l *loader) cloud(m map[string]*yaml.Node, t *Tenant) {
	name := ""
	if n := m[keyCloud]; n != nil {
		name, _ = l.text(n, keyCloud)
	}
	c, err := graph.CloudByName(name)
	if err != nil {
		var names []string
		for _, c := range graph.Clouds() {
			names = append(names, c.Name)
		}
		fix := "write one of " + list(names)
		if near := bridge.Nearest(short(name), names); near != "" {
			fix = fmt.Sprintf("did you mean %q?", near)
		}
		l.fault(m[keyCloud], fix, "no cloud is called %.40q", name)
	}
	t.GraphURL, t.Credential.AuthorityHost = c.Graph, c.Authority
	if u := l.url(nil, m, keyGraphURL, false); u != "" {
		t.GraphURL = strings.TrimSuffix(u, "/")
	}
	if u := l.url(nil, m, keyAuthorityURL, false); u != "" {
		t.Credential.AuthorityHost = strings.TrimSuffix(u, "/")
	}
}

// credential reads which application subscribes, and how it proves itself.
func (l *loader) credential(n *yaml.Node, m map[string]*yaml.Node, t *Tenant) {
	t.Credential.TenantID = t.ID
	t.Credential.ClientID = l.guid(n, m, keyClientID)
	var given []string
	for _, c := range [...]struct {
		key  string
		file *string
	}{
		{keySecretFile, &t.Credential.SecretFile},
		{keyCertificateFile, &t.Credential.CertificateFile},
		{keyToken, &t.Credential.TokenFile},
	} {
		node := m[c.key]
		if node == nil {
			continue
		}
		given = append(given, c.key)
		if text, ok := l.text(node, c.key); ok {
			*c.file = l.existing(node, c.key, text)
		}
	}
	switch {
	case len(given) == 0:
		l.fault(n, "add one of "+list(credentialKeys()), "the tenant has no credential")
	case len(given) > 1:
		l.fault(m[given[1]], "keep one of them", "the tenant has several credentials: %s", list(given))
	}
}

// existing returns the place of a file that must be there.
func (l *loader) existing(n *yaml.Node, key, named string) string {
	path := relative(l.file, named)
	if info, err := os.Stat(path); err != nil {
		l.fault(n, "put the file there, or write where it is", "%s: %v", key, err)
	} else if !info.Mode().IsRegular() {
		l.fault(n, "name a file", "%s: %s is no regular file", key, path)
	}
	return path
}

// url returns the URL under key. Only a simulated Graph, on this machine, may be
// spoken with in the clear.
func (l *loader) url(n *yaml.Node, m map[string]*yaml.Node, key string, needed bool) string {
	node := m[key]
	if node == nil {
		if needed {
			l.fault(n, "add "+key+": with the https URL at which Graph reaches ingest", "the tenant has no %s", key)
		}
		return ""
	}
	text, ok := l.text(node, key)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || len(text) > 2048:
		l.fault(node, "write a whole URL, as https://bridge.example.com/graph/notifications", "%s is %.80q", key, text)
	case u.User != nil || u.Fragment != "":
		l.fault(node, "leave user, password and fragment out", "%s is no plain URL", key)
	case u.Scheme == "https":
		return text
	case u.Scheme == "http" && l.wanted.Development && (isLoopback(u.Hostname()) || key == keyNotificationURL || key == keyLifecycleURL):
		return text
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		l.fault(node, "write https, or for a simulated Graph development: true at the top", "%s is http", key)
	default:
		l.fault(node, "write https: Graph speaks nothing else", "%s is %.20s", key, u.Scheme)
	}
	return ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
