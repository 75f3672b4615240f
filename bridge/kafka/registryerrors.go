package kafka

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"
)

var (
	// ErrRegistryAway says that the registry cannot be reached or cannot
	// answer now; trying again later may help.
	ErrRegistryAway = errors.New("kafka: schema registry away")
	// ErrIncompatible says that a schema breaks one registered before it.
	ErrIncompatible = errors.New("kafka: schema incompatible")
	// ErrUnknownSchema says that the registry does not hold what was asked for.
	ErrUnknownSchema = errors.New("kafka: schema unknown")
)

// registryError turns an error of the registry client's into one of this
// package's. doing says what failed.
func registryError(doing string, err error) error {
	if errors.Is(err, ErrRegistryAway) || errors.Is(err, ErrMisconfigured) {
		return err // by a request before
	}
	answer, answered := errors.AsType[*sr.ResponseError](err)
	switch {
	case !answered:
		// No answer, or none that can be read: refused, cut, too slow, or a
		// proxy's own page.
		return fmt.Errorf("%s: %w: %w", doing, ErrRegistryAway, err)
	case answer.StatusCode == http.StatusConflict:
		// Only what registers a schema may take this for a word about it.
		return fmt.Errorf("%s: %w: it answered %d: %w", doing, ErrRegistryAway, answer.StatusCode, err)
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %w: the registry answered %d: check --registry-user and --registry-password-file: %w", doing, ErrMisconfigured, answer.StatusCode, err)
	case isNotFound(err):
		return fmt.Errorf("%s: %w: %w", doing, ErrUnknownSchema, err)
	case answer.StatusCode == http.StatusNotFound:
		// Without a code of the registry's API this is another server, or
		// another path of the right one.
		return fmt.Errorf("%s: %w: nothing answers there: check --registry-url, its path too: %w", doing, ErrMisconfigured, err)
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%s: %w: it answered %d: %w", doing, ErrRegistryAway, answer.StatusCode, err)
	}
	return fmt.Errorf("%s: the registry answered %d: %w", doing, answer.StatusCode, err)
}

// refused reports whether err, the answer to a schema that was to be registered,
// is that it breaks an earlier one.
func refused(err error) bool {
	answer, ok := errors.AsType[*sr.ResponseError](err)
	return ok && answer.StatusCode == http.StatusConflict
}

// isNotFound reports whether the registry itself says that a subject, version,
// schema or level does not exist.
func isNotFound(err error) bool {
	answer, ok := errors.AsType[*sr.ResponseError](err)
	return ok && answer.StatusCode == http.StatusNotFound && sr.IsNotFoundError(answer.ErrorCode)
}
