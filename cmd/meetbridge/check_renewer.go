package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"meetbridge/bridge/graph"
	"meetbridge/renewer"
)

const (
	// signInWithin bounds one tenant's sign-in and its one question to Graph.
	signInWithin = 15 * time.Second
	// signInWidth is how many tenants are tried at a time.
	signInWidth = 8
	// signInTries is how often a tenant is tried whose far side is busy, and
	// signInPatience how long it may ask to wait before the next try.
	signInTries    = 3
	signInPatience = 4 * time.Second
)

// checkRenewer carries out the checks of what the renewer needs beside Kafka.
func (c checkCmd) checkRenewer(ctx context.Context, d *doctor, kafkaThere bool) error {
	var wanted *renewer.Wanted
	err := d.look(ctx, "subscriptions", checkWithin, func(context.Context) (detail string, err error) {
		wanted, detail, err = c.checkDesired()
		return detail, err
	})
	if err != nil {
		return err
	}
	if err := d.look(ctx, "minting key", checkWithin, func(context.Context) (string, error) { return c.checkMinter() }); err != nil {
		return err
	}
	if wanted == nil {
		return nil
	}
	if c.Only == "all" && len(c.AppIDs) > 0 {
		detail, err := c.checkApplications(wanted)
		if err := d.say("application ids", detail, err); err != nil {
			return err
		}
	}
	if err := d.look(ctx, "renewer", checkWithin, func(ctx context.Context) (string, error) { return c.checkStandings(ctx, d.t, wanted, kafkaThere) }); err != nil {
		return err
	}
	clock := &clock{}
	if err := c.checkTenants(ctx, d, wanted, clock); err != nil {
		return err
	}
	for _, address := range publicURLs(wanted) {
		if err := d.look(ctx, "handshake", handshakeWithin, func(ctx context.Context) (string, error) { return handshake(ctx, address) }); err != nil {
			return err
		}
	}
	detail, err := clock.judge()
	return d.say("clock", detail, err)
}

// checkDesired reads the file of desired subscriptions.
func (c checkCmd) checkDesired() (*renewer.Wanted, string, error) {
	wanted, faults, err := renewer.LoadDesired(c.Subscriptions)
	if err != nil {
		return nil, "", fmt.Errorf("--subscriptions: %w: correct the path, or make the file", err)
	}
	if wanted == nil {
		return nil, "", errors.New(faultLines(faults))
	}
	detail := fmt.Sprintf("%s in %s, in %s", count(len(wanted.Subscriptions), "subscription"), count(len(wanted.Tenants), "tenant"), c.Subscriptions)
	for _, f := range faults {
		detail += "; mind " + f.String()
	}
	return wanted, detail, nil
}

