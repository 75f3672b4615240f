package graph

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Subscription is Graph's subscription resource (FACTS §4.1). Texts are as
// Graph sent them.
type Subscription struct {
	ID                       string
	ApplicationID            string // read only
	CreatorID                string // read only
	ChangeType               string // csv of created, updated, deleted
	Resource                 string // without base URL
	NotificationURL          string
	LifecycleNotificationURL string
	ClientState              string // at most 128 characters; "" in every answer to List
	// ExpirationDateTime is UTC. In an answer it is whatever Graph said, past
	// and far future included, and zero if it said nothing that is a time.
	ExpirationDateTime        time.Time
	IncludeResourceData       bool
	EncryptionCertificate     string // DER in base64; Graph does not echo it
	EncryptionCertificateID   string
	LatestSupportedTLSVersion string // v1_0 to v1_3; "" is v1_2
	NotificationQueryOptions  string
}

// String names the subscription without its clientState and certificate.
func (s Subscription) String() string {
	return fmt.Sprintf("%s (%s of %s until %s)", s.ID, s.ChangeType, s.Resource, s.ExpirationDateTime.Format(time.RFC3339))
}

// LogValue is String for log lines.
func (s Subscription) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", s.ID), slog.String("change_type", s.ChangeType),
		slog.String("resource", s.Resource), slog.Time("expires", s.ExpirationDateTime))
}

// Patch is what Update changes; a zero field stays as it is. Graph wants
// ExpirationDateTime or NotificationURL in every patch, so a new certificate
// goes together with one of them (FACTS §2.4, §4.2).
type Patch struct {
	ExpirationDateTime      time.Time
	NotificationURL         string
	EncryptionCertificate   string // DER in base64
	EncryptionCertificateID string
}

// subscriptionJSON is a subscription on the wire, in both directions.
type subscriptionJSON struct {
	ID                        string `json:"id,omitzero"`
	ApplicationID             string `json:"applicationId,omitzero"`
	CreatorID                 string `json:"creatorId,omitzero"`
	ChangeType                string `json:"changeType,omitzero"`
	Resource                  string `json:"resource,omitzero"`
	NotificationURL           string `json:"notificationUrl,omitzero"`
	LifecycleNotificationURL  string `json:"lifecycleNotificationUrl,omitzero"`
	ClientState               string `json:"clientState,omitzero"`
	ExpirationDateTime        string `json:"expirationDateTime,omitzero"`
	IncludeResourceData       bool   `json:"includeResourceData,omitzero"`
	EncryptionCertificate     string `json:"encryptionCertificate,omitzero"`
	EncryptionCertificateID   string `json:"encryptionCertificateId,omitzero"`
	LatestSupportedTLSVersion string `json:"latestSupportedTlsVersion,omitzero"`
	NotificationQueryOptions  string `json:"notificationQueryOptions,omitzero"`
}

// errNoSubscription says that an answer is no subscription. The cause is left
// out: it could repeat a piece of a clientState.
var errNoSubscription = errors.New("no JSON object of a subscription with an id")

// parseSubscription reads an answer's subscription. Members that it does not
// know are passed over; it fails for what has no id that a call could name.
func parseSubscription(body []byte) (Subscription, error) {
	var w subscriptionJSON
	if err := unmarshal(body, &w); err != nil || checkID(w.ID) != nil {
		return Subscription{}, errNoSubscription
	}
	return Subscription{
		ID:                        w.ID,
		ApplicationID:             w.ApplicationID,
		CreatorID:                 w.CreatorID,
		ChangeType:                w.ChangeType,
		Resource:                  w.Resource,
		NotificationURL:           w.NotificationURL,
		LifecycleNotificationURL:  w.LifecycleNotificationURL,
		ClientState:               w.ClientState,
		ExpirationDateTime:        parseTime(w.ExpirationDateTime),
		IncludeResourceData:       w.IncludeResourceData,
		EncryptionCertificate:     w.EncryptionCertificate,
		EncryptionCertificateID:   w.EncryptionCertificateID,
		LatestSupportedTLSVersion: w.LatestSupportedTLSVersion,
		NotificationQueryOptions:  w.NotificationQueryOptions,
	}, nil
}

// createBody returns the request that makes s. What Graph sets itself is left
// out.
func (s Subscription) createBody() ([]byte, error) {
	expires, err := wireTime(s.ExpirationDateTime)
	if err != nil {
		return nil, err
	}
	return json.Marshal(subscriptionJSON{
		ChangeType:                s.ChangeType,
		Resource:                  s.Resource,
		NotificationURL:           s.NotificationURL,
		LifecycleNotificationURL:  s.LifecycleNotificationURL,
		ClientState:               s.ClientState,
		ExpirationDateTime:        expires,
		IncludeResourceData:       s.IncludeResourceData,
		EncryptionCertificate:     s.EncryptionCertificate,
		EncryptionCertificateID:   s.EncryptionCertificateID,
		LatestSupportedTLSVersion: s.LatestSupportedTLSVersion,
		NotificationQueryOptions:  s.NotificationQueryOptions,
	})
}

func (p Patch) body() ([]byte, error) {
	w := subscriptionJSON{
		NotificationURL:         p.NotificationURL,
		EncryptionCertificate:   p.EncryptionCertificate,
		EncryptionCertificateID: p.EncryptionCertificateID,
	}
	switch {
	case !p.ExpirationDateTime.IsZero():
		var err error
		if w.ExpirationDateTime, err = wireTime(p.ExpirationDateTime); err != nil {
			return nil, err
		}
	case p.NotificationURL == "":
		return nil, errors.New("a patch needs an expirationDateTime or a notificationUrl")
	}
	return json.Marshal(w)
}

// wireTime writes a time as Graph does: UTC, seven digits.
func wireTime(t time.Time) (string, error) {
	t = t.UTC()
	if t.IsZero() || t.Year() > 9999 || t.Year() < 1 {
		return "", errors.New("expirationDateTime is zero or out of range")
	}
	return t.Format("2006-01-02T15:04:05.0000000Z07:00"), nil
}

// parseTime reads a subscription's expiration: RFC 3339 with any number of
// digits and any offset, or without an offset, which is UTC, since Graph
// documents the property to be in UTC and prints its own dates so in errors. It
// returns the zero time for any other text and for Graph's "no time", 0001-01-01.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && t.UTC().Year() > 1 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// unmarshal reads foreign JSON: names in any letter case, unknown ones passed
// over; members that stand twice, invalid UTF-8 and trailing text are errors.
func unmarshal(body []byte, into any) error {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	return json.Unmarshal(body, into, json.MatchCaseInsensitiveNames(true))
}

// parsePage reads a page of a list: its subscriptions, how many of its items
// were none, and the link to the next page, "" on the last.
func parsePage(body []byte) (subs []Subscription, broken int, next string, err error) {
	var page struct {
		Value []jsontext.Value `json:"value"`
		Next  string           `json:"@odata.nextLink"`
	}
	if unmarshal(body, &page) != nil || page.Value == nil {
		return nil, 0, "", errors.New("no JSON object with a list of subscriptions")
	}
	for _, item := range page.Value {
		s, err := parseSubscription(item)
		if err != nil {
			broken++
			continue
		}
		subs = append(subs, s)
	}
	return subs, broken, page.Next, nil
}
