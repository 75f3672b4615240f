//go:build synctests

package ingest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"meetbridge/ingest"
)

// What the fuzzer's bytes stand for in a POST.
const (
	asBody = iota
	asItem
	asSealedMember
	asPlaintext
	asToken
	asClientState
	asQuery
	asContentType
	asResource
	placeCount
)

// FuzzPost throws mutated POSTs at the handler of a running ingest, in process:
// none makes it panic, none is answered otherwise than by the closed list of
// DESIGN §3, none by a 5xx, and what is JSON never costs its neighbour (I11).
func FuzzPost(f *testing.F) {
	e := newEdge(f, nil, nil)
	handler := e.Ingest.Handler()
	good, content := e.token(nil), e.sealed(sealing{}, message(1))
	genuine := item("s", 1)
	for place := range byte(placeCount) {
		for _, seed := range []string{
			"", "null", "{", `{"value":[]}`, `{"value":null}`, `{"value":[],"value":[]}`, `{"value":[null,"x",7,{}]}`, genuine.String(), post(genuine.String()),
			`{"subscriptionId":"\ud800"}`, "{\"subscriptionId\":\"\xff\"}", `{"subscriptionId":"s","subscriptionId":"s"}`, strings.Repeat("[", 500), strings.Repeat(`{"a":`, 500),
			strings.Repeat("9", 1000), "1e999999", `{"n":-0.0e+5}`, genuine.with(object{"lifecycleEvent": "missed"}).String(), genuine.with(object{"encryptedContent": content}).String(),
			content.String(), content["data"].(string), content["dataKey"].(string), good, good + "A", "..", "eyJhbGciOiJub25lIn0.e30.", `{"alg":"none"}`,
			"mb1.k1.AAAA." + strings.Repeat("A", 43), "mb1...", "validationToken=x", "validationToken=%3Cb%3E", "validationToken=%zz&a;b", "application/json; charset=utf-16",
			"application/json;=", "chats('19:x@thread.v2')/messages('1')", "communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams')/meetingCallEvents", "users('')/x(((", "\x00\r\n\u2028",
		} {
			f.Add([]byte(seed), place)
		}
	}
	allowed := []int{200, 202, 400, 404, 405, 408, 413, 415}
	f.Fuzz(func(t *testing.T, data []byte, place byte) {
		text := string(data)
		target, contentType, want := ingest.PathNotifications, js, 0
		body := data
		with := func(it object, tokens ...string) []byte {
			want = http.StatusAccepted
			return []byte(object{"value": []object{it, genuine}, "validationTokens": tokens}.String())
		}
		rich := func(c object) object { return genuine.with(object{"encryptedContent": c}) }
		switch place % placeCount {
		case asItem:
			body = []byte(`{"value":[` + text + `,` + genuine.String() + `]}`)
			if json.Valid(data) && len(data) < 5000 {
				want = http.StatusAccepted
			}
		case asSealedMember:
			member := []string{"data", "dataKey", "dataSignature", "encryptionCertificateId"}[len(data)%4]
			body = with(rich(content.with(object{member: text})), good)
		case asPlaintext:
			body = with(rich(e.sealed(sealing{}, text)), good)
		case asToken:
			body = with(rich(content), good, text)
		case asClientState:
			body = with(genuine.with(object{"clientState": text}))
		case asQuery:
			target += "?" + (&url.URL{Path: text}).EscapedPath()
			body = with(genuine)
			want = 0
		case asContentType:
			contentType, body = text, with(genuine)
			want = 0
		case asResource:
			body = with(genuine.with(object{"resource": text, "resourceData": object{"@odata.id": text, "@odata.type": text, "id": text}}))
		}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		u, err := url.Parse(target)
		if err != nil {
			return
		}
		r.URL = u
		r.Header["Content-Type"] = []string{contentType}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if !slices.Contains(allowed, w.Code) || want != 0 && w.Code != want {
			t.Errorf("answered %d, want %d of %v", w.Code, want, allowed)
		}
		if w.Code != http.StatusOK && w.Body.Len() > 0 {
			t.Errorf("answered %d with %q", w.Code, w.Body)
		}
	})
}
