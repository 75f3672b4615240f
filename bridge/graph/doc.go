// Package graph is the near side of Microsoft Graph's subscription API: the
// REST client, the credentials that it logs in with, and what Graph says about
// its resources (which API version serves one, which permission it takes).
//
// It owns the wire: requests, answers, typed errors, tokens. It refuses to own
// decisions: what is wanted, when to try again, how fast and how often belong
// to the renewer. A call is one request, sent again only where nothing was
// decided by the first: after a fresh token for a 401, and for pages of a list.
//
// What Graph and Entra answer is foreign. Bodies are bounded, ids are used in
// paths only if they are plain, links and redirects never take the token to
// another host, and no error or log line holds a token, secret or clientState.
//
// Below it, graphsim is the far side itself: a Microsoft Graph that can be run.
package graph
