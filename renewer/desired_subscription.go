package renewer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
)

// The keys of a subscription, beside those of the short forms.
const (
	keyResource, keyAll                 = "resource", "all"
	keyChangeTypes, keyQueryOptions     = "change_types", "query_options"
	keyChannels, keyTeam, keyOrganizers = "channels", "team", "organizers"
)

// Bounds of lifetimes.
const (
	// margin is what is left of Graph's maximum, lest our clock be ahead.
	margin = 5 * time.Minute
	// minLifetime is what Graph raises anything shorter to (FACTS §4.1).
	minLifetime = 45 * time.Minute
	// unwatched is the longest lifetime without a lifecycle URL (FACTS §3).
	unwatched = time.Hour
)

// whatKeys returns the keys of which a subscription has exactly one.
func whatKeys() []string {
	keys := []string{keyResource, keyAll}
	for _, f := range forms() {
		keys = append(keys, f.key)
	}
	return keys
}

func optionKeys() []string {
	return []string{keyChangeTypes, keyRich, keyLifetime, keyQueryOptions, keyChannels}
}

// options is what is said of one or more subscriptions beside their resource. A
// nil node is not said.
type options struct {
	changes  *yaml.Node
	rich     *yaml.Node
	lifetime *yaml.Node
	query    *yaml.Node
}

// subscriptions reads what is desired in a tenant.
func (l *loader) subscriptions(m map[string]*yaml.Node, t *Tenant) {
	n := m[keySubscriptions]
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		l.fault(n, `write a list, as - all: transcripts`, "%s is %s", keySubscriptions, kindOfNode(n))
		return
	}
	items := l.sequence(n)
	for i, item := range items {
		if len(l.wanted.Subscriptions) >= maxSubscriptions {
			l.fault(item, "use several files, and a renewer for each", "there are more than %d subscriptions", maxSubscriptions)
			return
		}
		l.subscription(item, m, t)
		if n.Anchor == "" { // nobody asks for it again, and of a large file it is most of the memory
			items[i], n.Content[i] = nil, nil
		}
	}
}

// subscription reads one item of the list: a path, the words "all …", or a
// mapping.
func (l *loader) subscription(n *yaml.Node, tenant map[string]*yaml.Node, t *Tenant) {
	if n.Kind == yaml.ScalarNode {
		text, ok := l.text(n, "a subscription")
		if !ok {
			return
		}
		if word, everything := cutAll(text); everything {
			l.expand(n, t, tenant, options{}, func() ([]string, error) { return everythingPaths(word) })
			return
		}
		if !strings.Contains(text, "/") {
			if _, _, ok := l.catalog.find(text); !ok {
				l.fault(n, `write a path, as - chats/getAllMessages, or - all: transcripts`, "%.60q is no resource", text)
				return
			}
		}
		l.one(n, t, tenant, options{}, text)
		return
	}
	m := l.mapping(n, "a subscription", append(whatKeys(), optionKeys()...))
	if m == nil {
		return
	}
	var given []string
	for _, k := range whatKeys() {
		if m[k] != nil {
			given = append(given, k)
		}
	}
	if len(given) != 1 {
		problem := "it does not say what to subscribe to"
		if len(given) > 1 {
			problem = "it says several things to subscribe to: " + list(given)
		}
		l.fault(n, "give exactly one of "+list(whatKeys()), "%s", problem)
		return
	}
	l.expandForm(m, given[0], t, tenant)
}

func cutAll(text string) (word string, ok bool) {
	head, word, ok := strings.Cut(strings.TrimSpace(text), " ")
	return word, ok && strings.EqualFold(head, keyAll)
}

