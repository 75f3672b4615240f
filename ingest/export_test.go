package ingest

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// BareEcho routes POSTs to h and does nothing else.
func BareEcho(h http.HandlerFunc) http.Handler {
	e := echo.New()
	e.POST(PathNotifications, echo.WrapHandler(h))
	return e
}
