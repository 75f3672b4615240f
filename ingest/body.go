package ingest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
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

// readBody returns r's body, reserving its bytes in t as they come.
func readBody(r *http.Request, maxBody int64, t *ticket) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errBodyTooLarge
	}
	if !t.grow(leastShare) {
		return nil, errFull
	}
	var body []byte
	for {
		step := readStep
		if left := r.ContentLength - int64(len(body)); r.ContentLength >= 0 && left < readStep {
			step = int(left) + 1 // one more than promised, to meet the end in one go
		}
		if !t.grow(int64(step)) {
			return nil, errFull
		}
		body = slices.Grow(body, step)
		have := len(body)
		n, err := fill(r.Body, body[have:have+step])
		body = body[:have+n]
		if int64(len(body)) > maxBody {
			return nil, errBodyTooLarge
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errBodyTooSlow
		default:
			return nil, errBodyBroken
		}
	}
}

// fill reads until b is full or r fails. Unlike io.ReadFull it leaves r's error as
// it is: the end of a body is one thing, and a body that was cut off another.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	if n == len(b) {
		return n, nil
	}
	return n, err
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
