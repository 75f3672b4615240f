package renewer

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"meetbridge/bridge"
)

// form is a short way to ask for several resources.
type form struct {
	key   string // of the mapping
	value string // what stands behind it, for people
	means string // for people
	paths func(value string) ([]string, error)
}

// forms returns the short forms, in the order in which they are documented.
func forms() []form {
	return []form{
		{"meeting", "join link", "the call events of one meeting: paste its join link as Teams gives it", meetingPaths},
		{"webinar", "webinar id", "one webinar: changes, sessions, registrations, attendance reports", eventPaths("webinars", "/registrations")},
		{"town_hall", "town hall id", "one town hall: changes, sessions, attendance reports", eventPaths("townhalls")},
		{
			"team", "team id", "one team: changes, channels, members of the team and of its channels; with `channels`, a list of channel ids, their messages too: " +
				"Graph has no subscription to the messages of all channels of one team, only of one channel or of all teams",
			below("teams/{id}", "teams/{id}/channels", "teams/{id}/members", "teams/{id}/channels/getAllMembers"),
		},
		{"chat", "chat id", "one chat: changes, messages, members", below("chats/{id}", "chats/{id}/messages", "chats/{id}/members")},
		{
			"user", "user id", "one user: recordings and transcripts of the meetings that the user organizes, messages of the user's chats",
			below("users/{id}/onlineMeetings/getAllRecordings", "users/{id}/onlineMeetings/getAllTranscripts", "users/{id}/chats/getAllMessages"),
		},
		{
			"app", "Teams app id", "where one app is installed: its installations, and the chats and messages of chats that have it",
			below("appCatalogs/teamsApps/{id}/installations", "appCatalogs/teamsApps/{id}/installedToChats", "appCatalogs/teamsApps/{id}/installedToChats/getAllMessages"),
		},
		{"organizers", "list of user ids", "new webinars and town halls of these organizers alone", organizerPaths},
	}
}

// everything is a word behind "all".
type everything struct {
	word  string
	means string
	paths []string
}

// everythings returns what "all" may be followed by.
func everythings() []everything {
	const meetings, adhoc = "communications/onlineMeetings/", "communications/adhocCalls/"
	return []everything{
		{"transcripts", "transcripts of all scheduled meetings of the tenant", []string{meetings + "getAllTranscripts"}},
		{"recordings", "recordings of all scheduled meetings of the tenant", []string{meetings + "getAllRecordings"}},
		{"ad hoc transcripts", "transcripts of all calls that were not scheduled (beta)", []string{adhoc + "getAllTranscripts"}},
		{"ad hoc recordings", "recordings of all calls that were not scheduled (beta)", []string{adhoc + "getAllRecordings"}},
		{"messages", "messages of all chats and all channels", []string{"chats/getAllMessages", "teams/getAllMessages"}},
		{"chat messages", "messages of all chats", []string{"chats/getAllMessages"}},
		{"channel messages", "messages of all channels of all teams", []string{"teams/getAllMessages"}},
		{"chats", "all chats: made, renamed", []string{"chats"}},
		{"channels", "all channels of all teams", []string{"teams/getAllChannels"}},
		{"teams", "all teams", []string{"teams"}},
		{"chat members", "who joins and leaves chats", []string{"chats/getAllMembers"}},
		{"team members", "who joins and leaves teams", []string{"teams/getAllMembers"}},
		{"channel members", "who joins and leaves channels (beta)", []string{"teams/getAllChannels/getAllMembers"}},
		{"members", "who joins and leaves chats, teams and channels", []string{"chats/getAllMembers", "teams/getAllMembers", "teams/getAllChannels/getAllMembers"}},
		{"events", "new webinars and town halls", []string{"solutions/virtualEvents/events"}},
	}
}

// everythingPaths returns the paths behind "all", for a word of everythings or
// several, in any letter case, with "and", "-", "_" or spaces.
func everythingPaths(value string) ([]string, error) {
	word := strings.Join(strings.Fields(strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(value))), " ")
	var words []string
	for _, e := range everythings() {
		if e.word == word {
			return e.paths, nil
		}
		words = append(words, e.word)
	}
	if first, second, both := strings.Cut(word, " and "); both {
		a, err := everythingPaths(first)
		if err != nil {
			return nil, err
		}
		b, err := everythingPaths(second)
		return append(a[:len(a):len(a)], b...), err
	}
	return nil, &wordError{value: value, known: words}
}

