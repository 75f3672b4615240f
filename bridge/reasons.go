package bridge

import "fmt"

// Reason is why an item could not become a record. The list is closed: it is
// the value in the quarantine record, the metric label, the log field and a
// row of docs/security.md at once.
type Reason string

// The reasons, in the order in which an item meets the checks (DESIGN §4).
const (
	MalformedItem         Reason = "malformed_item"
	ClientStateMissing    Reason = "client_state_missing"
	ClientStateMalformed  Reason = "client_state_malformed"
	ClientStateUnknownKey Reason = "client_state_unknown_key"
	ClientStateMismatch   Reason = "client_state_mismatch"
	TokenMissing          Reason = "token_missing"
	TokenMalformed        Reason = "token_malformed"
	TokenAlgorithm        Reason = "token_algorithm"
	TokenUnknownKey       Reason = "token_unknown_key"
	TokenSignature        Reason = "token_signature"
	TokenExpired          Reason = "token_expired"
	TokenNotYetValid      Reason = "token_not_yet_valid"
	TokenIssuer           Reason = "token_issuer"
	TokenAudience         Reason = "token_audience"
	TokenPublisher        Reason = "token_publisher"
	TokenTenant           Reason = "token_tenant"
	SealedMalformed       Reason = "sealed_malformed"
	DecryptionKeyUnknown  Reason = "decryption_key_unknown"
	DataKeyUnopened       Reason = "data_key_unopened"
	DataSignatureMissing  Reason = "data_signature_missing"
	DataSignatureMismatch Reason = "data_signature_mismatch"
	SealedPadding         Reason = "sealed_padding"
	PayloadNotJSON        Reason = "payload_not_json"
	RecordTooLarge        Reason = "record_too_large"
)

// ReasonInfo describes a reason to people and to the quarantine.
type ReasonInfo struct {
	Reason Reason
	Means  string
	// Limited reasons can be provoked by anyone who knows the URL, so their
	// quarantine records are rate-limited (DESIGN §3).
	Limited bool
	// Replayable reasons can be cured by a change on our side; what failed for
	// any other stays out for ever (DESIGN §7).
	Replayable bool
}

// Reasons returns every reason in the order in which an item meets the checks.
func Reasons() []ReasonInfo {
	return []ReasonInfo{
		{MalformedItem, "the item is no JSON object with the members of a change notification", true, false},
		{ClientStateMissing, "the item has no clientState", true, false},
		{ClientStateMalformed, "the clientState has our prefix but not our form", true, false},
		{ClientStateUnknownKey, "the clientState names a key that is not among the client-state keys", true, true},
		{ClientStateMismatch, "the clientState is neither a MAC of ours for this tenant nor one of the literal values", true, false},
		{TokenMissing, "the item is sealed but the POST carried no validation token", false, false},
		{TokenMalformed, "a validation token of the POST is no JWT with the claims of a validation token", false, false},
		{TokenAlgorithm, "a validation token of the POST is not signed with RS256", false, false},
		{TokenUnknownKey, "a validation token of the POST names a key that the published key sets do not hold", false, false},
		{TokenSignature, "the signature of a validation token of the POST is wrong", false, false},
		{TokenExpired, "a validation token of the POST had expired", false, false},
		{TokenNotYetValid, "a validation token of the POST was not valid yet", false, false},
		{TokenIssuer, "the issuer of a validation token is not the one of its tenant and version", false, true},
		{TokenAudience, "a validation token of the POST is for an app id that is not ours", false, true},
		{TokenPublisher, "a validation token of the POST was not made for Graph's change tracking", false, false},
		{TokenTenant, "no validation token of the POST covers the item's tenant", false, false},
		{SealedMalformed, "a member of encryptedContent is missing, not base64 or of a wrong length", false, false},
		{DecryptionKeyUnknown, "no decryption key has the certificate id or thumbprint", false, true},
		{DataKeyUnopened, "the decryption key does not open the data key", false, true},
		{DataSignatureMissing, "encryptedContent has no dataSignature", false, false},
		{DataSignatureMismatch, "the data signature is wrong", false, false},
		{SealedPadding, "the data does not decrypt to padded blocks", false, false},
		{PayloadNotJSON, "the opened content is no JSON object", false, false},
		{RecordTooLarge, "Kafka refused the record as too large for its topic", false, true},
	}
}

// Rejection is the error of a check that an item did not pass: theirs, not
// ours. Detail never holds a secret or plaintext.
type Rejection struct { //nolint:errname // it is what becomes of an item, and travels as an error
	Reason Reason
	Detail error // what exactly, for the log at debug level; may be nil
}

// Reject returns a *Rejection with a formatted detail (as fmt.Errorf).
func Reject(r Reason, format string, args ...any) *Rejection {
	return &Rejection{Reason: r, Detail: fmt.Errorf(format, args...)}
}

func (r *Rejection) Error() string {
	if r.Detail == nil {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.Detail.Error()
}

// Unwrap returns the detail.
func (r *Rejection) Unwrap() error { return r.Detail }
