package graphsim

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config says which world to run and whom to tell about it. Only
// NotificationURL is required, and with API not even that.
type Config struct {
	// Seed decides everything that happens. Two runs with one seed repeat their
	// ids: a bridge that saw the first within its dedupe window recognises part
	// of the second, so give each run against one bridge its own seed.
	Seed uint64
	// Epoch is when the world's time begins; zero: when Start is called. At a
	// Rate the world's time keeps pace with real time; with Rate 0 an item
	// takes 50 µs of it, so it lags rather than leads.
	Epoch time.Time

	Tenants int // default 2, or as many as TenantIDs
	// TenantIDs are the ids of the first tenants; the others' are made from the
	// seed.
	TenantIDs         []string
	MeetingsPerTenant int // default 4; every fourth channel, short-link, basic
	WebinarsPerTenant int // default 2; as many town halls as half of it

	// Rate is items per second over all tenants; 0: as fast as they are
	// acknowledged.
	Rate float64
	// BatchMax is the most items of one POST (default 20). Graph documents no
	// maximum (FACTS §1.5).
	BatchMax int
	// Basic makes every subscription a basic one: nothing is sealed, no token
	// is sent. Also so when there are no Certificates.
	Basic bool
	// Marker, if set, stands in every display name and every text that people
	// write, so that a test can search logs for plaintext.
	Marker string

	NotificationURL string
	LifecycleURL    string       // default NotificationURL
	Client          *http.Client // delivers; default: one of its own

	// Listener, if set, serves the openid configurations and key sets of the
	// simulated Entra ID. Start takes it over; Stop closes it.
	Listener     net.Listener
	AuthorityURL string // as seen from outside; default http://{Listener}, else the real one
	STSURL       string // default {AuthorityURL}/sts, else the real one
	// KeyRotation is how long a token-signing key is used (default 24 h,
	// FACTS §2.1). The next key is published before it is used.
	KeyRotation time.Duration
	// SigningKeys are the authority's first keys, in the order of their use;
	// those that are missing are made, which takes some hundred milliseconds.
	SigningKeys []*rsa.PrivateKey

	AppIDs       []string      // apps that own the subscriptions; default one made from the seed
	Certificates []Certificate // whom to seal for; spread over the subscriptions
	// ClientState returns the clientState of a new subscription of the tenant;
	// nil: the literal DefaultClientState. It is called by one goroutine at a
	// time.
	ClientState func(tenantID string) string

	// API, if set, serves the subscriptions API: notifications then go to those
	// who subscribe there. NotificationURL, LifecycleURL, Certificates,
	// ClientState and Basic are of no use then.
	API *API

	Faults Faults
	Rules  Rules

	// MaxPending bounds the POSTs waiting for an acknowledgement (default
	// 4,096; with Rate 0: twice Rules.Concurrency). At the bound the world
	// stands still.
	MaxPending int
	// Drain is how long Run waits at its end for what is pending (default 30 s).
	Drain time.Duration
	// OnEntry, if set, gets each ledger entry once it is settled (and at Stop
	// those that never were), with the payload's hash but without the payload;
	// the ledger then stores nothing. It is called by one goroutine at a time
	// and must be fast.
	OnEntry func(Entry)

	Log *slog.Logger // default: discard

	literalStates bool // no clientState is bound to a tenant
}

// DefaultClientState is the clientState of a Config without a ClientState.
const DefaultClientState = "graphsim-secret-client-state"

// Certificate is the public half of a decryption key, under the id that the
// subscriber gave it (FACTS §2.3). Its expiry does not matter.
type Certificate struct {
	ID          string
	Certificate *x509.Certificate
}

// Limit says when Run stops to generate. Zero means no limit of that kind.
type Limit struct {
	Items int           // genuine items, duplicates not counted; with Config.API also what nobody was told of
	For   time.Duration // time since Run began
}

