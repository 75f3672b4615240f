// Package ingest is the way in: it answers Microsoft Graph's POSTs, proves each
// item genuine, opens it, lets package bridge turn it into a record, and says
// 202 only when Kafka holds every item of the POST (I1).
//
// Its files stand in the order in which a request meets them: connections →
// public → handler (handshake, body, admission) → pipeline (prove, open, record)
// → outlet (recent, encoder, delivery); quarantine is where an item goes that
// did not pass, setaside and replay bring it back. server wires them, ready
// answers the operator, announce tells which keys this process has.
//
// It refuses to know what a record means (package bridge), how Kafka is spoken
// to (bridge/kafka), and who keeps the subscriptions alive (package renewer,
// which it never calls).
package ingest
