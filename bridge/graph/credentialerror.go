package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"
)

// Reason is why no token could be had: a closed list, fit for a metric's label.
type Reason string

// The reasons.
const (
	ReasonFile               Reason = "file"                // the file is missing, empty or broken
	ReasonSecretExpired      Reason = "secret_expired"      // Entra knows the secret, and it is over
	ReasonSecretWrong        Reason = "secret_wrong"        // Entra does not know the secret, certificate or platform token
	ReasonCertificateExpired Reason = "certificate_expired" // the certificate's own end has passed
	ReasonClock              Reason = "clock"               // the proof's own times do not fit Entra's clock
	ReasonApplication        Reason = "application"         // Entra does not know the application in that tenant, or it is switched off
	ReasonTenant             Reason = "tenant"              // Entra does not know the tenant
	ReasonThrottled          Reason = "throttled"           // too many requests for tokens
	ReasonUnavailable        Reason = "unavailable"         // no answer, or one that says: later
	ReasonUnreadable         Reason = "unreadable"          // an answer that is no token
	ReasonRefused            Reason = "refused"             // anything else; the code says what
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonFile, ReasonSecretExpired, ReasonSecretWrong, ReasonCertificateExpired, ReasonClock, ReasonApplication,
		ReasonTenant, ReasonThrottled, ReasonUnavailable, ReasonUnreadable, ReasonRefused,
	}
}

// ofSecret reports whether a new secret is what helps.
func (r Reason) ofSecret() bool {
	return r == ReasonSecretExpired || r == ReasonSecretWrong || r == ReasonCertificateExpired
}

// CredentialError is a token that could not be had. Nothing of the secret and
// none of the authority's words are in it.
type CredentialError struct {
	TenantID, ClientID string
	File               string // that holds the secret, certificate or token
	Reason             Reason
	Code               string        // as AADSTS7000222 or invalid_client; "" if the authority gave none
	Status             int           // of HTTP; 0 if there was no answer
	RetryAfter         time.Duration // 0 to 1 h; 0 if the authority did not say
	TraceID            string        // which Microsoft's support asks for; may be ""

	kind identityKind
	err  error // of the file or of the network; nil else
}

// Error says what is wrong, in which file, and what mends it.
func (e *CredentialError) Error() string {
	text := fmt.Sprintf("no token for application %s in tenant %s: %s", e.ClientID, e.TenantID, e.cause())
	if e.Code != "" {
		text += " (" + e.Code
		if e.TraceID != "" {
			text += ", trace id " + e.TraceID
		}
		text += ")"
	}
	if fix := e.fix(); fix != "" {
		text += ": " + fix
	}
	return text
}

// Unwrap returns the error of the file or of the network, nil where the
// authority itself refused.
func (e *CredentialError) Unwrap() error { return e.err }

func (e *CredentialError) cause() string {
	what := [...]string{"client secret", "certificate", "platform token"}[e.kind]
	switch e.Reason {
	case ReasonFile:
		return fmt.Sprintf("the file of the %s, %s, cannot be used: %v", what, e.File, e.err)
	case ReasonSecretExpired, ReasonCertificateExpired:
		return fmt.Sprintf("the %s in %s has expired", what, e.File)
	case ReasonSecretWrong:
		return fmt.Sprintf("the app registration does not have the %s in %s", what, e.File)
	case ReasonClock:
		return fmt.Sprintf("what proves the %s in %s is not valid now by the authority's clock", what, e.File)
	case ReasonApplication:
		return "the tenant does not know the application, or has switched it off"
	case ReasonTenant:
		return "there is no such tenant in this cloud"
	case ReasonThrottled:
		return fmt.Sprintf("the authority has had too many requests, come back in %s", max(e.RetryAfter, failurePause))
	case ReasonUnreadable:
		return fmt.Sprintf("the authority's answer of status %d is no token", e.Status)
	case ReasonUnavailable:
		if e.err != nil {
			return fmt.Sprintf("the authority cannot be reached: %v", e.err)
		}
		return fmt.Sprintf("the authority answered %d %s", e.Status, http.StatusText(e.Status))
	default:
		return fmt.Sprintf("the authority refused with %d", e.Status)
	}
}

func (e *CredentialError) fix() string {
	switch e.Reason {
	case ReasonFile:
		return "put it right; it is read again for the next token"
	case ReasonSecretExpired, ReasonSecretWrong, ReasonCertificateExpired:
		switch e.kind {
		case bySecret:
			return "add a client secret to the app registration in Entra and write its value (not its id) to the file; it is read again for the next token"
		case byCertificate:
			return "add the certificate to the app registration in Entra, or write another with its key to the file; it is read again for the next token"
		}
		return "check the federated credential of the app registration in Entra: its issuer, subject and audience must be those of the token in the file"
	case ReasonClock:
		if e.kind == byToken {
			return "see why the platform does not renew the token in the file, and whether this machine's clock is right"
		}
		return "set this machine's clock right"
	case ReasonApplication:
		return "check the client id and the tenant id, and that an administrator of the tenant has consented to the application"
	case ReasonTenant:
		return "check the tenant id and the cloud"
	case ReasonRefused:
		if digits := strings.TrimPrefix(e.Code, aadsts); digits != e.Code {
			return "see https://login.microsoftonline.com/error?code=" + digits
		}
	}
	return ""
}