// checkApplications looks whether ingest takes tokens for every application that
// subscribes with sealed content: Graph makes each token for the subscription's
// application.
func (c checkCmd) checkApplications(w *renewer.Wanted) (string, error) {
	tenants := map[string]string{} // the first, by application
	for _, d := range w.Subscriptions {
		if app := strings.ToLower(d.ApplicationID); d.Rich && tenants[app] == "" {
			tenants[app] = d.TenantID
		}
	}
	taken := map[string]bool{}
	for _, id := range c.AppIDs {
		taken[strings.ToLower(strings.TrimSpace(id))] = true
	}
	var unknown []string
	for app, tenant := range tenants {
		if !taken[app] {
			unknown = append(unknown, fmt.Sprintf("%s (client_id of tenant %s)", app, tenant))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return "", fmt.Errorf("--app-ids is %s, without %s of %s: sealed notifications would be set aside as token_audience: add it to --app-ids of every ingest process, or correct client_id",
			strings.Join(c.AppIDs, ","), strings.Join(unknown, ", "), c.Subscriptions)
	}
	return fmt.Sprintf("--app-ids has the applications of %s", c.Subscriptions), nil
}

// checkMinter looks for the key that the renewer makes clientStates with.
func (c checkCmd) checkMinter() (string, error) {
	if c.ClientStateKeys == "" {
		return "", errors.New("--client-state-keys is not set: give the same file as ingest's, with whose first key the renewer makes clientStates")
	}
	s, err := readStateLines(c.ClientStateKeys)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("clientStates are made with the key %s of %s", s.keys[0].id, c.ClientStateKeys), nil
}

// checkStandings looks at the renewers' states: it is not well if something
// desired needs a person.
func (c checkCmd) checkStandings(ctx context.Context, t *terminal, w *renewer.Wanted, kafkaThere bool) (string, error) {
	if !kafkaThere {
		return "", errKafkaAway
	}
	v, err := renewer.ReadStates(ctx, c.Kafka, c.Registry, c.TopicPrefix, t.log)
	if err != nil {
		return "", registryHint(err, c.Registry.URL)
	}
	var errs []error
	if v.Unreadable > 0 {
		errs = append(errs, fmt.Errorf("%s cannot be read by this version, and their subscriptions are not looked after: run the version that wrote them", count(v.Unreadable, "state")))
	}
	living, blocked := 0, []renewer.State{}
	for _, s := range v.States {
		if s.SubscriptionID != "" {
			living++
		}
		if s.Status == renewer.Blocked {
			blocked = append(blocked, s)
		}
	}
	if len(blocked) > 0 {
		first := slices.MinFunc(blocked, func(a, b renewer.State) int { return strings.Compare(a.String(), b.String()) })
		errs = append(errs, fmt.Errorf("%s blocked, the first being %s in tenant %s: %s: see meetbridge subscriptions list --status blocked",
			are(len(blocked), "subscription"), first.Resource, first.TenantID, first.Error))
	}
	if len(v.Ingest) > 0 {
		if lacking := unannounced(w, v); len(lacking) > 0 {
			errs = append(errs, fmt.Errorf("not every ingest process has the key of %s: put it into their --decryption-keys (see meetbridge keys rotate)", strings.Join(lacking, ", ")))
		}
	}
	return fmt.Sprintf("%s live. %s", count(living, "subscription"), whoLeads(v)), errors.Join(errs...)
}

// unannounced returns the ids of the certificates that are named and that not
// every ingest process has the key of.
func unannounced(w *renewer.Wanted, v renewer.View) []string {
	lacking := map[string]bool{}
	for _, t := range w.Tenants {
		if t.Certificate != (renewer.Certificate{}) && !v.Opens(t.Certificate) {
			lacking[t.Certificate.ID] = true
		}
	}
	return sorted(lacking)
}

// signIn is what became of one tenant's sign-in.
type signIn struct {
	detail   string
	err      error
	answered bool // by Graph, one way or the other: there is a token
	grant    graph.Grant
	opaque   error // why the token does not tell its roles

	busy  bool          // the authority or Graph said: later
	again time.Duration // when, if it said that too
}

// checkTenants signs in to each tenant, and says what its application may not do.
func (c checkCmd) checkTenants(ctx context.Context, d *doctor, w *renewer.Wanted, clock *clock) error {
	signed := make([]signIn, len(w.Tenants))
	var wg sync.WaitGroup
	room := make(chan struct{}, signInWidth)
	for i, t := range w.Tenants {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			within, cancel := context.WithTimeout(ctx, signInWithin)
			defer cancel()
			signed[i] = c.signInPatiently(within, d.t, t, clock)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, s := range signed {
		if err := d.say("sign-in", s.detail, s.err); err != nil {
			return err
		}
		if !s.answered {
			continue
		}
		detail, err := permissions(w, w.Tenants[i].ID, s)
		if err := d.say("permissions", detail, err); err != nil {
			return err
		}
	}
	return nil
}

// signInPatiently tries again while the far side is busy, as often and as late as
// it may be waited for.
func (c checkCmd) signInPatiently(ctx context.Context, t *terminal, tenant renewer.Tenant, clock *clock) signIn {
	for try := 1; ; try++ {
		s := c.signIn(ctx, t, tenant, clock)
		if !s.busy || try == signInTries || s.again > signInPatience {
			return s
		}
		select {
		case <-ctx.Done():
			return s
		case <-time.After(max(s.again, time.Second)):
		}
	}
}

// busyStatus reports whether an answer of that status says: later.
func busyStatus(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// signIn gets a token, and shows it to Graph by asking for a subscription that
// there is not: 404 is what is hoped for.
func (c checkCmd) signIn(ctx context.Context, t *terminal, tenant renewer.Tenant, clock *clock) signIn {
	client, err := graph.HTTPClient(c.GraphCA)
	if err != nil {
		return signIn{err: fmt.Errorf("--graph-ca: %w", err)}
	}
	client.Transport = clock.watch(client.Transport)
	tenant.Credential.HTTP, tenant.Credential.Log = client, t.log
	credential, err := graph.NewCredential(tenant.Credential)
	if err != nil {
		return signIn{err: fmt.Errorf("tenant %s: %w", tenant.ID, err)}
	}
	g, err := graph.New(graph.Config{BaseURL: tenant.GraphURL, HTTP: client, Credential: credential, Log: t.log})
	if err != nil {
		return signIn{err: fmt.Errorf("tenant %s: %w", tenant.ID, err)}
	}
	_, err = g.Get(ctx, graph.V1, uuid.NewString())
	s := signIn{detail: fmt.Sprintf("tenant %s, application %s at %s", tenant.ID, tenant.Credential.ClientID, tenant.GraphURL)}
	var refused *graph.CredentialError
	var answer *graph.Error
	switch {
	case errors.As(err, &refused):
		// It says who and where by itself.
		return signIn{err: unknownAuthority(refused), busy: busyStatus(refused.Status), again: refused.RetryAfter}
	case err != nil && !errors.As(err, &answer):
		return signIn{err: unknownAuthority(fmt.Errorf("tenant %s: %s does not answer: check the way out to it (%w)", tenant.ID, tenant.GraphURL, err))}
	case err != nil && busyStatus(answer.Status):
		s.busy, s.again = true, answer.RetryAfter
		s.err = fmt.Errorf("tenant %s: Graph is busy (%d), so that nothing is known of the token: try again %s: %w", tenant.ID, answer.Status, soon(answer.RetryAfter), err)
	case err != nil && answer.Status != http.StatusNotFound:
		s.err = fmt.Errorf("tenant %s: Graph does not take the token: %w", tenant.ID, err)
	}
	s.answered = true
	s.grant, s.opaque = g.Grant(ctx)
	if !s.grant.Expires.IsZero() {
		s.detail += ", token until " + s.grant.Expires.Format(time.DateTime)
	}
	return s
}

// soon says when to come back, if that is known.
func soon(wait time.Duration) string {
	if wait <= 0 {
		return "later"
	}
	return "in " + span(wait)
}

// permissions says which permissions the tenant's subscriptions take that its
// token does not have.
func permissions(w *renewer.Wanted, tenantID string, s signIn) (string, error) {
	if s.opaque != nil {
		return fmt.Sprintf("tenant %s: cannot be told: %v", tenantID, s.opaque), nil
	}
	missing, taken := map[string][]string{}, map[string]bool{}
	for _, d := range w.Subscriptions {
		if d.TenantID != tenantID {
			continue
		}
		least := graph.PermissionFor(d.Resource)
		switch {
		case least == "":
		case graph.Permitted(d.Resource, s.grant.Roles):
			taken[least] = true
		case !slices.Contains(missing[least], d.Resource):
			missing[least] = append(missing[least], d.Resource)
		}
	}
	if len(missing) == 0 {
		return fmt.Sprintf("tenant %s: all that its subscriptions take: %s", tenantID, strings.Join(sorted(taken), ", ")), nil
	}
	var lacks []string
	for permission, resources := range missing {
		text := permission + " for " + resources[0]
		if n := len(resources) - 1; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		lacks = append(lacks, text)
	}
	slices.Sort(lacks)
	return "", fmt.Errorf("tenant %s lacks %s: give application %s these application permissions in Entra, and have an administrator consent",
		tenantID, strings.Join(lacks, "; "), s.grant.AppID)
}