// wordError is about a word that is none of those known.
type wordError struct {
	value string
	known []string
}

func (e *wordError) Error() string { return fmt.Sprintf("%.60q is not known", e.value) }

// fix says what to write instead.
func (e *wordError) fix() string {
	if n := bridge.Nearest(e.value, e.known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "write one of: " + strings.Join(e.known, ", ")
}

// below returns the paths with value in the place of {id}.
func below(paths ...string) func(string) ([]string, error) {
	return func(value string) ([]string, error) {
		id, err := idOf(value)
		if err != nil {
			return nil, err
		}
		all := make([]string, len(paths))
		for i, p := range paths {
			all[i] = strings.ReplaceAll(p, "{id}", id)
		}
		return all, nil
	}
}

func eventPaths(kind string, more ...string) func(string) ([]string, error) {
	base := "solutions/virtualEvents/" + kind + "/{id}"
	paths := []string{base, base + "/sessions", base + "/getAttendanceReports"}
	for _, m := range more {
		paths = append(paths, base+m)
	}
	return below(paths...)
}

// channelPath returns the messages of one channel of a team.
func channelPath(team, channel string) (string, error) {
	id, err := idOf(channel)
	return "teams/" + team + "/channels/" + id + "/messages", err
}

func organizerPaths(value string) ([]string, error) {
	var quoted []string
	for user := range strings.SplitSeq(value, ",") {
		id, err := idOf(user)
		if err != nil {
			return nil, err
		}
		quoted = append(quoted, "'"+id+"'")
	}
	return []string{"solutions/virtualEvents/events/getEventsFromOrganizers(organizerIds=[" + strings.Join(quoted, ",") + "])"}, nil
}

// idOf returns an id as it stands in a path.
func idOf(value string) (string, error) {
	id := strings.TrimSpace(value)
	switch {
	case id == "":
		return "", errors.New("an id is missing")
	case len(id) > 512:
		return "", fmt.Errorf("an id of %d characters is too long", len(id))
	case strings.ContainsAny(id, "/?#'\"(){}<>\\% \t\r\n"):
		return "", fmt.Errorf("%.60q is no id", id)
	}
	return id, nil
}

// meetingPaths returns the resource of a meeting's call events, for its join
// link in any of the forms in which people have it: as Teams hands it out, with
// its special characters not escaped, as some programs show it, or encoded as a
// whole. In the path stands the link as Teams hands it out, encoded once more
// (FACTS §5.1).
func meetingPaths(value string) ([]string, error) {
	link := strings.Trim(strings.TrimSpace(value), "<>")
	for range 3 {
		if strings.Contains(link, "://") || !strings.Contains(link, "%") {
			break
		}
		plain, err := url.PathUnescape(link)
		if err != nil {
			break
		}
		link = plain
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.Host == "" || len(link) > 4096 {
		return nil, errors.New("it is no join link: it begins with https://teams.microsoft.com/")
	}
	if _, ok := bridge.MeetingKeyFromJoinURL(link); !ok {
		return nil, errors.New("it is no join link: https://teams.microsoft.com/l/meetup-join/… or https://teams.microsoft.com/meet/…")
	}
	return []string{"communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(escapedLink(link)) + "')/meetingCallEvents"}, nil
}

// escapedLink escapes what Teams escapes in a join link, in its lower-case way,
// where it is not escaped yet.
func escapedLink(link string) string {
	const special = "\"{}<>|\\^` ':@,"
	head, rest, ok := strings.Cut(link, "://")
	if !ok {
		return link
	}
	host, rest, _ := strings.Cut(rest, "/")
	var b strings.Builder
	b.WriteString(head + "://" + host + "/")
	for i := range len(rest) {
		if c := rest[i]; strings.IndexByte(special, c) >= 0 || c < ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
