package graphsim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// apiError is an answer of the API other than success.
type apiError struct {
	status     int
	code       string
	message    string
	retryAfter time.Duration // 0: none
	challenge  string        // WWW-Authenticate; "": none
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// Codes of errors.
const (
	codeInvalidRequest = "InvalidRequest"
	codeForbidden      = "Forbidden"
)

func badRequest(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: codeInvalidRequest, message: message}
}

func forbidden(message string) *apiError {
	return &apiError{status: http.StatusForbidden, code: codeForbidden, message: message}
}

// notThere is the answer for a subscription that is not there: on PATCH it means
// that a new one must be made (FACTS §4.2).
func notThere() *apiError {
	return &apiError{status: http.StatusNotFound, code: "ResourceNotFound", message: "The object was not found."}
}

// wireError is the body of an error (FACTS §4.2).
type wireError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Date            string `json:"date"`
			RequestID       string `json:"request-id"`
			ClientRequestID string `json:"client-request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

// reply is what a call is answered with.
type reply struct {
	status int
	header map[string]string
	body   []byte // nil: none
}

// answerError returns e as a reply to c.
func (c *apiCall) answerError(e *apiError) reply {
	var w wireError
	w.Error.Code, w.Error.Message = e.code, e.message
	w.Error.Inner.Date = time.Now().UTC().Format("2006-01-02T15:04:05")
	w.Error.Inner.RequestID, w.Error.Inner.ClientRequestID = c.requestID, c.clientRequestID
	r := c.answerJSON(e.status, w)
	if e.retryAfter > 0 {
		r.header["Retry-After"] = strconv.Itoa(int((e.retryAfter + time.Second - 1) / time.Second))
	}
	if e.challenge != "" {
		r.header["WWW-Authenticate"] = e.challenge
	}
	return r
}

// answerJSON returns v as a reply.
func (c *apiCall) answerJSON(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil { // one of our own types: what it holds came in as valid JSON
		status, body = http.StatusInternalServerError, nil
	}
	return reply{status: status, header: map[string]string{"Content-Type": jsonType}, body: body}
}

const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// wireSubscription is a subscription in an answer, its members in Graph's order
// (FACTS §4.1). The certificate itself is never echoed.
type wireSubscription struct {
	Context                  string  `json:"@odata.context,omitzero"`
	ID                       string  `json:"id"`
	Resource                 string  `json:"resource"`
	ApplicationID            string  `json:"applicationId"`
	ChangeType               string  `json:"changeType"`
	ClientState              *string `json:"clientState"`
	NotificationURL          string  `json:"notificationUrl"`
	NotificationQueryOptions *string `json:"notificationQueryOptions"`
	LifecycleNotificationURL *string `json:"lifecycleNotificationUrl"`
	Expires                  string  `json:"expirationDateTime"`
	CreatorID                string  `json:"creatorId"`
	IncludeResourceData      bool    `json:"includeResourceData"`
	TLS                      string  `json:"latestSupportedTlsVersion"`
	Certificate              *string `json:"encryptionCertificate"`
	CertificateID            *string `json:"encryptionCertificateId"`
	NotificationURLAppID     *string `json:"notificationUrlAppId"`
	NotificationContentType  *string `json:"notificationContentType"`
}

// wire returns l as an answer shows it; context is "" in a list.
func (l *living) wire(context string, withState bool) wireSubscription {
	s := l.sub
	w := wireSubscription{
		Context: context, ID: s.id, Resource: s.resource, ApplicationID: l.owner.id, ChangeType: l.changes.String(),
		NotificationURL: s.to.url, Expires: s.expiry(), CreatorID: l.owner.principal, IncludeResourceData: s.rich(), TLS: "v1_2",
	}
	if withState && s.clientState != "" {
		w.ClientState = &s.clientState
	}
	if l.to != nil {
		w.LifecycleNotificationURL = &l.to.url
	}
	if s.sealer != nil {
		w.CertificateID = &s.sealer.id
	}
	if x := l.extra; x != nil {
		if x.tls != "" {
			w.TLS = x.tls
		}
		if x.query != "" {
			w.NotificationQueryOptions = &x.query
		}
		if x.tokenApp != "" {
			w.NotificationURLAppID = &x.tokenApp
		}
	}
	return w
}

// context returns the @odata.context of a single subscription or of a list.
func (s *apiServer) context(c *apiCall, single bool) string {
	if single {
		return s.api.URL + "/" + c.version + "/$metadata#subscriptions/$entity"
	}
	return s.api.URL + "/" + c.version + "/$metadata#subscriptions"
}
