package ingest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
)

var (
	errBodyTooLarge = errors.New("ingest: body over the limit")
	errBodyTooSlow  = errors.New("ingest: body did not arrive in time")
	errBodyBroken   = errors.New("ingest: body ended early")
	errFull         = errors.New("ingest: too much under way")
)

// readStep is how much of a body is reserved and read at a time: a client that
// promises much and sends little holds little.
const readStep = 64 << 10

// leastShare is what a request counts of the bytes under way before any of its
// body has come: a sender of small bodies that never end costs that much, and
// without it the requests being read would have no bound of their own.
const leastShare = 4 << 10

// readBody appends r's body to buf, reserving its bytes in t as they come.
func readBody(r *http.Request, buf *bytes.Buffer, maxBody int64, t *ticket) error {
	if r.ContentLength > maxBody {
		return errBodyTooLarge
	}
	if !t.grow(leastShare) {
		return errFull
	}
	for {
		step := int64(readStep)
		if left := r.ContentLength - int64(buf.Len()); r.ContentLength >= 0 && left < step {
			step = left + 1 // one more than promised, to meet the end in one go
		}
		if !t.grow(step) {
			return errFull
		}
		buf.Grow(int(step))
		_, err := io.CopyN(buf, r.Body, step)
		if int64(buf.Len()) > maxBody {
			return errBodyTooLarge
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errBodyTooSlow
		default:
			return errBodyBroken
		}
	}
}

// isJSON reports whether the request's content type is one that Graph's
// notifications have: application/json in any spelling. A compressed body is
// not: Graph sends none, and none is unpacked here, so there are no bombs.
func isJSON(h http.Header) bool {
	for _, e := range h["Content-Encoding"] {
		if e != "" && e != "identity" {
			return false
		}
	}
	ct := h.Get("Content-Type")
	if ct == "application/json" || ct == "application/json; charset=utf-8" {
		return true
	}
	media, params, err := mime.ParseMediaType(ct)
	if err != nil || media != "application/json" {
		return false
	}
	charset, has := params["charset"]
	return !has || len(charset) == 5 && (charset == "utf-8" || charset == "UTF-8" || charset == "Utf-8")
}
