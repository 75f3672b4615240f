//go:build openssl && cgo

package sealed

/*
#cgo LDFLAGS: -lcrypto
#cgo noescape meetbridge_unwrap
#cgo nocallback meetbridge_unwrap

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#if OPENSSL_VERSION_MAJOR < 3
#error "the build tag openssl needs OpenSSL 3 or newer"
#endif

// OpenSSL keeps a queue of errors for each thread, and the next call from Go may
// be on another one: so each of these functions leaves the queue empty.

// meetbridge_parse returns the RSA key in PKCS#1 DER, or NULL.
static EVP_PKEY *meetbridge_parse(const unsigned char *der, long size) {
	EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, size);
	ERR_clear_error();
	return key;
}

// meetbridge_context returns a context that undoes OAEP with SHA-1 by a copy of
// key, which it owns, or NULL.
static EVP_PKEY_CTX *meetbridge_context(EVP_PKEY *key) {
	EVP_PKEY *own = EVP_PKEY_dup(key);
	EVP_PKEY_CTX *ctx = own == NULL ? NULL : EVP_PKEY_CTX_new(own, NULL);
	EVP_PKEY_free(own); // the context holds a reference
	if (ctx != NULL && (EVP_PKEY_decrypt_init(ctx) <= 0 ||
			EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0 ||
			EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha1()) <= 0 ||
			EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha1()) <= 0)) {
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

// meetbridge_unwrap opens in, and returns how many bytes of out it wrote, or -1.
// Both are size bytes long; OpenSSL refuses an out shorter than the modulus.
static int meetbridge_unwrap(EVP_PKEY_CTX *ctx, unsigned char *out, const unsigned char *in, size_t size) {
	size_t written = size;
	int opened = EVP_PKEY_decrypt(ctx, out, &written, in, size);
	ERR_clear_error();
	return opened > 0 ? (int)written : -1;
}
*/
import "C"

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"runtime"
	"unsafe"
)

// unwrapper is a private key inside OpenSSL, which keeps no pointer into Go's
// memory.
type unwrapper struct{ *contexts }

// contexts are as many ready ones as there are processors. Each has a copy of
// the key, since the blinding of one that threads share is behind a lock, and is
// used by one goroutine at a time; who finds none waits, so that a burst does
// not become a thread for each of its items. They are freed when nothing refers
// to the struct any more.
type contexts struct{ free chan *C.EVP_PKEY_CTX }

// implementation names the RSA implementation, for people: the library that was
// found at start, not the one of the build.
func implementation() string { return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }

// newUnwrapper returns key ready for use.
func newUnwrapper(key *rsa.PrivateKey) (unwrapper, error) {
	refused := errors.New("OpenSSL does not take the private key, or no SHA-1 with it: " + makeAnother + ", or look at OpenSSL's configuration")
	der := x509.MarshalPKCS1PrivateKey(key)
	defer clear(der)
	parsed := C.meetbridge_parse((*C.uchar)(unsafe.SliceData(der)), C.long(len(der)))
	if parsed == nil {
		return unwrapper{}, refused
	}
	defer C.EVP_PKEY_free(parsed)
	all := make([]*C.EVP_PKEY_CTX, runtime.GOMAXPROCS(0))
	c := &contexts{make(chan *C.EVP_PKEY_CTX, len(all))}
	runtime.AddCleanup(c, freeContexts, all)
	for i := range all {
		if all[i] = C.meetbridge_context(parsed); all[i] == nil {
			return unwrapper{}, refused
		}
		c.free <- all[i]
	}
	return unwrapper{c}, nil
}

func freeContexts(all []*C.EVP_PKEY_CTX) {
	for _, ctx := range all {
		C.EVP_PKEY_CTX_free(ctx) // NULL is nothing to do
	}
}

// unwrap undoes RSA-OAEP with SHA-1 and MGF1-SHA-1. wrapped is as long as the
// key's modulus. The error says nothing about what was wrong.
func (u unwrapper) unwrap(wrapped []byte) ([]byte, error) {
	out := make([]byte, len(wrapped))
	ctx := <-u.free
	n := C.meetbridge_unwrap(ctx, (*C.uchar)(unsafe.SliceData(out)), (*C.uchar)(unsafe.SliceData(wrapped)), C.size_t(len(wrapped)))
	u.free <- ctx
	runtime.KeepAlive(u.contexts)
	if n < 0 {
		return nil, errors.New("open data key: decryption error")
	}
	return out[:n], nil
}
