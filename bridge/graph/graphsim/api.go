package graphsim

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// API makes the simulator serve Graph's subscriptions API and Entra's token
// endpoint (FACTS §4). With it the world has no subscriptions of its own:
// notifications flow only for those that somebody made through the API and
// keeps alive.
type API struct {
	// Listener, if set, serves the API, the token endpoint and the key sets
	// over TLS, by a certificate of the simulator's own CA. Start takes it over;
	// Stop closes it. Without it there is only Sim.APIHandler.
	Listener net.Listener
	// URL is the base URL as seen from outside, which nextLink, issuers and
	// endpoints are made of; default https:// and the Listener's address, or
	// https://graph.microsoft.com. It has no path.
	URL string
	// Hosts are further names and addresses that the certificate is good for,
	// beside those of URL, the Listener and the loopback.
	Hosts []string
	// CA, if set, is the authority that signs it, as NewCA made it: one that
	// outlives the simulator. Nil: one is made.
	CA []byte

	// Apps may sign in. Default: one for each of Config.AppIDs with Secret and
	// every role.
	Apps []App
	// Secret is the client secret of the default Apps; default DefaultSecret.
	Secret string
	// TokenLifetime of access tokens; default 1 h.
	TokenLifetime time.Duration
	// Vouched is how long the call that made, renewed or reauthorized a
	// subscription vouches for it: after that its delivery pauses (FACTS §1.3).
	// 0: until that call's access token expires; negative: for ever.
	Vouched time.Duration
	// HeldFor is how long what a paused subscription is told is kept; default 4 h
	// (FACTS §1.3).
	HeldFor time.Duration
	// NoticeLead is how long before such a pause, and before its expiry, a
	// subscription gets reauthorizationRequired, at most a third of what is
	// left; default 15 min.
	NoticeLead time.Duration
	// MinLifetime is what shorter lifetimes are raised to; default 45 min
	// (FACTS §4.1). MaxLifetime, if set, is the most that is granted whatever was
	// asked for, so that a demonstration shows renewals. More than the
	// documented maximum of a resource is refused all the same (FACTS §4.5).
	MinLifetime, MaxLifetime time.Duration
	// Quota is how many subscriptions to Teams resources a tenant may have;
	// default 10,000 (FACTS §4.4).
	Quota int
	// PageSize of a list; default 100 (not documented).
	PageSize int
	// Unthrottled switches the limits of FACTS §4.3 off.
	Unthrottled bool
	// PlainHTTP lets notification URLs be http. Graph takes https only.
	PlainHTTP bool
	// NoHandshakes spares renewal and reauthorization the validation request
	// (observed, not documented: FACTS §1.1). Creation and a new
	// notificationUrl always have it.
	NoHandshakes bool

	// OnLife and OnEvent, if set, get what Lives and Events would keep, which
	// then keep nothing. Each is called under a lock, in order: it must be fast
	// and must not call the Sim.
	OnLife  func(LifeEvent)
	OnEvent func(Event)
	// OnCall, if set, gets every call to the API once it is answered, those of a
	// batch each by itself. It is called by many goroutines at a time.
	OnCall func(Call)
}

// Call is one call to the API.
type Call struct {
	Number         int       `json:"number"` // from 1, in order of arrival
	At             time.Time `json:"at"`     // when it was answered
	Kind           string    `json:"kind"`   // create, list, get, update, reauthorize, delete, batch, other
	Version        string    `json:"version,omitempty"`
	TenantID       string    `json:"tenant_id,omitempty"` // "" for a call without a good token
	AppID          string    `json:"app_id,omitempty"`
	SubscriptionID string    `json:"subscription_id,omitempty"`
	Status         int       `json:"status"`          // 0: the connection was cut before anything was done
	Fault          Fault     `json:"fault,omitempty"` // what was done to it on purpose
}

// DefaultSecret is the client secret of an app that neither Config.API.Apps nor
// Config.API.Secret gives one.
const DefaultSecret = "graphsim-client-secret"

