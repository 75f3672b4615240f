package graphsim

import "fmt"

// Fault names one thing that goes wrong on purpose. Faults fire by count: every
// so many candidates, at a phase that the seed decides.
type Fault string

// What Graph and the network between do to a correct bridge.
const (
	DuplicateItem         Fault = "duplicate_item"
	DuplicateUnidentified Fault = "duplicate_unidentified"
	DuplicateResealed     Fault = "duplicate_resealed"
	ReorderItem           Fault = "reorder_item"
	RepeatPost            Fault = "repeat_post"
	CutPost               Fault = "cut_post"
	GrownPayload          Fault = "grown_payload"
	MisfitPayload         Fault = "misfit_payload"
	BigPayload            Fault = "big_payload"
	RotateKeys            Fault = "rotate_keys"
	RotateKeysUnannounced Fault = "rotate_keys_unannounced"
	AuthorityDown         Fault = "authority_down"
	AuthoritySlow         Fault = "authority_slow"
	AuthorityGarbage      Fault = "authority_garbage"
)

// What the subscriptions API does to a correct renewer (with Config.API).
const (
	APIThrottled        Fault = "api_throttled"
	APIError            Fault = "api_500"
	APIUnavailable      Fault = "api_503"
	APITimedOut         Fault = "api_504"
	APICutBefore        Fault = "api_cut_before"
	APICutAfter         Fault = "api_cut_after"
	APISlow             Fault = "api_slow"
	APIUnauthorized     Fault = "api_unauthorized"
	APIGarbage          Fault = "api_garbage"
	QuotaHit            Fault = "quota_hit"
	RenewedShort        Fault = "renewed_short"
	HandshakeLost       Fault = "handshake_lost"
	ListExpired         Fault = "list_expired"
	ListHidden          Fault = "list_hidden"
	ListPageLost        Fault = "list_page_lost"
	SilentRemoval       Fault = "silent_removal"
	SubscriptionRemoved Fault = "subscription_removed"
	NoticeRepeated      Fault = "notice_repeated"
	NoticeLate          Fault = "notice_late"
	NoticeLost          Fault = "notice_lost"
	NoticeMissed        Fault = "notice_missed"
)

// What a forger does. Each deviates from the genuine in exactly one way.
const (
	ForgeMalformedItem         Fault = "forge_malformed_item"
	ForgeClientStateMissing    Fault = "forge_client_state_missing"
	ForgeClientStateMalformed  Fault = "forge_client_state_malformed"
	ForgeClientStateUnknownKey Fault = "forge_client_state_unknown_key"
	ForgeClientStateWrong      Fault = "forge_client_state_wrong"
	ForgeClientStateForeign    Fault = "forge_client_state_foreign"
	ForgeTokenMissing          Fault = "forge_token_missing"
	ForgeTokenMalformed        Fault = "forge_token_malformed"
	ForgeTokenAlgorithmNone    Fault = "forge_token_algorithm_none"
	ForgeTokenAlgorithmHS256   Fault = "forge_token_algorithm_hs256"
	ForgeTokenUnknownKey       Fault = "forge_token_unknown_key"
	ForgeTokenSignature        Fault = "forge_token_signature"
	ForgeTokenExpired          Fault = "forge_token_expired"
	ForgeTokenNotYetValid      Fault = "forge_token_not_yet_valid"
	ForgeTokenIssuer           Fault = "forge_token_issuer"
	ForgeTokenAudience         Fault = "forge_token_audience"
	ForgeTokenPublisher        Fault = "forge_token_publisher"
	ForgeTokenTenant           Fault = "forge_token_tenant"
	ForgeSealedMalformed       Fault = "forge_sealed_malformed"
	ForgeCertificateUnknown    Fault = "forge_certificate_unknown"
	ForgeDataKey               Fault = "forge_data_key"
	ForgeDataSignatureMissing  Fault = "forge_data_signature_missing"
	ForgeDataTampered          Fault = "forge_data_tampered"
	ForgeDataSignature         Fault = "forge_data_signature"
	ForgePadding               Fault = "forge_padding"
	ForgePayloadNotJSON        Fault = "forge_payload_not_json"
)