// expandForm reads what stands behind the key of a form.
func (l *loader) expandForm(m map[string]*yaml.Node, key string, t *Tenant, tenant map[string]*yaml.Node) {
	o := options{changes: m[keyChangeTypes], rich: m[keyRich], lifetime: m[keyLifetime], query: m[keyQueryOptions]}
	if c := m[keyChannels]; c != nil && key != keyTeam {
		l.fault(c, "put it beside team:", "%s belongs to a team", keyChannels)
	}
	values := l.sequence(m[key])
	if key == keyOrganizers { // one subscription for the whole list
		var ids []string
		for _, v := range values {
			if id, ok := l.text(v, key); ok {
				ids = append(ids, id)
			}
		}
		l.expand(m[key], t, tenant, o, func() ([]string, error) { return organizerPaths(strings.Join(ids, ",")) })
		return
	}
	for _, v := range values {
		text, ok := l.text(v, key)
		if !ok {
			continue
		}
		switch key {
		case keyResource:
			l.one(v, t, tenant, o, text)
		case keyAll:
			l.expand(v, t, tenant, o, func() ([]string, error) { return everythingPaths(text) })
		default:
			forms := forms()
			f := forms[slices.IndexFunc(forms, func(f form) bool { return f.key == key })]
			l.expand(v, t, tenant, o, func() ([]string, error) { return f.paths(text) })
			if c := m[keyChannels]; c != nil && key == keyTeam {
				l.channels(c, t, tenant, o, strings.TrimSpace(text))
			}
		}
	}
}

// channels reads the channels of a team whose messages are desired.
func (l *loader) channels(n *yaml.Node, t *Tenant, tenant map[string]*yaml.Node, o options, team string) {
	for _, c := range l.sequence(n) {
		id, ok := l.text(c, keyChannels)
		if !ok {
			continue
		}
		l.expand(c, t, tenant, o, func() ([]string, error) {
			path, err := channelPath(team, id)
			return []string{path}, err
		})
	}
}

// expand desires all paths of a short form.
func (l *loader) expand(n *yaml.Node, t *Tenant, tenant map[string]*yaml.Node, o options, paths func() ([]string, error)) {
	all, err := paths()
	if err != nil {
		fix := "see the reference of short forms"
		var word *wordError
		if errors.As(err, &word) {
			fix = word.fix()
		}
		l.fault(n, fix, "%v", err)
		return
	}
	if o.changes != nil && len(all) > 1 {
		l.fault(o.changes, "leave it out, or list its resources one by one", "%s cannot be said of several resources at once", keyChangeTypes)
		o.changes = nil
	}
	for _, path := range all {
		l.one(n, t, tenant, o, path)
	}
}

// one desires one path with its options, if nothing is wrong with them.
func (l *loader) one(n *yaml.Node, t *Tenant, tenant map[string]*yaml.Node, o options, path string) {
	if l.counts[t.ID] > organizationQuota {
		return // which is a fault already
	}
	known, canonical, ok := l.catalog.find(strings.TrimSpace(path))
	if !ok {
		l.unknown(n, path)
		return
	}
	d := Desired{
		Key:             Key{TenantID: t.ID, Resource: canonical},
		NotificationURL: t.NotificationURL,
		LifecycleURL:    t.LifecycleURL,
		Version:         graph.VersionOf(canonical),
		ApplicationID:   t.Credential.ClientID,
		Line:            int32(n.Line),
	}
	if d.ChangeType, ok = l.changeTypes(o.changes, known); !ok {
		return
	}
	if o.query != nil {
		d.QueryOptions, _ = l.text(o.query, keyQueryOptions)
	}
	d.Rich = l.rich(o.rich, tenant[keyRich], known)
	if known.rich && !d.Rich && strings.HasSuffix(known.path, "/meetingCallEvents") {
		l.warn(n, "let it be rich", "call events without their content say nothing, since Graph has no way to fetch it")
	}
	if d.Rich && t.Certificate.ID == "" {
		if tenant[keyDecryptionCertificate] == nil {
			l.fault(n, "add "+keyDecryptionCertificate+": to the tenant, or rich: false", "rich notifications of %s need a certificate", known.path)
		}
	} else if d.Rich {
		d.Certificate = t.Certificate
	}
	d.Lifetime = l.lifetime(n, o.lifetime, tenant[keyLifetime], known, t)
	l.add(n, d, known)
}

