package bridge

import (
	"encoding/base64"
	"strings"
)

// Key returns the Kafka key that the path holds (DESIGN §5): the meeting of
// call events, recordings and transcripts, the thread of messages, the
// container of members and app installations, the webinar or town hall of
// everything below one. It is "" if the path holds none, as that of a collection
// over a whole tenant, and always for Other.
func (r Resource) Key() string {
	switch r.Kind {
	case MeetingCallEvent, CallRecording, CallTranscript:
		return r.meetingKey()
	case ChatMessage, Chat:
		return first(r.ChatID, r.ChannelID)
	case Channel:
		return r.ChannelID
	case Team:
		return r.TeamID
	case ConversationMember:
		return first(r.ChannelID, r.ChatID, r.TeamID)
	case AppInstallation:
		return first(r.TeamID, r.ChatID, r.UserID)
	case Webinar, WebinarSession, WebinarRegistration, WebinarAttendanceReport:
		return r.EventID
	default:
		return ""
	}
}

// meetingKey returns the key of the meeting or ad hoc call. An ad hoc call has
// no meeting id, but what was recorded of it names its thread.
func (r Resource) meetingKey() string {
	switch {
	case r.MeetingID != "":
		key, _ := MeetingKeyFromMeetingID(r.MeetingID)
		return key
	case r.JoinWebURL != "":
		key, _ := MeetingKeyFromJoinURL(r.JoinWebURL)
		return key
	}
	if thread, ok := ThreadFromArtifactID(first(r.RecordingID, r.TranscriptID)); ok {
		return thread
	}
	return r.CallID
}

// MeetingKeyFromJoinURL returns the key of the meeting that joinURL leads to:
// the thread id behind /meetup-join/, in a channel meeting with the id of its
// root message appended, or meet:<code> for a short link, which does not tell
// the thread (DESIGN §5). Any host and up to three levels of percent-encoding
// will do. If joinURL has neither form, ok is false and the key is what stands
// behind /meetup-join/ or else the URL itself, so that events of one unreadable
// meeting still share a key; it is "" for a URL over 32 KiB.
func MeetingKeyFromJoinURL(joinURL string) (key string, ok bool) {
	if len(joinURL) > maxPath {
		return "", false
	}
	if rest, found := behind(joinURL, "meetup-join"); found {
		if thread, rest := linkSegment(rest); thread != "" {
			message, _ := linkSegment(rest)
			return meetingThread(thread, message), isThread(thread)
		}
	} else if rest, found := behind(joinURL, "meet"); found {
		if code, _ := linkSegment(rest); isCode(code) {
			return "meet:" + code, true
		}
	}
	return decodeURL(joinURL), false
}

// MeetingKeyFromMeetingID returns the key of the meeting with this online
// meeting id: base64, in either alphabet, padded or not, of
//
//	1*<organizer>*<root message, 0 if none>**<thread id>
//
// where a ";messageid=" behind the thread id names the root message too. If id
// does not decode to that, as an id of another make, ok is false and the key is
// id itself; it is "" for one over 32 KiB.
func MeetingKeyFromMeetingID(id string) (key string, ok bool) {
	if len(id) > maxPath {
		return "", false
	}
	parts := strings.SplitN(decodeBase64(id), "*", 5)
	if len(parts) != 5 || parts[0] != "1" || !isNumber(parts[2]) || parts[3] != "" {
		return id, false
	}
	thread, message := parts[4], parts[2]
	if t, label, found := strings.Cut(thread, ";"); found {
		const prefix = "messageid="
		if !hasPrefixFolded(label, prefix) {
			return id, false
		}
		thread, message = t, label[len(prefix):]
	}
	if !isThread(thread) {
		return id, false
	}
	return meetingThread(thread, message), true
}

// ThreadFromArtifactID returns the thread id inside the id of a recording or
// transcript, which for ad hoc calls is base64 of
//
//	3##<thread id>##<call and artifact>
//
// Those of online meetings hold none (FACTS §5.1).
func ThreadFromArtifactID(id string) (thread string, ok bool) {
	if len(id) > maxPath {
		return "", false
	}
	for part := range strings.SplitSeq(decodeBase64(id), "##") {
		if isThread(part) {
			return part, true
		}
	}
	return "", false
}

// meetingThread returns the meeting key of a thread: in a channel, all meetings
// share one thread and only the root message tells them apart, elsewhere the
// thread is the meeting's own.
func meetingThread(thread, message string) string {
	inChannel := strings.HasSuffix(thread, "@thread.tacv2") || strings.HasSuffix(thread, "@thread.skype")
	if inChannel && !strings.HasPrefix(thread, "19:meeting_") && isNumber(message) && strings.Trim(message, "0") != "" {
		return thread + "/" + message
	}
	return thread
}

// isThread reports whether s looks like the id of a Teams thread:
// <number>:<name>@<kind>, printable, without what would end it in a URL.
func isThread(s string) bool {
	number, rest, ok := strings.Cut(s, ":")
	name, kind, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 || !isNumber(number) || name == "" || kind == "" || strings.Contains(kind, "@") {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c > '~' || strings.IndexByte(`/\?#%&*;'"<>`, c) >= 0 {
			return false
		}
	}
	return true
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isCode(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return s != ""
}

// behind returns what follows the path segment mark in the link s, whose slashes
// may be encoded.
func behind(s, mark string) (string, bool) {
	for i := 0; i < len(s); {
		c, _, width := charAt(s, i)
		i += width
		end := i + len(mark)
		if c != '/' || end >= len(s) || !folded(s[i:end], mark) {
			continue
		}
		if c, _, width := charAt(s, end); c == '/' {
			return s[end+width:], true
		}
	}
	return "", false
}

// linkSegment splits the link s behind its first segment, which it decodes: one
// time more than a path, for the escapes of the link itself. The characters that
// end a segment are looked for in every encoding, since no thread id, message id
// or code holds one.
func linkSegment(s string) (segment, rest string) {
	end := len(s)
	for i := 0; i < len(s); {
		c, _, width := charAt(s, i)
		if c == '/' {
			rest = s[i+width:]
		}
		if c == '/' || c == '?' || c == '#' || c == '&' {
			end = i
			break
		}
		i += width
	}
	return decodeTimes(s[:end], maxDepth+1), rest
}

// decodeBase64 returns what id encodes, in either alphabet, padded or not, "" if
// it is no base64.
func decodeBase64(id string) string {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(id, "-_") {
		encoding = base64.RawURLEncoding
	}
	var space [256]byte
	text, err := encoding.AppendDecode(space[:0], []byte(strings.TrimRight(id, "=")))
	if err != nil {
		return ""
	}
	return string(text)
}

// first returns the first of ids that is not empty.
func first(ids ...string) string {
	for _, id := range ids {
		if id != "" {
			return id
		}
	}
	return ""
}