// App is an application that may ask for access tokens.
type App struct {
	ID string
	// Secrets are its client secrets: any of them will do.
	Secrets []string
	// Certificates verify the client assertions of azidentity's
	// ClientCertificateCredential.
	Certificates []*x509.Certificate
	// Federated identities verify those of workload identity.
	Federated []Federated
	// Roles are the application permissions that its tokens carry; nil: all.
	Roles []string
}

// Federated is an identity at another issuer that may act as an app.
type Federated struct {
	Issuer, Subject string
	Audience        string // default api://AzureADTokenExchange
	Key             *rsa.PublicKey
}

// federatedAudience is the audience of a federated token unless one is set.
const federatedAudience = "api://AzureADTokenExchange"

// withDefaults returns a with every zero value that has a default filled in.
func (a API) withDefaults(c Config) API {
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	dur(&a.TokenLifetime, time.Hour)
	dur(&a.HeldFor, 4*time.Hour)
	dur(&a.NoticeLead, 15*time.Minute)
	dur(&a.MinLifetime, 45*time.Minute)
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	num(&a.Quota, 10_000)
	num(&a.PageSize, 100)
	switch {
	case a.URL != "":
		a.URL = strings.TrimSuffix(a.URL, "/")
	case a.Listener != nil:
		a.URL = "https://" + a.Listener.Addr().String()
	default:
		a.URL = "https://graph.microsoft.com"
	}
	if len(a.Apps) == 0 {
		for _, id := range c.AppIDs {
			a.Apps = append(a.Apps, App{ID: id, Secrets: []string{cmp.Or(a.Secret, DefaultSecret)}})
		}
	}
	return a
}

// validate returns every wrong setting of a, each error naming its field.
func (a API) validate() []error {
	var errs []error
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"TokenLifetime", int64(a.TokenLifetime)},
		{"HeldFor", int64(a.HeldFor)},
		{"NoticeLead", int64(a.NoticeLead)},
		{"MinLifetime", int64(a.MinLifetime)},
		{"MaxLifetime", int64(a.MaxLifetime)},
		{"Quota", int64(a.Quota)},
		{"PageSize", int64(a.PageSize)},
	} {
		if f.v < 0 {
			errs = append(errs, fmt.Errorf("check config: API.%s is negative", f.name))
		}
	}
	if a.MaxLifetime > 0 && a.MaxLifetime < a.MinLifetime {
		errs = append(errs, errors.New("check config: API.MaxLifetime is below API.MinLifetime"))
	}
	if u, err := url.Parse(a.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		errs = append(errs, fmt.Errorf("check config: API.URL %q is no https URL without a path", a.URL))
	}
	seen := map[string]bool{}
	for _, app := range a.Apps {
		id := strings.ToLower(app.ID)
		if id == "" || seen[id] {
			errs = append(errs, fmt.Errorf("check config: API.Apps: app %q is nameless or twice there", app.ID))
		}
		seen[id] = true
		for _, f := range app.Federated {
			if f.Key == nil {
				errs = append(errs, fmt.Errorf("check config: API.Apps: app %q has a federated identity without a key", app.ID))
			}
		}
		for _, cert := range app.Certificates {
			if _, ok := publicRSA(cert); !ok {
				errs = append(errs, fmt.Errorf("check config: API.Apps: app %q has a certificate that holds no RSA key", app.ID))
			}
		}
	}
	return errs
}

// publicRSA returns the RSA key of cert, which may be nil.
func publicRSA(cert *x509.Certificate) (*rsa.PublicKey, bool) {
	if cert == nil {
		return nil, false
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return key, ok
}

// names returns what the server's certificate is good for.
func (a API) names() (dns []string, ips []net.IP) {
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, a.Hosts...)
	if u, err := url.Parse(a.URL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	if a.Listener != nil {
		if ap, err := netip.ParseAddrPort(a.Listener.Addr().String()); err == nil {
			hosts = append(hosts, ap.Addr().String())
		}
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			ips = append(ips, ip)
		} else {
			dns = append(dns, h)
		}
	}
	return dns, ips
}
