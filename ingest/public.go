package ingest

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"meetbridge/bridge/process"
)

// Paths of the public port; either takes notifications and lifecycle notices.
const (
	PathNotifications = "/graph/notifications"
	PathLifecycle     = "/graph/lifecycle"
)

// maxStreams bounds the POSTs under way on one HTTP/2 connection.
const maxStreams = 128

// idleTimeout keeps Graph's connections open between its POSTs.
const idleTimeout = 2 * time.Minute

// newPublic returns the server of the public port: echo routes, everything else
// is net/http. This file is the only importer of echo.
func newPublic(h *handler, wrap func(http.Handler) http.Handler, budget time.Duration, log *slog.Logger) *http.Server {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		code := http.StatusNotFound
		if he, ok := err.(*echo.HTTPError); ok { //nolint:errorlint // echo returns it bare, and only its own
			code = he.Code
		}
		h.metrics.answer(code)
		c.Response().WriteHeader(code)
	}
	for _, path := range []string{PathNotifications, PathLifecycle} {
		e.POST(path, echo.WrapHandler(wrap(h)))
		// Echo would answer 204 by itself.
		e.OPTIONS(path, func(echo.Context) error { return echo.ErrMethodNotAllowed })
	}
	return &http.Server{
		Handler: e,
		// One budget for head and body: a sender slower than that gets no answer
		// in Graph's time anyway.
		ReadTimeout:    budget,
		WriteTimeout:   budget + 2*time.Second,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:    withConnection,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		// It would answer "OPTIONS *" with 200.
		DisableGeneralOptionsHandler: true,
	}
}

func loadKeyPair(cfg Config) (*process.Watched[*tls.Certificate], error) {
	return process.Load(parseKeyPair, process.File{Flag: "--tls-cert", Path: cfg.TLSCert}, process.File{Flag: "--tls-key", Path: cfg.TLSKey})
}

// parseKeyPair is the parser of the watched files of --tls-cert and --tls-key.
func parseKeyPair(files [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("not a certificate and its private key in PEM form: %w", err)
	}
	return &pair, nil
}

// tlsConfig serves the newest good key pair to each handshake, HTTP/2 first.
func tlsConfig(pair *process.Watched[*tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12, // what Graph uses by default (FACTS §1.6)
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil },
	}
}
