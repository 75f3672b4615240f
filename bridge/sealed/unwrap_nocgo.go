//go:build openssl && !cgo

package sealed

import "crypto/rsa"

// Without cgo there is no OpenSSL. Whoever asked for it must not get Go's RSA
// unawares, so this does not compile, and the compiler says what to do.
var newUnwrapper func(*rsa.PrivateKey) (unwrapper, error) = the_build_tag_openssl_needs_cgo_and_a_C_compiler__set_CGO_ENABLED_1

type unwrapper struct {
	unwrap func([]byte) ([]byte, error)
}

func implementation() string { return "" }
