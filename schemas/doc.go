// Package schemas is what consumers of Meetbridge read: one Avro schema for
// each topic (the .avsc files, whose docs explain every field), the Go types
// made from them, and the codec between the two in the Confluent wire format.
//
// It owns the shape of the records and its evolution: FULL_TRANSITIVE, so only
// fields with defaults are ever added, and every version that was published
// stays under testdata/published and is checked against today's. It refuses to
// know how a record comes about or where it goes. Codec.go is the only file of
// the project that imports an Avro library.
package schemas

//go:generate go tool avrogen -pkg schemas -strict-types -template-filename types.tmpl -o types_gen.go app-installations.avsc call-recordings.avsc call-transcripts.avsc channels.avsc chat-messages.avsc chats.avsc conversation-members.avsc gaps.avsc lifecycle.avsc meeting-call-events.avsc other.avsc quarantine.avsc subscriptions.avsc teams.avsc webinar-attendance-reports.avsc webinar-registrations.avsc webinar-sessions.avsc webinars.avsc
