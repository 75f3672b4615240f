package renewer

import (
	"fmt"
	"strings"
	"time"

	"meetbridge/bridge/graph"
)

// ResourceInfo describes a resource that can be subscribed to.
type ResourceInfo struct {
	Path        string        // ids as {name}
	ChangeTypes string        // all that it has, separated by commas
	Longest     time.Duration // lifetime
	Rich        bool          // rich notifications are to be had
	Version     graph.Version
}

// Resources returns all resources that can be subscribed to, in the order of
// documentation.
func Resources() []ResourceInfo {
	var all []ResourceInfo
	for _, r := range resources() {
		all = append(all, ResourceInfo{r.path, r.changes, r.longest, r.rich, graph.VersionOf(r.path)})
	}
	return all
}

// setting describes a key of the file.
type setting struct{ key, where, means string }

func settings() []setting {
	const tenant, item = "tenant, defaults", "subscription"
	return []setting{
		{keyTenants, "file", "the list of tenants; [] desires nothing"},
		{keyDefaults, "file", "what holds for all tenants that do not say otherwise: every key of a tenant but `id` and `subscriptions`"},
		{keyDevelopment, "file", "`true` for a simulated Graph: notification URLs of plain http, and lifetimes below Graph's minimum of 45 minutes"},
		{keyID, "tenant", "id of the Entra tenant, a GUID"},
		{keySubscriptions, "tenant", "the list of subscriptions: paths, short forms, or mappings of them with options"},
		{keyCloud, tenant, "`global` (default), `usgov`, `usgov-dod` or `china`"},
		{keyGraphURL, tenant, "base URL of Graph, instead of the cloud's"},
		{keyAuthorityURL, tenant, "base URL of the sign-in service, instead of the cloud's"},
		{keyClientID, tenant, "id of the application that subscribes, a GUID"},
		{keySecretFile, tenant, "file with its client secret; it, the next or the one after must be given"},
		{keyCertificateFile, tenant, "PEM file with a certificate that the application has, and its private key"},
		{keyToken, tenant, "file with a token of the platform, for workload identity"},
		{keyNotificationURL, tenant, "https URL at which Graph reaches ingest for notifications"},
		{keyLifecycleURL, tenant, "https URL for lifecycle notices, may be the same; without one no subscription lives longer than 1 h"},
		{keyDecryptionCertificate, tenant, "PEM file with the certificate of the decryption key, for rich notifications"},
		{keyDecryptionCertID, tenant, "its id, as ingest's file of the key is named (default: the name of the file without .pem)"},
		{keyRich, tenant + ", " + item, "`false` for basic notifications (default: rich where they are to be had)"},
		{keyLifetime, tenant + ", " + item, fmt.Sprintf("how long a subscription lives unless renewed, as `3d`, `12h` or `90m` (default: the longest that Graph allows, less %s)", days(margin))},
		{
			keyMaxRemovals, tenant, "how many subscriptions may be deleted because this file asks for them no longer, where it drops more of the tenant than it asks for; " +
				"others are kept alive until it says so (default: 20)",
		},
		{keyChangeTypes, item, "list of `created`, `updated`, `deleted` (default: all that the resource has)"},
		{keyQueryOptions, item, "notificationQueryOptions, passed on as they are"},
		{keyChannels, item, "beside `team`: ids of the channels whose messages are desired"},
		{keyResource, item, "path of a resource as Graph documents it, or a list of them"},
		{keyAll, item, "one of the words below, or a list of them"},
	}
}

// Reference returns the tables of keys, short forms and resources of the file of
// desired subscriptions, in Markdown: what the program does and the
// documentation says is the same.
func Reference() string {
	var b strings.Builder
	b.WriteString("| key | in | means |\n|---|---|---|\n")
	for _, s := range settings() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.key, s.where, s.means)
	}
	b.WriteString("\n| short form | subscribes to |\n|---|---|\n")
	for _, e := range everythings() {
		fmt.Fprintf(&b, "| `%s: %s` | %s: %s |\n", keyAll, e.word, e.means, code(e.paths))
	}
	for _, f := range forms() {
		fmt.Fprintf(&b, "| `%s:` %s | %s |\n", f.key, f.value, f.means)
	}
	b.WriteString("\n| resource | change types | longest lifetime | rich | API |\n|---|---|---|---|---|\n")
	for _, r := range Resources() {
		rich := "yes"
		if !r.Rich {
			rich = "no"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.Path, strings.ReplaceAll(r.ChangeTypes, ",", ", "), days(r.Longest), rich, r.Version)
	}
	return b.String()
}

func code(paths []string) string { return "`" + strings.Join(paths, "`, `") + "`" }
