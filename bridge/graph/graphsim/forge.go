package graphsim

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"time"
)

// forger makes what only looks like Graph's: it knows the bridge's URL, its
// public certificates and what genuine items look like, nothing secret.
type forger struct {
	cfg    Config
	tokens *tokenMaker

	once sync.Once
	key  *signingKey // the forger's own; see ownKey
	err  error
}

// ownKey returns the forger's RSA key, made when first needed.
func (f *forger) ownKey() (*signingKey, error) {
	f.once.Do(func() { f.key, f.err = newSigningKey(time.Now()) })
	return f.key, f.err
}

// alter turns the item w, and what was sealed for it, into the forgery that it
// is to be. Forgeries of tokens leave items alone.
func (f *forger) alter(it *item, w *wireItem, sealed *sealedContent) (*sealedContent, error) {
	switch it.forgery {
	case ForgeClientStateMissing:
		w.ClientState = ""
	case ForgeClientStateMalformed:
		w.ClientState = "mb1." + opaque(9)
	case ForgeClientStateUnknownKey:
		w.ClientState = "mb1.nosuchkey." + opaque(16) + "." + opaque(32)
	case ForgeClientStateWrong:
		w.ClientState = "guess-" + opaque(12)
	case ForgeClientStateForeign:
		if w.ClientState = it.foreignState; w.ClientState == "" {
			w.ClientState = f.cfg.ClientState(foreignTenant)
		}
	case ForgeSealedMalformed:
		if len(it.id)%2 == 0 {
			sealed.DataKey = ""
		} else {
			sealed.Data = "*" + sealed.Data[1:]
		}
	case ForgeCertificateUnknown:
		own, err := f.ownKey()
		if err != nil {
			return nil, err
		}
		s := sealer{id: "not-a-known-certificate", thumbprint: "00112233445566778899AABBCCDDEEFF00112233", key: &own.private.PublicKey}
		return s.seal(it.payload)
	case ForgeDataKey:
		b := make([]byte, it.sub.sealer.key.Size())
		_, _ = rand.Read(b[1:]) // never fails; below the modulus
		sealed.DataKey = base64.StdEncoding.EncodeToString(b)
	case ForgeDataSignatureMissing:
		sealed.DataSignature = ""
	case ForgeDataTampered:
		b, err := base64.StdEncoding.DecodeString(sealed.Data)
		if err != nil {
			return nil, fmt.Errorf("tamper with data: %w", err)
		}
		b[len(b)/2] ^= 1
		sealed.Data = base64.StdEncoding.EncodeToString(b)
	case ForgeDataSignature:
		sealed.DataSignature = base64.StdEncoding.EncodeToString(mac([]byte(sealed.DataKey), []byte(sealed.Data)))
	case ForgePadding:
		blocks := pkcs7(it.payload)
		blocks[len(blocks)-1] = 0
		return it.sub.sealer.sealBlocks(blocks)
	case ForgePayloadNotJSON:
		text := "this is no JSON"
		if len(it.id)%2 == 0 {
			text = `["no","object"]`
		}
		return it.sub.sealer.seal([]byte(text))
	}
	return sealed, nil
}

// appendMalformed appends something that is no change notification; which, the
// item's place in the ledger decides. No two are the same to the byte, or the
// second would be taken for a redelivery.
func (f *forger) appendMalformed(dst []byte, it *item, w wireItem) ([]byte, error) {
	n := it.track.entry.Seq
	switch n % 5 {
	case 0:
		return fmt.Appendf(dst, "%d", n), nil
	case 1:
		return fmt.Appendf(dst, `{"subscriptionId":[%q],"clientState":%q,"n":%d}`, w.SubscriptionID, w.ClientState, n), nil
	case 2:
		return fmt.Appendf(dst, `{"subscriptionId":%q,"subscriptionId":%q,"n":%d}`, w.SubscriptionID, w.SubscriptionID, n), nil
	case 3:
		return fmt.Appendf(dst, "{\"subscriptionId\":\"\xff\xfe%d\"}", n), nil
	}
	w.SubscriptionID = ""
	return appendJSON(dst, w)
}