// withDefaults returns c with every zero value that has a default filled in.
func (c Config) withDefaults() Config {
	def := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	def(&c.Tenants, max(2, len(c.TenantIDs)))
	c.Tenants = max(c.Tenants, len(c.TenantIDs))
	def(&c.MeetingsPerTenant, 4)
	def(&c.WebinarsPerTenant, 2)
	def(&c.BatchMax, 20)
	if c.LifecycleURL == "" {
		c.LifecycleURL = c.NotificationURL
	}
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second}}
	}
	switch {
	case c.AuthorityURL != "":
	case c.Listener != nil:
		c.AuthorityURL = "http://" + c.Listener.Addr().String()
	case c.API != nil && c.API.Listener != nil:
		c.AuthorityURL = "https://" + c.API.Listener.Addr().String()
	}
	if c.STSURL == "" && c.AuthorityURL != "" {
		c.STSURL = strings.TrimSuffix(c.AuthorityURL, "/") + "/sts"
	}
	if c.AuthorityURL == "" {
		c.AuthorityURL, c.STSURL = "https://login.microsoftonline.com", "https://sts.windows.net"
	}
	c.AuthorityURL, c.STSURL = strings.TrimSuffix(c.AuthorityURL, "/"), strings.TrimSuffix(c.STSURL, "/")
	if c.KeyRotation == 0 {
		c.KeyRotation = 24 * time.Hour
	}
	c.literalStates = !c.statesBound()
	if c.ClientState == nil {
		c.ClientState = func(string) string { return DefaultClientState }
	}
	var mu sync.Mutex
	state := c.ClientState
	c.ClientState = func(tenantID string) string {
		mu.Lock()
		defer mu.Unlock()
		return state(tenantID)
	}
	if len(c.AppIDs) == 0 {
		c.AppIDs = []string{drawGUID(rand.New(rand.NewPCG(c.Seed, 0xa99)))}
	}
	c.Basic = c.Basic || len(c.Certificates) == 0
	if c.API != nil {
		api := c.API.withDefaults(c)
		c.API = &api
	}
	c.Rules = c.Rules.withDefaults()
	def(&c.MaxPending, 4096)
	if c.Rate == 0 {
		c.MaxPending = min(c.MaxPending, 2*c.Rules.Concurrency)
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("component", "graphsim")
	return c
}

// foreignTenant is a tenant that no world has.
const foreignTenant = "44444444-4444-4444-8444-444444444444"

// statesBound reports whether a clientState tells its tenant.
func (c Config) statesBound() bool {
	return c.ClientState != nil && c.ClientState(foreignTenant) != c.ClientState("55555555-5555-4555-8555-555555555555")
}

// validate returns every wrong setting of c, each error naming its field.
func (c Config) validate() error {
	var errs []error
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"Tenants", float64(c.Tenants)},
		{"MeetingsPerTenant", float64(c.MeetingsPerTenant)},
		{"WebinarsPerTenant", float64(c.WebinarsPerTenant)},
		{"Rate", c.Rate},
		{"BatchMax", float64(c.BatchMax)},
		{"MaxPending", float64(c.MaxPending)},
		{"Drain", c.Drain.Seconds()},
		{"KeyRotation", c.KeyRotation.Seconds()},
	} {
		if f.v < 0 {
			errs = append(errs, fmt.Errorf("check config: %s is negative", f.name))
		}
	}
	for _, u := range []struct{ name, v string }{
		{"NotificationURL", c.NotificationURL},
		{"LifecycleURL", c.LifecycleURL},
		{"AuthorityURL", c.AuthorityURL},
		{"STSURL", c.STSURL},
	} {
		if c.API != nil && (u.name == "NotificationURL" || u.name == "LifecycleURL") {
			continue
		}
		if p, err := url.Parse(u.v); err != nil || p.Host == "" {
			errs = append(errs, fmt.Errorf("check config: %s %q is no absolute URL", u.name, u.v))
		}
	}
	for _, cert := range c.Certificates {
		if cert.Certificate == nil {
			errs = append(errs, fmt.Errorf("check config: certificate %q is missing", cert.ID))
		} else if _, ok := cert.Certificate.PublicKey.(*rsa.PublicKey); !ok {
			errs = append(errs, fmt.Errorf("check config: certificate %q holds no RSA key", cert.ID))
		}
	}
	for _, id := range c.TenantIDs {
		if _, ok := parseGUID(id); !ok {
			errs = append(errs, fmt.Errorf("check config: TenantIDs: %q is no GUID", id))
		}
	}
	if c.API != nil {
		errs = append(errs, c.API.validate()...)
	}
	errs = append(errs, c.Faults.validate(c)...)
	return errors.Join(errs...)
}
