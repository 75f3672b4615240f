package bridge

import "meetbridge/schemas"

// artifactJSON is Graph's callRecording and callTranscript, which differ in one
// member (FACTS §5.3).
type artifactJSON struct {
	recording  schemas.CallRecording
	transcript schemas.CallTranscript

	ID                   str         `json:"id"`
	MeetingID            str         `json:"meetingId"`
	CallID               str         `json:"callId"`
	CreatedDateTime      stamp       `json:"createdDateTime"`
	EndDateTime          stamp       `json:"endDateTime"`
	ContentCorrelationID str         `json:"contentCorrelationId"`
	RecordingContentURL  str         `json:"recordingContentUrl"`
	TranscriptContentURL str         `json:"transcriptContentUrl"`
	Organizer            identitySet `json:"meetingOrganizer"`
}

// artifact decodes what recordings and transcripts share. fromPath is the id in
// the path, which learns the payload's.
func (in *input) artifact(fromPath *string) (*artifactJSON, *string, stamp, error) {
	w := &artifactJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, nil, stamp{}, err
	}
	id := in.id(fromPath, &w.ID)
	if *fromPath == "" && id != nil {
		*fromPath = *id
	}
	if said := w.MeetingID.s; said != in.path.MeetingID {
		// Two ids of one meeting: the one that tells the thread makes the key.
		if _, ok := MeetingKeyFromMeetingID(said); ok || in.path.MeetingID == "" {
			in.path.MeetingID = said
		}
	}
	made := w.CreatedDateTime // null at times: then the end comes next to it
	if !made.ok {
		made = w.EndDateTime
	}
	return w, id, in.created(made), nil
}

func (in *input) callRecording() (fed, stamp, error) {
	w, id, at, err := in.artifact(&in.path.RecordingID)
	if err != nil {
		return nil, at, err
	}
	rec := &w.recording
	rec.ID, rec.MeetingID = id, either(w.MeetingID.ptr(), optional(&in.path.MeetingID))
	rec.AdHocCallID = optional(&in.path.CallID)
	rec.CallID = either(w.CallID.ptr(), rec.AdHocCallID)
	rec.UserID = optional(&in.path.UserID)
	rec.OrganizerID, rec.OrganizerKind = w.Organizer.who.ID.ptr(), w.Organizer.kind.ptr()
	rec.OrganizerDisplayName, rec.OrganizerTenantID = w.Organizer.who.DisplayName.ptr(), w.Organizer.who.TenantID.ptr()
	rec.OrganizerIdentityType = w.Organizer.who.identityType()
	rec.CreatedDateTime, rec.EndDateTime = w.CreatedDateTime.ptr(), w.EndDateTime.ptr()
	rec.ContentCorrelationID = w.ContentCorrelationID.ptr()
	rec.RecordingContentURL = w.RecordingContentURL.ptr()
	return rec, at, nil
}

func (in *input) callTranscript() (fed, stamp, error) {
	w, id, at, err := in.artifact(&in.path.TranscriptID)
	if err != nil {
		return nil, at, err
	}
	rec := &w.transcript
	rec.ID, rec.MeetingID = id, either(w.MeetingID.ptr(), optional(&in.path.MeetingID))
	rec.AdHocCallID = optional(&in.path.CallID)
	rec.CallID = either(w.CallID.ptr(), rec.AdHocCallID)
	rec.UserID = optional(&in.path.UserID)
	rec.OrganizerID, rec.OrganizerKind = w.Organizer.who.ID.ptr(), w.Organizer.kind.ptr()
	rec.OrganizerDisplayName, rec.OrganizerTenantID = w.Organizer.who.DisplayName.ptr(), w.Organizer.who.TenantID.ptr()
	rec.OrganizerIdentityType = w.Organizer.who.identityType()
	rec.CreatedDateTime, rec.EndDateTime = w.CreatedDateTime.ptr(), w.EndDateTime.ptr()
	rec.ContentCorrelationID = w.ContentCorrelationID.ptr()
	rec.TranscriptContentURL = w.TranscriptContentURL.ptr()
	return rec, at, nil
}
