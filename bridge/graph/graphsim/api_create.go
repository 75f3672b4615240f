package graphsim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// subscriptionRequest is the body of a create or an update. What is absent is
// nil.
type subscriptionRequest struct {
	ODataType                string  `json:"@odata.type"`
	ID                       *string `json:"id"`
	Resource                 *string `json:"resource"`
	ApplicationID            *string `json:"applicationId"`
	CreatorID                *string `json:"creatorId"`
	ChangeType               *string `json:"changeType"`
	ClientState              *string `json:"clientState"`
	NotificationURL          *string `json:"notificationUrl"`
	NotificationQueryOptions *string `json:"notificationQueryOptions"`
	LifecycleNotificationURL *string `json:"lifecycleNotificationUrl"`
	Expires                  *string `json:"expirationDateTime"`
	IncludeResourceData      *bool   `json:"includeResourceData"`
	TLS                      *string `json:"latestSupportedTlsVersion"`
	Certificate              *string `json:"encryptionCertificate"`
	CertificateID            *string `json:"encryptionCertificateId"`
	NotificationURLAppID     *string `json:"notificationUrlAppId"`
	NotificationContentType  *string `json:"notificationContentType"`
}

// parseSubscription reads the body of a create or an update.
func parseSubscription(body []byte) (*subscriptionRequest, *apiError) {
	var q subscriptionRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."}
	}
	return &q, nil
}

