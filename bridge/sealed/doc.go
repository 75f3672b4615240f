// Package sealed opens the sealed content of rich notifications: unwrap the
// data key (RSA-OAEP), verify the MAC, and only then decrypt (FACTS §2.2).
//
// It owns the private keys and the directory they come from. It refuses to own
// anything else: what the opened payload means is bridge's business, and who
// sealed it is proven elsewhere, since anybody who has a certificate can seal.
//
// The private-key operation is Go's. The build tag openssl (with cgo) has it done
// by OpenSSL 3, which is 2.5 to 3 times as fast; nothing else changes.
package sealed
