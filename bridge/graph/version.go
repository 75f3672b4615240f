package graph

import (
	"strings"

	"meetbridge/bridge"
)

// Version is a version of Graph's REST API.
type Version string

// The versions. A subscription lives in the one that it was made in.
const (
	V1   Version = "v1.0"
	Beta Version = "beta"
)

// VersionOf returns the version of the API that a subscription to resource
// takes: beta for what only beta has (FACTS §5), else v1.0.
func VersionOf(resource string) Version {
	r := bridge.ParseResource(resource)
	artifact := r.Kind == bridge.CallRecording || r.Kind == bridge.CallTranscript
	switch {
	case r.Kind == bridge.MeetingCallEvent, // row 1
		artifact && (r.AppID != "" || passes(resource, "adhocCalls")), // row 3, and both below the table
		passes(resource, "getVideoOnDemandPublication"),
		passes(resource, "sharedWithTeams"),
		r.Kind == bridge.ConversationMember && passes(resource, "getAllChannels"): // row 8, the last
		return Beta
	}
	return V1
}

// passes reports whether one of the segments of the path resource, its key not
// counted, is name in any letter case.
func passes(resource, name string) bool {
	path, _, _ := strings.Cut(resource, "?")
	for segment := range strings.SplitSeq(path, "/") {
		segment, _, _ = strings.Cut(segment, "(")
		if strings.EqualFold(segment, name) {
			return true
		}
	}
	return false
}