// recorded is what the authority said to one request for a token. azidentity's
// own errors are not used: they repeat answers whole, tokens included.
type recorded struct {
	err    error
	status int
	header http.Header
	body   []byte
}

type recordedKey struct{}

// recorder is the transport below azidentity. It notes answers and failures for
// whoever put a *recorded into the request's context.
type recorder struct{ *transport }

// Do implements policy.Transporter.
func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	resp, err := r.transport.Do(req)
	got, _ := req.Context().Value(recordedKey{}).(*recorded)
	if got == nil {
		return resp, err
	}
	*got = recorded{err: err}
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // all that was wanted of it is read
	if err != nil {
		got.err = err
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	*got = recorded{status: resp.StatusCode, header: resp.Header, body: body}
	return resp, nil
}

var _ policy.Transporter = (*recorder)(nil)

const aadsts = "AADSTS"

// explain returns why no token came, from what the authority said last.
func (c *credential) explain(ctx context.Context, got *recorded, s secret) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	e := &CredentialError{TenantID: c.config.TenantID, ClientID: c.config.ClientID, File: c.identity.file, kind: c.identity.kind, Status: got.status, err: got.err}
	if got.status == 0 {
		e.Reason = ReasonUnavailable
		if e.err == nil {
			e.err = errors.New("it was not asked")
			if err := ctx.Err(); err != nil {
				e.err = err
			}
		}
		return e
	}
	e.RetryAfter = retryAfter(got.header.Get("Retry-After"), got.header.Get("Date"), time.Now())
	said := parseRefusal(got.body)
	e.Code, e.TraceID = said.code, said.traceID
	e.Reason = said.reason(got.status)
	if e.Reason == ReasonSecretWrong && !s.ends.IsZero() && time.Now().After(s.ends) {
		e.Reason = ReasonCertificateExpired
	}
	return e
}

// reason sorts an answer of that status. The numbers are Entra's published error
// codes; it may change them, so what they do not settle, OAuth's own word does.
func (r refusal) reason(status int) Reason {
	switch r.code {
	case aadsts + "7000222":
		return ReasonSecretExpired
	case aadsts + "7000215", aadsts + "700027", aadsts + "70021", aadsts + "700211", aadsts + "700212", aadsts + "700213", aadsts + "50027":
		return ReasonSecretWrong
	case aadsts + "700024", aadsts + "500133":
		return ReasonClock
	case aadsts + "700016", aadsts + "7000112", aadsts + "7000229", aadsts + "90094", aadsts + "65001":
		return ReasonApplication
	case aadsts + "90002", aadsts + "900023", aadsts + "50059":
		return ReasonTenant
	}
	switch {
	case status == http.StatusTooManyRequests:
		return ReasonThrottled
	case status >= 500 || status == http.StatusRequestTimeout:
		return ReasonUnavailable
	case r.word == "invalid_client":
		return ReasonSecretWrong
	case r.word == "unauthorized_client":
		return ReasonApplication
	case r.word == "invalid_tenant":
		return ReasonTenant
	case r.word == "temporarily_unavailable" || r.word == "server_error":
		return ReasonUnavailable
	case r.word == "" && (status < 400 || status > 499):
		return ReasonUnreadable
	}
	return ReasonRefused
}

// refusal is what is kept of the authority's error.
type refusal struct {
	word    string // OAuth's, as invalid_client
	code    string // AADSTS and digits, else word
	traceID string
}

// parseRefusal reads an error of Entra's token endpoint. Of its description only
// the number that it begins with is taken.
func parseRefusal(body []byte) refusal {
	var w struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		TraceID     string `json:"trace_id"`
	}
	if unmarshal(body, &w) != nil {
		return refusal{}
	}
	r := refusal{word: w.Error}
	if strings.ContainsFunc(r.word, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') }) || len(r.word) > 40 {
		r.word = ""
	}
	r.code = r.word
	if rest, ok := strings.CutPrefix(w.Description, aadsts); ok {
		n := 0
		for n < len(rest) && n < 10 && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n > 0 {
			r.code = aadsts + rest[:n]
		}
	} else if len(w.Codes) > 0 && w.Codes[0] > 0 {
		r.code = fmt.Sprintf("%s%d", aadsts, w.Codes[0])
	}
	if id, err := uuid.Parse(w.TraceID); err == nil {
		r.traceID = id.String()
	}
	return r
}
