package sealed

import (
	"crypto/rsa"
	"crypto/sha1" // Graph's OAEP is over SHA-1 (FACTS §2.2); its safety does not rest on collisions
)

// unwrapper is a private key in the form that the RSA implementation wants.
// This file is the one place that knows which implementation that is.
type unwrapper struct{ key *rsa.PrivateKey }

func newUnwrapper(key *rsa.PrivateKey) unwrapper {
	key.Precompute()
	return unwrapper{key}
}

// unwrap undoes RSA-OAEP with SHA-1 and MGF1-SHA-1. wrapped is as long as the
// key's modulus. The error says nothing about what was wrong.
func (u unwrapper) unwrap(wrapped []byte) ([]byte, error) {
	return rsa.DecryptOAEP(sha1.New(), nil, u.key, wrapped, nil)
}
