package bridge

import "meetbridge/schemas"

// sessionJSON is Graph's virtualEventSession with its base onlineMeetingBase
// (FACTS §5.3).
type sessionJSON struct {
	rec schemas.WebinarSession

	ID                  str       `json:"id"`
	Subject             str       `json:"subject"`
	Start               zonedJSON `json:"startDateTime"`
	End                 zonedJSON `json:"endDateTime"`
	Capacity            *int32    `json:"capacity"`
	JoinWebURL          str       `json:"joinWebUrl"`
	VideoOnDemandWebURL str       `json:"videoOnDemandWebUrl"`
	ChatInfo            struct {
		ThreadID            str `json:"threadId"`
		MessageID           str `json:"messageId"`
		ReplyChainMessageID str `json:"replyChainMessageId"`
	} `json:"chatInfo"`
	Audio struct {
		ConferenceID   str `json:"conferenceId"`
		TollNumber     str `json:"tollNumber"`
		TollFreeNumber str `json:"tollFreeNumber"`
		DialinURL      str `json:"dialinUrl"`
	} `json:"audioConferencing"`
	Lobby struct {
		Scope            str   `json:"scope"`
		IsDialInBypassed *bool `json:"isDialInBypassEnabled"`
	} `json:"lobbyBypassSettings"`
	JoinMeetingID struct {
		ID                 str   `json:"joinMeetingId"`
		IsPasscodeRequired *bool `json:"isPasscodeRequired"`
	} `json:"joinMeetingIdSettings"`
	OptionsURL            str   `json:"meetingOptionsWebUrl"`
	SpokenLanguage        str   `json:"meetingSpokenLanguageTag"`
	MeetingType           str   `json:"meetingType"`
	AllowedLobbyAdmitters str   `json:"allowedLobbyAdmitters"`
	AllowedPresenters     str   `json:"allowedPresenters"`
	AllowLiveShare        str   `json:"allowLiveShare"`
	AllowMeetingChat      str   `json:"allowMeetingChat"`
	ShareHistory          str   `json:"shareMeetingChatHistoryDefault"`
	VideoTeleconferenceID str   `json:"videoTeleconferenceId"`
	AllowCamera           *bool `json:"allowAttendeeToEnableCamera"`
	AllowMic              *bool `json:"allowAttendeeToEnableMic"`
	AllowBreakoutRooms    *bool `json:"allowBreakoutRooms"`
	AllowCopying          *bool `json:"allowCopyingAndSharingMeetingContent"`
	AllowNames            *bool `json:"allowParticipantsToChangeName"`
	AllowPowerPoint       *bool `json:"allowPowerPointSharing"`
	AllowRecording        *bool `json:"allowRecording"`
	AllowReactions        *bool `json:"allowTeamworkReactions"`
	AllowTranscription    *bool `json:"allowTranscription"`
	AllowWhiteboard       *bool `json:"allowWhiteboard"`
	IsEndToEndEncrypted   *bool `json:"isEndToEndEncryptionEnabled"`
	IsEntryExitAnnounced  *bool `json:"isEntryExitAnnounced"`
	RecordAutomatically   *bool `json:"recordAutomatically"`
	ExpiryDateTime        stamp `json:"expiryDateTime"`
}

