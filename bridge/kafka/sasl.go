package kafka

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The values of --kafka-sasl.
const (
	saslPlain    = "plain"
	saslScram256 = "scram-sha-256"
	saslScram512 = "scram-sha-512"
	saslOAuth    = "oauthbearer"
)

// mechanism returns how to log in, nil for not at all. The secret is read anew
// for each connection.
func (c Config) mechanism() (sasl.Mechanism, error) {
	switch c.SASL {
	case "":
		for _, f := range []struct{ flag, value string }{
			{"--kafka-user", c.User}, {"--kafka-password-file", c.PasswordFile},
		} {
			if f.value != "" {
				return nil, fmt.Errorf("%s is given without --kafka-sasl: say how to log in", f.flag)
			}
		}
		return nil, nil
	case saslPlain, saslScram256, saslScram512:
		if c.User == "" {
			return nil, fmt.Errorf("--kafka-sasl %s needs --kafka-user", c.SASL)
		}
	case saslOAuth:
		if c.User != "" {
			return nil, fmt.Errorf("--kafka-user is given with --kafka-sasl %s, which has no user: the token says who we are", c.SASL)
		}
	default:
		return nil, fmt.Errorf("--kafka-sasl: %q is none of %s, %s, %s, %s", c.SASL, saslPlain, saslScram256, saslScram512, saslOAuth)
	}
	if c.PasswordFile == "" {
		return nil, fmt.Errorf("--kafka-sasl %s needs --kafka-password-file", c.SASL)
	}
	read := func() (string, error) { return readSecret("--kafka-password-file", c.PasswordFile) }
	if _, err := read(); err != nil {
		return nil, err
	}
	switch c.SASL {
	case saslPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := read()
			return plain.Auth{User: c.User, Pass: pass}, err
		}), nil
	case saslOAuth:
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := read()
			return oauth.Auth{Token: token}, err
		}), nil
	}
	auth := func(context.Context) (scram.Auth, error) {
		pass, err := read()
		return scram.Auth{User: c.User, Pass: pass}, err
	}
	if c.SASL == saslScram256 {
		return scram.Sha256(auth), nil
	}
	return scram.Sha512(auth), nil
}

// readSecret returns the content of a secret's file without the line end that
// editors leave. An empty file is an error, since no secret of ours is empty.
func readSecret(flag, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty", flag, path)
	}
	return secret, nil
}