// unknown says what a path that is none might have been.
func (l *loader) unknown(n *yaml.Node, path string) {
	fix := "see the reference of resources"
	if near := l.catalog.nearest(short(path)); near != "" {
		fix = fmt.Sprintf("did you mean %q?", near)
	} else if strings.Contains(path, "://") {
		fix = "leave out everything up to and with v1.0/; a join link goes behind meeting:"
	}
	l.fault(n, fix, "Graph has no subscriptions to %.80q, as far as known", path)
}

// changeTypes returns the change types desired of a resource: all that it has,
// unless n says which.
func (l *loader) changeTypes(n *yaml.Node, known resource) (string, bool) {
	if n == nil {
		return known.changes, true
	}
	has := strings.Split(known.changes, ",")
	all := []string{"created", "updated", "deleted"}
	var given []string
	ok := true
	for _, item := range l.sequence(n) {
		text, is := l.text(item, keyChangeTypes)
		if !is {
			return "", false
		}
		for word := range strings.SplitSeq(strings.ToLower(text), ",") {
			word = strings.TrimSpace(word)
			switch near := bridge.Nearest(short(word), all); {
			case slices.Contains(has, word):
				given = append(given, word)
			case slices.Contains(all, word):
				l.fault(item, "it has "+list(has), "%s has no change type %q", known.path, word)
				ok = false
			case near != "":
				l.fault(item, fmt.Sprintf("did you mean %q?", near), "no change type is called %.40q", word)
				ok = false
			default:
				l.fault(item, "it has "+list(has), "no change type is called %.40q", word)
				ok = false
			}
		}
	}
	if len(given) == 0 && ok {
		l.fault(n, "leave it out for all of them: "+list(has), "%s is empty", keyChangeTypes)
		return "", false
	}
	return changeTypes(strings.Join(given, ",")), ok
}

// rich tells whether notifications shall be rich: where they can be, unless own,
// or else the tenant, says no.
func (l *loader) rich(own, tenant *yaml.Node, known resource) bool {
	switch {
	case own != nil:
		rich := l.boolean(own, keyRich)
		if rich && !known.rich {
			l.fault(own, "remove it: Graph has basic notifications of it alone", "%s has no rich notifications", known.path)
		}
		return rich && known.rich
	case tenant != nil:
		return l.boolean(tenant, keyRich) && known.rich
	}
	return known.rich
}

// lifetime returns what to ask for: what is said, else the longest that can be.
// What own says must be possible; what the tenant says is cut down to that.
func (l *loader) lifetime(n, own, tenant *yaml.Node, known resource, t *Tenant) time.Duration {
	longest := known.longest - margin
	if t.LifecycleURL == "" {
		longest = min(longest, unwatched-margin)
	}
	node := own
	if node == nil {
		node = tenant
	}
	if node == nil {
		return longest
	}
	d, ok := l.duration(node, keyLifetime)
	switch {
	case !ok:
	case d < minLifetime && !l.wanted.Development:
		l.fault(node, "write 45m or more", "a lifetime of %s is shorter than Graph allows", days(d))
	case own == nil:
	case d > known.longest:
		l.fault(node, "write "+days(known.longest)+" or less", "%s lives for %s at most", known.path, days(known.longest))
	case d > unwatched && t.LifecycleURL == "":
		l.fault(n, "add "+keyLifecycleURL+": to the tenant, or write 1h or less", "a lifetime of over 1 h needs a lifecycle URL")
	}
	return min(d, longest)
}

// days writes a duration in days, hours and minutes, as the file takes it.
func days(d time.Duration) string {
	whole := ""
	if d >= 24*time.Hour {
		whole = fmt.Sprintf("%dd", d/(24*time.Hour))
		if d %= 24 * time.Hour; d == 0 {
			return whole
		}
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return whole + text
}