// text returns what p points to, "" for nil.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// create answers POST /subscriptions.
func (s *apiServer) create(c *apiCall) (reply, *apiError) {
	q, e := parseSubscription(c.body)
	if e != nil {
		return reply{}, e
	}
	now := time.Now()
	l, e := s.draft(c, q, now)
	if e != nil {
		return reply{}, e
	}
	s.registry.mu.Lock()
	e = s.registry.roomLocked(l, s.api.Quota, now)
	s.registry.mu.Unlock()
	if e == nil && c.deed == QuotaHit {
		s.did(c)
		e = quotaReached(s.api.Quota)
	}
	if e != nil {
		return reply{}, e
	}
	if e := s.handshakes(text(q.NotificationURL), text(q.LifecycleNotificationURL)); e != nil {
		return reply{}, e
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	now = time.Now()
	// Another call may have come first while the endpoint was asked.
	if e := s.registry.roomLocked(l, s.api.Quota, now); e != nil {
		return reply{}, e
	}
	l.sub.id = drawGUID(s.registry.rng)
	l.sub.layout = []string{layout7, layout7, layoutOffset, layoutMillis, layoutWhole}[s.registry.rng.IntN(5)]
	s.registry.doomLocked(l, now)
	l.vouched = s.vouchedUntil(c.token, now)
	l.notice = s.registry.noticeTime(l, now)
	s.registry.insertLocked(l, now, c.number)
	r := c.answerJSON(http.StatusCreated, l.wire(s.context(c, true), true))
	r.header["Location"] = s.api.URL + "/" + c.version + "/subscriptions('" + l.sub.id + "')"
	return r, nil
}

// draft returns the subscription that q asks for, or which rule it breaks.
func (s *apiServer) draft(c *apiCall, q *subscriptionRequest, now time.Time) (*living, *apiError) {
	for _, m := range []struct {
		name  string
		value *string
	}{
		{"changeType", q.ChangeType},
		{"notificationUrl", q.NotificationURL},
		{"resource", q.Resource},
		{"expirationDateTime", q.Expires},
	} {
		if text(m.value) == "" {
			return nil, badRequest(fmt.Sprintf("'%s' is a required property for subscription creation.", m.name))
		}
	}
	res, err := s.registry.catalog.parse(*q.Resource)
	switch {
	case err != nil:
		return nil, badRequest(fmt.Sprintf("Resource '%s' is not supported or its query is not.", bounded(*q.Resource)))
	case res.kind.beta && c.version != beta:
		return nil, badRequest(fmt.Sprintf("Resource '%s' is supported in the beta version only.", bounded(*q.Resource)))
	}
	changes := changesOf(*q.ChangeType)
	if changes == 0 || changes&^res.kind.changes != 0 {
		return nil, badRequest(fmt.Sprintf("Invalid changeType '%s': this resource supports '%s'.", bounded(*q.ChangeType), res.kind.changes))
	}
	if !slices.ContainsFunc(res.kind.roles, c.token.may) {
		return nil, forbidden(fmt.Sprintf("Missing role permissions on the request. API requires one of '%s'. Roles on the request '%s'.",
			strings.Join(res.kind.roles, ", "), strings.Join(c.token.roles, ", ")))
	}
	if len(text(q.ClientState)) > 128 {
		return nil, badRequest("The length of clientState must not exceed 128 characters.")
	}
	for _, u := range []struct{ property, value string }{
		{"notificationUrl", *q.NotificationURL},
		{"lifecycleNotificationUrl", text(q.LifecycleNotificationURL)},
	} {
		if u.value == "" {
			continue
		}
		if e := s.registry.checkURL(u.property, u.value); e != nil {
			return nil, e
		}
	}
	expires, e := s.expiry(*q.Expires, res.kind, q.LifecycleNotificationURL != nil, now, codeInvalidRequest)
	if e != nil {
		return nil, e
	}
	l := &living{
		kind: res.kind, owner: c.token.app, tenant: c.token.tenant, key: keyOf(res.path), filter: res.filter,
		changes: changes, doom: never, place: -1,
		sub: &subscription{
			app: c.token.app.id, tenantID: c.token.tenant.id, resource: *q.Resource, tokenV2: c.token.app.tokenV2,
			clientState: text(q.ClientState), expires: expires, layout: layout7, messages: res.kind.entity == "chatMessage",
		},
	}
	l.sub.living = l
	if e := s.furnish(l, q); e != nil {
		return nil, e
	}
	return l, nil
}

// furnish gives l its certificate, its rarer properties and its endpoints.
func (s *apiServer) furnish(l *living, q *subscriptionRequest) *apiError {
	if q.IncludeResourceData != nil && *q.IncludeResourceData {
		if !l.kind.rich {
			return badRequest(fmt.Sprintf("%s workload is not enabled for rich notifications", l.kind.entity))
		}
		seal, e := s.registry.sealer(text(q.CertificateID), text(q.Certificate))
		if e != nil {
			return e
		}
		l.sub.sealer = seal
	}
	x := extraProperties{tls: text(q.TLS), query: text(q.NotificationQueryOptions), tokenApp: text(q.NotificationURLAppID)}
	switch {
	case x.tls != "" && !slices.Contains([]string{"v1_0", "v1_1", "v1_2", "v1_3"}, x.tls):
		return badRequest("Invalid latestSupportedTlsVersion.")
	case len(x.query) > 256:
		return badRequest("notificationQueryOptions is too long.")
	}
	if x.tokenApp != "" {
		if _, ok := parseGUID(x.tokenApp); !ok {
			return badRequest("notificationUrlAppId is not a valid app ID.")
		}
		l.sub.app = x.tokenApp
	}
	if x != (extraProperties{}) {
		l.extra = &x
	}
	for _, u := range []struct {
		url string
		to  **endpoint
	}{{text(q.NotificationURL), &l.sub.to}, {text(q.LifecycleNotificationURL), &l.to}} {
		if u.url == "" {
			continue
		}
		e, err := s.registry.endpoint(u.url)
		if err != nil {
			return tooManyURLs()
		}
		*u.to = e
	}
	return nil
}

// expiry reads an expiration time, applies the bounds of FACTS §4.1 and §4.5 to
// it and returns what is granted; code is that of the error for a time too far
// away.
func (s *apiServer) expiry(asked string, kind *resourceKind, lifecycle bool, now time.Time, code string) (time.Time, *apiError) {
	at, err := time.Parse(time.RFC3339Nano, asked)
	if err != nil {
		return at, badRequest("expirationDateTime is not a valid date and time with an offset.")
	}
	at = at.UTC().Truncate(100 * time.Nanosecond)
	left := at.Sub(now)
	switch {
	case left <= 0:
		return at, badRequest("expirationDateTime must be in the future.")
	case left > kind.max:
		return at, &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf("Subscription expiration can only be %d minutes in the future.", kind.max/time.Minute)}
	case left > time.Hour && !lifecycle && kind.lifecycle:
		return at, badRequest("lifecycleNotificationUrl is a required property for subscription creation on this resource when the expirationDateTime value is set to greater than 1 hour.")
	}
	granted := max(left, s.api.MinLifetime)
	if s.api.MaxLifetime > 0 {
		granted = min(granted, s.api.MaxLifetime)
	}
	if granted != left {
		at = now.Add(granted).UTC().Truncate(100 * time.Nanosecond)
	}
	return at, nil
}

// badCertificate is what Graph says of every certificate that it cannot use
// (FACTS §2.3).
func badCertificate() *apiError {
	return badRequest("Certificate validation error: Cannot find the requested object.")
}

// sealer returns a sealer for a certificate: base64 of DER, RSA, 2,048 to 4,096
// bits (FACTS §2.3).
func (r *registry) sealer(id, encoded string) (*sealer, *apiError) {
	switch {
	case encoded == "":
		return nil, badRequest("encryptionCertificate is a required property when includeResourceData is true.")
	case id == "" || len(id) > 128:
		return nil, badRequest("encryptionCertificateId is required, with at most 128 characters.")
	}
	key := keyOf(id + "\n" + encoded)
	r.mu.Lock()
	known := r.sealers[key]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	der, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, badCertificate()
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, badCertificate()
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || public.N.BitLen() < 2048 || public.N.BitLen() > 4096 {
		return nil, badCertificate()
	}
	made := newSealer(Certificate{ID: id, Certificate: cert})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sealers) < maxSealers {
		r.sealers[key] = made
	}
	return made, nil
}

// maxSealers bounds the certificates that are kept once however many
// subscriptions name them.
const maxSealers = 1024
