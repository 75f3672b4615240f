package graphsim

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
)

// guid draws a version 4 UUID.
func (w *world) guid() string { return drawGUID(w.rng) }

func drawGUID(rng *rand.Rand) string {
	var b [16]byte
	for i := 0; i < 16; i += 8 {
		v := rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// letters draws n letters and digits.
func (w *world) letters(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[w.rng.IntN(len(alphabet))]
	}
	return string(b)
}

// digits draws a decimal number of n digits.
func (w *world) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + w.rng.IntN(10))
	}
	b[0] = byte('1' + w.rng.IntN(9))
	return string(b)
}

// messageID returns the next message id of the world. It has the form of a time
// in milliseconds, as Teams' ids have, but counts, so that it is the same
// whenever the world runs and never twice.
func (w *world) messageID() string {
	w.messages++
	return strconv.FormatInt(1_700_000_000_000+int64(w.cfg.Seed%1_000_000)*1_000+w.messages, 10)
}

// The threads of Teams: of a meeting, a group chat, a chat of two, a channel.
func (w *world) meetingThread() string {
	return "19:meeting_" + base64.StdEncoding.EncodeToString([]byte(w.guid())) + "@thread.v2"
}

func (w *world) groupThread() string {
	return "19:" + strings.ReplaceAll(w.guid(), "-", "") + "@thread.v2"
}

func (w *world) channelThread() string {
	if w.one(3) {
		return "19:" + w.letters(21) + "-" + w.letters(22) + "1@thread.tacv2"
	}
	return "19:" + strings.ReplaceAll(w.guid(), "-", "") + "@thread.tacv2"
}

func oneOnOneThread(a, b *person) string {
	return "19:" + a.id + "_" + b.id + "@unq.gbl.spaces"
}

// onlineMeetingID returns the id of the online meeting whose chat is thread
// (DESIGN §5).
func onlineMeetingID(organizer *person, thread string) string {
	return base64.StdEncoding.EncodeToString([]byte("1*" + organizer.id + "*0**" + thread))
}

// joinURL returns the join URL of a meeting; message is "0" except in a
// channel meeting.
func joinURL(thread, message string, organizer *person) string {
	escaped := strings.NewReplacer(":", "%3a", "@", "%40").Replace(thread)
	return "https://teams.microsoft.com/l/meetup-join/" + escaped + "/" + message +
		"?context=%7b%22Tid%22%3a%22" + organizer.tenantID + "%22%2c%22Oid%22%3a%22" + organizer.id + "%22%7d"
}

// callEventsPath returns the resource of a meeting's call events: the join URL,
// encoded in itself, is encoded once more.
func callEventsPath(joinURL string) string {
	return "communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(joinURL) + "')/meetingCallEvents"
}

// Ids of members, recordings and installations are base64 of several ids.
func joinedID(parts ...string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "##")))
}

// path is a resource path: names, each with an id or without.
type path []segment

type segment struct{ name, id string }

// form says how a path writes its ids (FACTS §5.1).
type form int

const (
	quoted   form = iota // chats('19:…')/messages('1')
	slashed              // chats/19:…/messages/1
	unquoted             // the last id in parentheses without quotes
	mixed                // the first id after a slash, the others in quotes
)

// text returns p in form f.
func (p path) text(f form) string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(s.name)
		switch {
		case s.id == "":
		case f == slashed, f == mixed && i == 0:
			b.WriteString("/" + s.id)
		case f == unquoted && i == len(p)-1:
			b.WriteString("(" + s.id + ")")
		default:
			b.WriteString("('" + strings.ReplaceAll(s.id, "'", "''") + "')")
		}
	}
	return b.String()
}

// spelled returns the resource and @odata.id for p: nearly always quoted, now
// and then in one of the other forms that Graph's own documentation prints.
func (w *world) spelled(p path) (resource, odataID string) {
	text := p.text(quoted)
	switch w.rng.IntN(40) {
	case 0:
		return p.text(slashed), text
	case 1:
		return "/" + text, text
	case 2:
		return text + "?model=B", text
	case 3:
		return text, p.text(slashed)
	}
	return text, text
}
