package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	// tokenWithin bounds getting one token.
	tokenWithin = 20 * time.Second
	// tokenMargin is how long before its end a token is no longer handed out.
	tokenMargin = time.Minute
	// refreshPause is the least time between attempts to replace a token that
	// still works.
	refreshPause = 30 * time.Second
	// failurePause is the least time between attempts when there is no token, so
	// that many waiting calls make one request and not one each.
	failurePause = time.Second
	// maxFailurePause bounds what the authority may ask for with Retry-After.
	maxFailurePause = time.Minute
	// forgetPause protects the authority from a Graph that refuses every token:
	// one that was refused this soon after it was made is not at fault.
	forgetPause  = 10 * time.Second
	maxTokenBody = 1 << 20 // bytes of an answer of the authority
)

// CredentialConfig is who an application is, in one tenant. Exactly one of the
// files is given. They are read when a token is needed and never kept, so that
// a file may come, change and go while the process runs; NewCredential itself
// reads none. azidentity itself heeds AZURE_REGIONAL_AUTHORITY_NAME.
type CredentialConfig struct {
	TenantID        string // a GUID or a domain name
	ClientID        string // the application's id
	SecretFile      string // holds a client secret
	CertificateFile string // PEM: a certificate that the app registration knows, and its RSA private key
	TokenFile       string // workload identity: a token of the platform, which renews it
	AuthorityHost   string // https://HOST[:PORT]; "" is the global cloud's
	HTTP            *http.Client
	Log             *slog.Logger // nil is none
	// DisableInstanceDiscovery keeps azidentity from asking Microsoft whether the
	// authority is one of its own. It is so anyway where AuthorityHost is none of
	// Clouds.
	DisableInstanceDiscovery bool
}

// credential hands out tokens from memory and gets them by azidentity: each by
// an azidentity credential of its own, since one that lives on would answer from
// a cache that nothing can clear. A token is replaced when half of its life is
// over, because Graph stops delivery when the token that last touched a
// subscription ends (FACTS §1.3).
type credential struct {
	config    CredentialConfig
	identity  identity
	options   policy.ClientOptions
	discovery bool
	log       *slog.Logger

	// turn is held by the one call that asks the authority; a channel, so that
	// waiting for it ends with the context.
	turn chan struct{}

	mu      sync.Mutex // guards all below; never held while waiting
	held    azcore.AccessToken
	scope   string    // of held
	got     time.Time // when held was made
	tried   time.Time // when the authority was last asked
	pause   time.Duration
	failure error  // of the last attempt, nil after a success
	file    digest // of the file at the last attempt
}

// NewCredential returns the credential of an application in a tenant. It is
// safe for concurrent use. Its GetToken returns a *CredentialError where the
// authority refuses or the file will not do.
func NewCredential(c CredentialConfig) (azcore.TokenCredential, error) {
	id, err := newIdentity(c)
	if err != nil {
		return nil, err
	}
	if !plainName(c.TenantID) || slices.Contains([]string{"common", "organizations", "consumers", "adfs"}, strings.ToLower(c.TenantID)) {
		return nil, fmt.Errorf("tenant %.60q is neither a GUID nor a domain name", c.TenantID)
	}
	if !plainName(c.ClientID) {
		return nil, errors.New("the client id is no application's: give the GUID of the app registration")
	}
	if c.AuthorityHost == "" {
		c.AuthorityHost = Clouds()[0].Authority
	}
	authority, err := checkBase(c.AuthorityHost)
	if err == nil && authority.Path != "" {
		err = fmt.Errorf("%.200q has a path", c.AuthorityHost)
	}
	if err != nil {
		return nil, fmt.Errorf("authority host: %w", err)
	}
	transport, err := newTransport(c.HTTP, maxTokenBody)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	known := slices.ContainsFunc(Clouds(), func(k Cloud) bool {
		u, err := url.Parse(k.Authority)
		return err == nil && sameOrigin(authority, u)
	})
	return &credential{
		config: c, identity: id, discovery: known && !c.DisableInstanceDiscovery,
		options: policy.ClientOptions{
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: authority.String()},
			Transport: &recorder{transport},
			Retry:     policy.RetryOptions{MaxRetries: -1}, // whoever needs the token comes back by itself
			Telemetry: policy.TelemetryOptions{Disabled: true},
		},
		log:  c.Log.With("component", "credential", "tenant_id", c.TenantID),
		turn: make(chan struct{}, 1),
	}, nil
}

// plainName reports whether s can be a tenant's or an application's name.
func plainName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
}

