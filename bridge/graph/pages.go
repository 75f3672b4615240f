package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxPages    = 1000    // of one list; at the documented limit they take 13 minutes
	maxListed   = 1 << 18 // subscriptions of one list; an organization has 10,000 (FACTS §4.4)
	maxNextLink = 8 << 10 // bytes
)

// ErrBadList is returned for a list that cannot be followed to its end: its
// link to the next page loops or leads elsewhere, or it is too long.
var ErrBadList = errors.New("graph: the list of subscriptions cannot be followed")

// List returns all subscriptions of the application in the tenant, as far as
// that version of the API shows them (FACTS §4.2: without clientState, and now
// and then with some that have expired). On an error it returns none. Graph
// allows few lists: 25 pages in 20 s (FACTS §4.3).
func (c *Client) List(ctx context.Context, v Version) ([]Subscription, error) {
	var all []Subscription
	for page, err := range c.Pages(ctx, v) {
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(all) > maxListed {
			return nil, fmt.Errorf("%w: over %d subscriptions", ErrBadList, maxListed)
		}
	}
	return all, nil
}

// Pages is List page by page, so that a caller can pace itself and stop. A page
// that Graph is too busy for is asked for up to four times more, as late as
// Retry-After says if that is within a minute. After an error there is no
// further page.
func (c *Client) Pages(ctx context.Context, v Version) iter.Seq2[[]Subscription, error] {
	return func(yield func([]Subscription, error) bool) {
		first, err := c.target(v, subscriptionsPath)
		if err != nil {
			yield(nil, err)
			return
		}
		seen := map[string]bool{}
		for next := first; next != ""; {
			seen[next] = true
			if len(seen) > maxPages {
				yield(nil, fmt.Errorf("%w: over %d pages", ErrBadList, maxPages))
				return
			}
			got, err := c.do(ctx, request{op: OpList, method: http.MethodGet, url: next})
			if err != nil {
				yield(nil, err)
				return
			}
			page, broken, link, err := parsePage(got.body)
			if err != nil {
				yield(nil, got.unreadable(err))
				return
			}
			if broken > 0 {
				c.log.WarnContext(ctx, "list holds items that are no subscriptions", "items", broken, "request_id", clean(got.header("request-id"), maxCode))
			}
			if next, err = c.follow(next, link); err == nil && seen[next] {
				err = fmt.Errorf("%w: its pages go in a circle", ErrBadList)
			}
			if err == nil {
				if !yield(page, nil) {
					return
				}
				continue
			}
			yield(nil, err)
			return
		}
	}
}

// follow returns the URL of the page after that at from, "" for none. A link
// leads nowhere but to more of the same API at the same host: the token goes
// with it.
func (c *Client) follow(from, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	if len(link) > maxNextLink {
		return "", fmt.Errorf("%w: a link of %d bytes", ErrBadList, len(link))
	}
	here, err := url.Parse(from)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadList, err)
	}
	next, err := here.Parse(link)
	if err != nil || next.User != nil || !sameOrigin(next, c.base) {
		return "", fmt.Errorf("%w: its next page is elsewhere", ErrBadList)
	}
	if !strings.EqualFold(strings.TrimRight(next.Path, "/"), here.Path) {
		return "", fmt.Errorf("%w: its next page is no list of subscriptions", ErrBadList)
	}
	next.Path, next.RawPath = here.Path, here.RawPath
	next.Fragment, next.RawFragment = "", ""
	return next.String(), nil
}