func (in *input) webinarSession() (fed, stamp, error) {
	w := &sessionJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID = in.id(&in.path.SessionID, &w.ID)
	rec.VirtualEventID, rec.VirtualEventType = optional(&in.path.EventID), optional(&in.path.EventType)
	rec.Subject, rec.Capacity = w.Subject.ptr(), w.Capacity
	rec.StartDateTime, rec.StartTimeZone = w.Start.DateTime.ptr(), w.Start.TimeZone.ptr()
	rec.EndDateTime, rec.EndTimeZone = w.End.DateTime.ptr(), w.End.TimeZone.ptr()
	rec.JoinWebURL, rec.VideoOnDemandWebURL = w.JoinWebURL.ptr(), w.VideoOnDemandWebURL.ptr()
	rec.ChatInfoThreadID, rec.ChatInfoMessageID = w.ChatInfo.ThreadID.ptr(), w.ChatInfo.MessageID.ptr()
	rec.ChatInfoReplyChainMessageID = w.ChatInfo.ReplyChainMessageID.ptr()
	rec.AudioConferencingConferenceID = w.Audio.ConferenceID.ptr()
	rec.AudioConferencingTollNumber = w.Audio.TollNumber.ptr()
	rec.AudioConferencingTollFreeNumber = w.Audio.TollFreeNumber.ptr()
	rec.AudioConferencingDialinURL = w.Audio.DialinURL.ptr()
	rec.LobbyBypassSettingsScope = w.Lobby.Scope.ptr()
	rec.LobbyBypassSettingsIsDialInBypassEnabled = w.Lobby.IsDialInBypassed
	rec.JoinMeetingIDSettingsJoinMeetingID = w.JoinMeetingID.ID.ptr()
	rec.JoinMeetingIDSettingsIsPasscodeRequired = w.JoinMeetingID.IsPasscodeRequired
	rec.MeetingOptionsWebURL, rec.MeetingSpokenLanguageTag = w.OptionsURL.ptr(), w.SpokenLanguage.ptr()
	rec.MeetingType, rec.AllowedLobbyAdmitters = w.MeetingType.ptr(), w.AllowedLobbyAdmitters.ptr()
	rec.AllowedPresenters, rec.AllowLiveShare = w.AllowedPresenters.ptr(), w.AllowLiveShare.ptr()
	rec.AllowMeetingChat, rec.ShareMeetingChatHistoryDefault = w.AllowMeetingChat.ptr(), w.ShareHistory.ptr()
	rec.VideoTeleconferenceID = w.VideoTeleconferenceID.ptr()
	rec.AllowAttendeeToEnableCamera, rec.AllowAttendeeToEnableMic = w.AllowCamera, w.AllowMic
	rec.AllowBreakoutRooms, rec.AllowCopyingAndSharingMeetingContent = w.AllowBreakoutRooms, w.AllowCopying
	rec.AllowParticipantsToChangeName, rec.AllowPowerPointSharing = w.AllowNames, w.AllowPowerPoint
	rec.AllowRecording, rec.AllowTeamworkReactions = w.AllowRecording, w.AllowReactions
	rec.AllowTranscription, rec.AllowWhiteboard = w.AllowTranscription, w.AllowWhiteboard
	rec.IsEndToEndEncryptionEnabled, rec.IsEntryExitAnnounced = w.IsEndToEndEncrypted, w.IsEntryExitAnnounced
	rec.RecordAutomatically, rec.ExpiryDateTime = w.RecordAutomatically, w.ExpiryDateTime.ptr()
	return rec, stamp{}, nil
}

// reportJSON is Graph's meetingAttendanceReport (FACTS §5.3).
type reportJSON struct {
	rec schemas.WebinarAttendanceReport

	ID               str                 `json:"id"`
	MeetingStart     stamp               `json:"meetingStartDateTime"`
	MeetingEnd       stamp               `json:"meetingEndDateTime"`
	ParticipantCount *int32              `json:"totalParticipantCount"`
	External         []externalEventJSON `json:"externalEventInformation"`
	Records          []attendanceJSON    `json:"attendanceRecords"`
}

type attendanceJSON struct {
	ID             str                      `json:"id"`
	EmailAddress   str                      `json:"emailAddress"`
	Identity       who                      `json:"identity"`
	RegistrationID str                      `json:"registrationId"`
	Role           str                      `json:"role"`
	TotalSeconds   *int32                   `json:"totalAttendanceInSeconds"`
	External       externalRegistrationJSON `json:"externalRegistrationInformation"`
	Intervals      []intervalJSON           `json:"attendanceIntervals"`
}

type intervalJSON struct {
	Join    stamp  `json:"joinDateTime"`
	Leave   stamp  `json:"leaveDateTime"`
	Seconds *int32 `json:"durationInSeconds"`
}

func (in *input) webinarAttendanceReport() (fed, stamp, error) {
	w := &reportJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID, rec.SessionID = in.id(&in.path.ReportID, &w.ID), optional(&in.path.SessionID)
	rec.VirtualEventID, rec.VirtualEventType = optional(&in.path.EventID), optional(&in.path.EventType)
	rec.MeetingStartDateTime, rec.MeetingEndDateTime = w.MeetingStart.ptr(), w.MeetingEnd.ptr()
	rec.TotalParticipantCount = w.ParticipantCount
	rec.ExternalEventInformation = each(w.External, func(e *externalEventJSON) schemas.AttendanceReportExternalEvent {
		return schemas.AttendanceReportExternalEvent{ApplicationID: e.ApplicationID.ptr(), ExternalEventID: e.ExternalEventID.ptr()}
	})
	rec.AttendanceRecords = each(w.Records, (*attendanceJSON).record)
	return rec, stamp{}, nil
}

func (a *attendanceJSON) record() schemas.AttendanceRecord {
	return schemas.AttendanceRecord{
		ID: a.ID.ptr(), EmailAddress: a.EmailAddress.ptr(), IdentityID: a.Identity.ID.ptr(),
		IdentityDisplayName: a.Identity.DisplayName.ptr(), IdentityTenantID: a.Identity.TenantID.ptr(),
		RegistrationID: a.RegistrationID.ptr(), Role: a.Role.ptr(), TotalAttendanceInSeconds: a.TotalSeconds,
		ExternalReferrer: a.External.Referrer.ptr(), ExternalRegistrationID: a.External.RegistrationID.ptr(),
		AttendanceIntervals: each(a.Intervals, func(v *intervalJSON) schemas.AttendanceInterval {
			return schemas.AttendanceInterval{
				JoinDateTime: v.Join.ptr(), LeaveDateTime: v.Leave.ptr(), DurationInSeconds: v.Seconds,
			}
		}),
	}
}