// GetToken implements azcore.TokenCredential. It returns the token in memory if
// that has life enough left, else a fresh one.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, state := c.look(o)
	switch state {
	case good:
		return token, nil
	case aging: // whoever comes while it is being replaced takes the old one
		select {
		case c.turn <- struct{}{}:
		default:
			return token, nil
		}
	case none:
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return azcore.AccessToken{}, fmt.Errorf("wait for another call's token: %w", ctx.Err())
		}
	}
	defer func() { <-c.turn }()
	if token, state = c.look(o); state == good { // got by another call meanwhile
		return token, nil
	}
	fresh, err := c.ask(ctx, o)
	if err != nil && state == aging {
		c.log.WarnContext(ctx, "token not replaced, the old one stays in use", "error", err, "expires", token.ExpiresOn)
		return token, nil
	}
	return fresh, err
}

// Forget drops the token in memory if it is token, or whichever it is for "".
func (c *credential) Forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == "" || token == c.held.Token && time.Since(c.got) >= forgetPause {
		c.held = azcore.AccessToken{}
	}
}

// The states of the token in memory.
type tokenState uint8

const (
	none  tokenState = iota
	aging            // works, and should be replaced
	good
)

func (c *credential) look(o policy.TokenRequestOptions) (azcore.AccessToken, tokenState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	life, left := c.held.ExpiresOn.Sub(c.got), c.held.ExpiresOn.Sub(now)
	switch {
	case c.held.Token == "" || c.scope != strings.Join(o.Scopes, " ") || o.Claims != "" || o.TenantID != "" || left < min(tokenMargin, life/10):
		return azcore.AccessToken{}, none
	case left >= life/2 || now.Sub(c.tried) < refreshPause:
		return c.held, good
	}
	return c.held, aging
}

// ask gets a fresh token from the authority. The turn is the caller's.
func (c *credential) ask(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWithin)
	defer cancel()
	secret, file, err := c.identity.read()
	if err == nil {
		if err := c.recent(file); err != nil {
			return azcore.AccessToken{}, err
		}
		var token azcore.AccessToken
		token, err = c.exchange(ctx, secret, o)
		var refused *CredentialError
		if errors.As(err, &refused) && refused.Reason.ofSecret() {
			// The file may have been written anew since it was read.
			if again, now, readErr := c.identity.read(); readErr == nil && now != file {
				secret, file = again, now
				token, err = c.exchange(ctx, secret, o)
			}
		}
		if err == nil {
			c.keep(token, file, o)
			return token, nil
		}
	} else {
		err = &CredentialError{TenantID: c.config.TenantID, ClientID: c.config.ClientID, File: c.identity.file, Reason: ReasonFile, kind: c.identity.kind, err: err}
	}
	c.note(ctx, err, file)
	return azcore.AccessToken{}, err
}

// recent returns the last failure if asking again would be too soon. A file
// that has changed since is reason enough to ask.
func (c *credential) recent(file digest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil && c.file == file && time.Since(c.tried) < c.pause {
		return c.failure
	}
	return nil
}

func (c *credential) keep(token azcore.AccessToken, file digest, o policy.TokenRequestOptions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.held, c.scope, c.got, c.tried = token, strings.Join(o.Scopes, " "), now, now
	c.failure, c.file = nil, file
}

// note remembers a failure that came from outside; one of the caller's own
// context says nothing about the next call.
func (c *credential) note(ctx context.Context, err error, file digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = time.Now()
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	c.failure, c.file, c.pause = err, file, failurePause
	var e *CredentialError
	if errors.As(err, &e) {
		c.pause = min(max(failurePause, e.RetryAfter), maxFailurePause)
	}
}

// exchange gets a token for a secret, by an azidentity credential made for this
// one request.
func (c *credential) exchange(ctx context.Context, secret secret, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	got := &recorded{}
	var inner azcore.TokenCredential
	var err error
	switch c.identity.kind {
	case bySecret:
		inner, err = azidentity.NewClientSecretCredential(c.config.TenantID, c.config.ClientID, secret.text, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: c.options, DisableInstanceDiscovery: !c.discovery,
		})
	case byCertificate:
		inner, err = azidentity.NewClientCertificateCredential(c.config.TenantID, c.config.ClientID, secret.certificates, secret.key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: c.options, DisableInstanceDiscovery: !c.discovery,
		})
	default:
		inner, err = azidentity.NewClientAssertionCredential(c.config.TenantID, c.config.ClientID, func(context.Context) (string, error) { return secret.text, nil }, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: c.options, DisableInstanceDiscovery: !c.discovery,
		})
	}
	if err != nil {
		return azcore.AccessToken{}, errors.New("azidentity does not take the credential's settings")
	}
	token, err := inner.GetToken(context.WithValue(ctx, recordedKey{}, got), o)
	if err != nil {
		return azcore.AccessToken{}, c.explain(ctx, got, secret)
	}
	c.log.DebugContext(ctx, "token received", "expires", token.ExpiresOn)
	return token, nil
}
