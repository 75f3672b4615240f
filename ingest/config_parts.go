package ingest

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/process"
	"meetbridge/bridge/sealed"
	"meetbridge/ingest/token"
)

// checkParts asks each part that New is going to make whether it can be made
// of its settings.
func (c Config) checkParts() []error {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	quiet := slog.New(slog.DiscardHandler) // New says it aloud
	if c.Listener == nil {
		check(process.CheckListen("--listen", c.Listen))
	}
	if c.AdminListener == nil {
		check(process.CheckListen("--admin-listen", c.AdminListen))
	}
	if c.TLSCert != "" && c.TLSKey != "" {
		_, err := loadKeyPair(c)
		check(err)
	}
	_, err := c.Kafka.Options(quiet)
	check(err)
	check(c.Producer.Check())
	_, err = kafka.NewRegistry(c.Registry, quiet)
	check(err)
	if c.DecryptionKeys != "" {
		if _, _, err := sealed.LoadRing(c.DecryptionKeys); err != nil {
			check(fmt.Errorf("--decryption-keys: %w: correct the path, or make a key with meetbridge keys new", err))
		}
	}
	_, err = c.Verifier(quiet)
	check(err)
	if c.ClientStateKeys != "" || c.ClientStates != "" {
		_, err = loadClientStates(c.Trust)
		check(err)
	}
	check(checkEndpoint(c.OTLPEndpoint))
	return errs
}

// Verifier returns what proves validation tokens, or the error that names the
// wrong flag. It asks nothing of the authority before it is started.
func (c Config) Verifier(log *slog.Logger) (*token.Verifier, error) {
	client := c.AuthorityHTTP
	if client == nil && c.EntraCA != "" {
		pool, err := process.Authorities(c.EntraCA)
		if err != nil {
			return nil, fmt.Errorf("--entra-ca: %w", err)
		}
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
		client = &http.Client{Transport: t}
	}
	return token.New(token.Config{Authority: c.EntraAuthority, STS: c.EntraSTS, AppIDs: c.AppIDs, HTTP: client, Log: log})
}
