//go:build !openssl

package sealed

import (
	"crypto/rsa"
	"crypto/sha1" // Graph's OAEP is over SHA-1 (FACTS §2.2); its safety does not rest on collisions
	"runtime"
)

// unwrapper is a private key in the form that the RSA implementation wants: here
// Go's own, with the build tag openssl that of unwrap_openssl.go. These files
// are the one place that knows which implementation it is.
type unwrapper struct{ key *rsa.PrivateKey }

// implementation names the RSA implementation, for people.
func implementation() string { return "Go " + runtime.Version() + " crypto/rsa" }

// newUnwrapper returns key ready for use. Go takes every key that it has parsed.
func newUnwrapper(key *rsa.PrivateKey) (unwrapper, error) {
	key.Precompute()
	return unwrapper{key}, nil
}

// unwrap undoes RSA-OAEP with SHA-1 and MGF1-SHA-1. wrapped is as long as the
// key's modulus. The error says nothing about what was wrong.
func (u unwrapper) unwrap(wrapped []byte) ([]byte, error) {
	return rsa.DecryptOAEP(sha1.New(), nil, u.key, wrapped, nil)
}
