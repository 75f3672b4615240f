package sealed

import "crypto/rsa"

// Implementation names the RSA implementation that was built in.
func Implementation() string { return implementation() }

// Unwrapper returns nothing but the private-key operation of key, which bounds
// what a ring opens.
func Unwrapper(key *rsa.PrivateKey) (func(wrapped []byte) ([]byte, error), error) {
	u, err := newUnwrapper(key)
	return u.unwrap, err
}