// FaultInfo describes a fault.
type FaultInfo struct {
	Fault Fault
	// Per says what its candidates are: item, post, request (to the authority);
	// with Config.API also call, create, renewal (creations too), list,
	// handshake, notice, death (of a subscription).
	Per   string
	Every int // how often it fires by default; 0: not
	// Reason is why the bridge must set a forgery aside, as it stands in its
	// quarantine record; "" for a fault that must cost nothing.
	Reason string
	// Sealed faults need Certificates and not Basic.
	Sealed bool
	Means  string
}

// FaultList returns every fault. Those that fire by default are what Graph is
// known to do to everybody (FACTS §1.5, §7).
func FaultList() []FaultInfo {
	return []FaultInfo{
		{DuplicateItem, "item", 25, "", false, "an item comes again, the same to the byte, up to eight items later; items that nothing tells from others like them are spared"},
		{DuplicateUnidentified, "item", 0, "", false, "an item comes again that nothing tells from another like it: a basic update, a lifecycle notice"},
		{DuplicateResealed, "item", 0, "", true, "an item comes again, sealed anew; whether Graph does so is not documented, and not every payload tells that it is the same"},
		{ReorderItem, "item", 20, "", false, "an item comes up to eight items late"},
		{RepeatPost, "post", 0, "", false, "a POST is sent once more although it was acknowledged"},
		{CutPost, "post", 0, "", false, "the first attempt breaks off in mid-body; the retry is whole"},
		{GrownPayload, "item", 40, "", true, "a payload has members that nobody documented"},
		{MisfitPayload, "item", 0, "", true, "a member of a payload has a type that it never had"},
		{BigPayload, "item", 250, "", true, "a payload of about 100 kB"},
		{RotateKeys, "post", 0, "", false, "tokens are signed by the next key, which was published before"},
		{RotateKeysUnannounced, "post", 0, "", false, "tokens are signed by a key that was not published before; more than one a minute outruns a bridge that refetches once a minute"},
		{AuthorityDown, "request", 0, "", false, "the authority answers 503"},
		{AuthoritySlow, "request", 0, "", false, "the authority answers after 5 s"},
		{AuthorityGarbage, "request", 0, "", false, "the authority answers 200 with a page that is not JSON"},

		{APIThrottled, "call", 300, "", false, "the API answers 429 with Retry-After although no limit was passed"},
		{APIError, "call", 0, "", false, "the API answers 500 and does nothing"},
		{APIUnavailable, "call", 300, "", false, "the API answers 503 and does nothing"},
		{APITimedOut, "call", 0, "", false, "the API does it and answers 504"},
		{APICutBefore, "call", 0, "", false, "the connection breaks before the API does anything"},
		{APICutAfter, "call", 0, "", false, "the API does it and the connection breaks before the answer"},
		{APISlow, "call", 0, "", false, "the API begins 20 s late"},
		{APIUnauthorized, "call", 0, "", false, "the API answers 401 to an access token that is good, and from then on"},
		{APIGarbage, "call", 0, "", false, "the API does it and answers with a page that is not JSON, or half of its answer"},
		{QuotaHit, "create", 0, "", false, "a creation is refused for a quota that is not reached"},
		{RenewedShort, "renewal", 0, "", false, "a renewal is granted for half of the time asked for"},
		{HandshakeLost, "handshake", 200, "", false, "a validation request never arrives: 400 after 10 s"},
		{ListExpired, "list", 5, "", false, "a list shows subscriptions that are gone"},
		{ListHidden, "list", 0, "", false, "a list leaves one living subscription out"},
		{ListPageLost, "list", 0, "", false, "a list leaves a page out"},
		{SilentRemoval, "renewal", 0, "", false, "a subscription dies before its time, and nobody is told"},
		{SubscriptionRemoved, "renewal", 0, "", false, "a subscription to chat messages is removed, with a notice"},
		{NoticeRepeated, "notice", 10, "", false, "a lifecycle notice comes again, minutes later"},
		{NoticeLate, "death", 10, "", false, "a lifecycle notice comes for a subscription that is long gone"},
		{NoticeLost, "notice", 0, "", false, "a lifecycle notice is not sent; the next one comes later"},
		{NoticeMissed, "notice", 0, "", false, "a lifecycle notice says missed, which is not documented for Teams"},

		{ForgeMalformedItem, "item", 0, "malformed_item", false, "an element of value that is no change notification"},
		{ForgeClientStateMissing, "item", 0, "client_state_missing", false, "no clientState"},
		{ForgeClientStateMalformed, "item", 0, "client_state_malformed", false, "a clientState with the bridge's prefix and nothing sensible after it"},
		{ForgeClientStateUnknownKey, "item", 0, "client_state_unknown_key", false, "a well-formed clientState under a key id that nobody has"},
		{ForgeClientStateWrong, "item", 0, "client_state_mismatch", false, "a guessed clientState"},
		{ForgeClientStateForeign, "item", 0, "client_state_mismatch", false, "the clientState of another tenant"},
		{ForgeTokenMissing, "item", 0, "token_missing", true, "sealed items in a POST without tokens"},
		{ForgeTokenMalformed, "item", 0, "token_malformed", true, "a token of two parts"},
		{ForgeTokenAlgorithmNone, "item", 0, "token_algorithm", true, "an unsigned token"},
		{ForgeTokenAlgorithmHS256, "item", 0, "token_algorithm", true, "a token whose HMAC key is the published public key"},
		{ForgeTokenUnknownKey, "item", 0, "token_unknown_key", true, "a token signed by a key that is not published"},
		{ForgeTokenSignature, "item", 0, "token_signature", true, "a token that names a published key but was signed by another"},
		{ForgeTokenExpired, "item", 0, "token_expired", true, "a token that expired an hour ago"},
		{ForgeTokenNotYetValid, "item", 0, "token_not_yet_valid", true, "a token that becomes valid in an hour"},
		{ForgeTokenIssuer, "item", 0, "token_issuer", true, "a token whose issuer is another tenant's"},
		{ForgeTokenAudience, "item", 0, "token_audience", true, "a token made for another app"},
		{ForgeTokenPublisher, "item", 0, "token_publisher", true, "a token of another client than Graph's change tracking"},
		{ForgeTokenTenant, "item", 0, "token_tenant", true, "a good token, of another tenant than the item"},
		{ForgeSealedMalformed, "item", 0, "sealed_malformed", true, "data that is not base64, or no dataKey"},
		{ForgeCertificateUnknown, "item", 0, "decryption_key_unknown", true, "sealed for a certificate that is not the bridge's"},
		{ForgeDataKey, "item", 0, "data_key_unopened", true, "a dataKey of the right length that holds nothing"},
		{ForgeDataSignatureMissing, "item", 0, "data_signature_missing", true, "no dataSignature"},
		{ForgeDataTampered, "item", 0, "data_signature_mismatch", true, "one bit of data turned over"},
		{ForgeDataSignature, "item", 0, "data_signature_mismatch", true, "a dataSignature made with another key, over the base64 text"},
		{ForgePadding, "item", 0, "sealed_padding", true, "well signed data whose padding is not PKCS#7"},
		{ForgePayloadNotJSON, "item", 0, "payload_not_json", true, "well sealed text that is no JSON object"},
	}
}

// forgery reports whether f makes an item that must not become a record.
func (i FaultInfo) forgery() bool { return i.Reason != "" }

// needsAPI reports whether only the API can commit f.
func (i FaultInfo) needsAPI() bool {
	return i.Per != "item" && i.Per != "post" && i.Per != "request"
}

// possible returns why i cannot be had with c, nil if it can.
func (i FaultInfo) possible(c Config) error {
	switch {
	case i.needsAPI() && c.API == nil:
		return fmt.Errorf("check config: fault %s needs the API", i.Fault)
	case c.API != nil: // what a subscription is like, its subscriber decides
		return nil
	case i.Sealed && (c.Basic || len(c.Certificates) == 0):
		return fmt.Errorf("check config: fault %s needs certificates and rich subscriptions", i.Fault)
	case i.Fault == ForgeClientStateForeign && !c.statesBound():
		return fmt.Errorf("check config: fault %s needs a ClientState that depends on the tenant", i.Fault)
	}
	return nil
}
