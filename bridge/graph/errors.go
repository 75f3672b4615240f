package graph

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Op is what a request asks of Graph: a metric label and a log field.
type Op string

// The operations. In a Call, list and batch have no place.
const (
	OpCreate      Op = "create"
	OpList        Op = "list"
	OpGet         Op = "get"
	OpUpdate      Op = "update"
	OpReauthorize Op = "reauthorize"
	OpDelete      Op = "delete"
	OpBatch       Op = "batch"
)

// CodeUnreadable is the Code of an Error whose answer said that all went well,
// but made no sense: what was asked for may have been done.
const CodeUnreadable = "unreadableAnswer"

const (
	maxMessage    = 512       // bytes of an Error's Message
	maxCode       = 80        // bytes of an Error's Code and ids
	maxRetryAfter = time.Hour // a longer wait is nonsense, or a clock gone wrong
)

// Error is an answer of Graph that is no success (FACTS §4.2). It is what
// errors.As finds; an error without it means that no whole answer came.
type Error struct {
	Op              Op
	Status          int           // of HTTP; 200 to 299 with CodeUnreadable, and where the body of a success says error
	Code            string        // Graph's, as InvalidRequest; "" if it gave none
	Message         string        // Graph's words: one line, at most 512 bytes
	RequestID       string        // Graph's id of the request, which its support asks for; may be ""
	ClientRequestID string        // the id that we gave it
	RetryAfter      time.Duration // when to come back, 0 to 1 h; 0 if Graph did not say
	ExistingID      string        // of the subscription that a 409 names, a GUID in lower case; else ""
}

// Error says what failed in Graph's words.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: graph answered %d", e.Op, e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if e.Code != "" {
		b.WriteString(", " + e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %q", e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request-id %s)", e.RequestID)
	}
	return b.String()
}

// answer is one answer to one call, whole or out of a batch.
type answer struct {
	op              Op
	status          int
	header          func(name string) string
	body            []byte
	clientRequestID string
	secrets         []string // what must not come back in an error: the token, the clientState
}

// problem returns the answer's error, nil for a success.
func (a answer) problem(now time.Time) *Error {
	code, message, requestID, says := parseErrorBody(a.body)
	if a.status >= 200 && a.status <= 299 && !says {
		return nil
	}
	if !says {
		message = a.describe()
	}
	e := &Error{
		Op: a.op, Status: a.status, ClientRequestID: a.clientRequestID,
		Code:       clean(a.without(code), maxCode),
		RetryAfter: retryAfter(a.header("Retry-After"), a.header("Date"), now),
	}
	if a.status == http.StatusConflict {
		e.ExistingID = existingID(message)
	}
	e.Message = clean(a.without(message), maxMessage)
	if h := a.header("request-id"); h != "" {
		requestID = h
	}
	e.RequestID = clean(a.without(requestID), maxCode)
	return e
}

// unreadable returns the error of a success that cannot be understood.
func (a answer) unreadable(why error) *Error {
	return &Error{
		Op: a.op, Status: a.status, Code: CodeUnreadable, ClientRequestID: a.clientRequestID,
		Message:   fmt.Sprintf("answer of %d bytes is %v", len(a.body), why),
		RequestID: clean(a.header("request-id"), maxCode),
	}
}

// describe says something of an answer whose body is not Graph's error object.
func (a answer) describe() string {
	if a.status >= 300 && a.status <= 399 {
		return "a redirect, which is not followed"
	}
	text := string(a.body[:min(len(a.body), 2*maxMessage)])
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return "no error of Graph's, but " + text
}

func (a answer) without(text string) string {
	for _, s := range a.secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "…")
		}
	}
	return text
}

// parseErrorBody reads Graph's error object (FACTS §4.2), and that of Entra in
// its place. says is false if body holds none.
func parseErrorBody(body []byte) (code, message, requestID string, says bool) {
	var outer struct {
		Error       jsontext.Value `json:"error"`
		Description jsontext.Value `json:"error_description"`
	}
	if len(body) == 0 || unmarshal(body, &outer) != nil {
		return "", "", "", false
	}
	switch outer.Error.Kind() {
	case '"':
		return text(outer.Error), text(outer.Description), "", true
	case '{':
	default:
		return "", "", "", false
	}
	var e struct {
		Code    jsontext.Value `json:"code"`
		Message jsontext.Value `json:"message"`
		Inner   jsontext.Value `json:"innerError"`
	}
	if unmarshal(outer.Error, &e) != nil {
		return "", "", "", true
	}
	code, message = text(e.Code), text(e.Message)
	var inner struct {
		Code      jsontext.Value `json:"code"`
		RequestID jsontext.Value `json:"request-id"`
	}
	if e.Inner.Kind() == '{' && unmarshal(e.Inner, &inner) == nil {
		requestID = text(inner.RequestID)
		if code == "" {
			code = text(inner.Code)
		}
	}
	return code, message, requestID, true
}

// text returns the text of a JSON string, "" for anything else.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// clean makes foreign text fit for logs and errors: one line of valid UTF-8
// without control or invisible characters, of at most limit bytes.
func clean(s string, limit int) string {
	var b strings.Builder
	space := false
	for _, r := range strings.ToValidUTF8(s[:min(len(s), 4*limit)], "") {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			space = b.Len() > 0
			continue
		}
		if b.Len()+utf8.RuneLen(r)+1 > limit {
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// retryAfter reads a Retry-After header: seconds, or an HTTP date, which counts
// from the answer's own date, so that neither clock need be right. It returns 0
// for what is neither or past.
func retryAfter(value, date string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(date); err == nil {
		now = sent
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// existingID returns the id in a 409's text, "Subscription Id <id> already
// exists for the requested combination" (FACTS §4.2): the GUID that follows
// those words, else the only one in the text, else "".
func existingID(text string) string {
	var ids []string
	words := strings.FieldsFunc(text[:min(len(text), 8*maxMessage)], func(r rune) bool {
		return r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	for i, word := range words {
		if len(word) != 36 {
			continue
		}
		id, err := uuid.Parse(word)
		if err != nil {
			continue
		}
		if i >= 2 && strings.EqualFold(words[i-2], "subscription") && strings.EqualFold(words[i-1], "id") {
			return id.String()
		}
		ids = append(ids, id.String())
	}
	if len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// batchBody returns the body of an item of a batch answer as if it had come
// alone: an object as it is; a text's content, in base64 or not.
func batchBody(v jsontext.Value) []byte {
	switch v.Kind() {
	case '"':
		s := text(v)
		if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
			return raw
		}
		return []byte(s)
	case 'n', 0:
		return nil
	}
	return v
}
