package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/bridge"
)

// symmetricKeySize is the length of the data key once unwrapped. It serves both
// HMAC and AES, and its first block is the IV (FACTS §2.2).
const symmetricKeySize = 32

// Open returns the payload sealed in c: UTF-8 text of one JSON object, byte for
// byte as it was sealed. Whatever is wrong with c is a *bridge.Rejection; after
// the data key is open, it says no more than its reason, and nothing is
// decrypted before its MAC was found right. It is safe for concurrent use.
func (r *Ring) Open(c bridge.EncryptedContent) ([]byte, error) {
	data := decode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(c.Data))), c.Data)
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, bridge.Reject(bridge.SealedMalformed, "data is missing, not base64 or not whole blocks")
	}
	var wrapped [MaxBits / 8]byte
	dataKey := decode(wrapped[:0], c.DataKey)
	if len(dataKey) < MinBits/8 {
		return nil, bridge.Reject(bridge.SealedMalformed, "data key is missing, not base64 or of no RSA key's length")
	}
	if c.DataSignature == "" {
		return nil, &bridge.Rejection{Reason: bridge.DataSignatureMissing}
	}
	var given [sha256.Size]byte
	signature := decode(given[:0], c.DataSignature)
	if len(signature) != sha256.Size {
		return nil, bridge.Reject(bridge.SealedMalformed, "data signature is not base64 of %d bytes", sha256.Size)
	}
	if c.CertificateID == "" && c.CertificateThumbprint == "" {
		return nil, bridge.Reject(bridge.SealedMalformed, "encryption certificate has neither id nor thumbprint")
	}

	symmetric, err := r.unwrap(c, dataKey)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, symmetric)
	mac.Write(data)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return nil, &bridge.Rejection{Reason: bridge.DataSignatureMismatch}
	}
	return decrypt(symmetric, data)
}

// unwrap returns the symmetric key in dataKey.
func (r *Ring) unwrap(c bridge.EncryptedContent, dataKey []byte) ([]byte, error) {
	keys := r.find(c.CertificateID, c.CertificateThumbprint)
	if keys == [2]*key{} {
		return nil, &bridge.Rejection{Reason: bridge.DecryptionKeyUnknown}
	}
	for _, k := range keys {
		if k == nil || k.size != len(dataKey) {
			continue
		}
		symmetric, err := k.unwrap(dataKey)
		if err != nil {
			continue
		}
		if len(symmetric) != symmetricKeySize {
			return nil, bridge.Reject(bridge.SealedMalformed, "data key does not hold %d bytes", symmetricKeySize)
		}
		return symmetric, nil
	}
	return nil, &bridge.Rejection{Reason: bridge.DataKeyUnopened}
}

// decrypt undoes AES-256-CBC and PKCS#7 in place. The MAC was right, so that
// whoever made a wrong padding has the key already and learns nothing by it.
func decrypt(symmetric, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(symmetric)
	if err != nil {
		return nil, &bridge.Rejection{Reason: bridge.DataKeyUnopened}
	}
	cipher.NewCBCDecrypter(block, symmetric[:aes.BlockSize]).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, &bridge.Rejection{Reason: bridge.SealedPadding}
	}
	for _, b := range data[len(data)-pad:] {
		if int(b) != pad {
			return nil, &bridge.Rejection{Reason: bridge.SealedPadding}
		}
	}
	payload := data[:len(data)-pad]
	if !isObject(payload) {
		return nil, &bridge.Rejection{Reason: bridge.PayloadNotJSON}
	}
	return payload, nil
}

// isObject reports whether payload is UTF-8 and one JSON object. Duplicate
// members and lone surrogates in escapes pass: people's texts hold such things,
// and the payload is kept as it is.
func isObject(payload []byte) bool {
	v := jsontext.Value(payload)
	return utf8.Valid(payload) && v.Kind() == '{' &&
		v.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// decode returns dst with the bytes of base64 text s appended, or nil if s is
// not canonical standard base64, has line breaks, or holds more than dst has
// room for.
func decode(dst []byte, s string) []byte {
	padding := len(s) - len(strings.TrimRight(s, "="))
	want := len(s)/4*3 - padding
	if len(s)%4 != 0 || padding > 2 || want > cap(dst) {
		return nil
	}
	// The last group may be decoded into three bytes before padding cuts it.
	n, err := base64.StdEncoding.Strict().Decode(dst[:min(cap(dst), want+padding)], []byte(s))
	if err != nil || n != want { // line breaks are skipped by Decode, and so missing here
		return nil
	}
	return dst[:n]
}
