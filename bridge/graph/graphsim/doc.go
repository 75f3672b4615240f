// Package graphsim is a Microsoft Graph that can be run: a world of tenants,
// meetings, chats, teams and webinars that lives by a seed, and the machinery
// that tells a bridge about it by change notifications.
//
// It owns the far side whole: what happens in the world (world*.go), how Graph
// writes it down (payload*.go, item.go), sealing (seal.go), validation tokens
// (tokens.go), the sign-in authority that publishes their keys (authority.go),
// Graph's own delivery rules (delivery*.go), everything that goes wrong on
// purpose (fault*.go, forge*.go), and a ledger of what was sent and what became
// of it (ledger.go, summary.go).
//
// With Config.API it is also the subscriptions API as a server (api_*.go), the
// rules of each resource (resource*.go), the subscriptions that live by it
// (registry*.go) and their history (life.go), and the token endpoint that an
// access token for it comes from (entra*.go), over TLS by a CA of its own
// (ca.go). The world then tells of what happens to living subscriptions alone;
// without it, to fixed ones that somebody else renews. Tests reach in by hand
// (sim_hands.go): a subscription killed, a secret expired, the API down.
//
// It refuses to share code with the bridge that it tests: it imports nothing of
// this module, so a misunderstanding of the rules shows up as a disagreement
// instead of cancelling itself out.
//
// One seed and one Config give one sequence of items, whatever the endpoint
// does and however long it takes; with the same Epoch even the times in it are
// the same. Only what is sealed or signed differs from run to run. The package
// reads time by package time alone and does network I/O through the Client and
// Listener that it is given, so it works inside testing/synctest.
package graphsim
