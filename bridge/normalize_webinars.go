package bridge

import "meetbridge/schemas"

// zonedJSON is Graph's dateTimeTimeZone.
type zonedJSON struct {
	DateTime str `json:"dateTime"`
	TimeZone str `json:"timeZone"`
}

type externalEventJSON struct {
	ApplicationID   str `json:"applicationId"`
	ExternalEventID str `json:"externalEventId"`
}

type externalRegistrationJSON struct {
	Referrer       str `json:"referrer"`
	RegistrationID str `json:"registrationId"`
}

// webinarJSON is Graph's virtualEvent, virtualEventWebinar and
// virtualEventTownhall (FACTS §5.3).
type webinarJSON struct {
	rec schemas.Webinar

	ID                     str          `json:"id"`
	DisplayName            str          `json:"displayName"`
	Description            itemBodyJSON `json:"description"`
	Status                 str          `json:"status"`
	Audience               str          `json:"audience"`
	Start                  zonedJSON    `json:"startDateTime"`
	End                    zonedJSON    `json:"endDateTime"`
	Capacity               *int32       `json:"capacity"`
	IsInviteOnly           *bool        `json:"isInviteOnly"`
	IsRegistrationRequired *bool        `json:"isRegistrationRequired"`
	Settings               struct {
		EmailNotification *bool `json:"isAttendeeEmailNotificationEnabled"`
	} `json:"settings"`
	CreatedBy    identitySet         `json:"createdBy"`
	CoOrganizers []who               `json:"coOrganizers"`
	Invited      []who               `json:"invitedAttendees"`
	External     []externalEventJSON `json:"externalEventInformation"`
}

func (in *input) webinar() (fed, stamp, error) {
	w := &webinarJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID, rec.VirtualEventType = in.own(&in.path.EventID, &w.ID), optional(&in.path.EventType)
	rec.DisplayName = w.DisplayName.ptr()
	rec.DescriptionContent, rec.DescriptionContentType = w.Description.Content.ptr(), w.Description.ContentType.ptr()
	rec.Status, rec.Audience = w.Status.ptr(), w.Audience.ptr()
	rec.StartDateTime, rec.StartTimeZone = w.Start.DateTime.ptr(), w.Start.TimeZone.ptr()
	rec.EndDateTime, rec.EndTimeZone = w.End.DateTime.ptr(), w.End.TimeZone.ptr()
	rec.Capacity, rec.IsInviteOnly, rec.IsRegistrationRequired = w.Capacity, w.IsInviteOnly, w.IsRegistrationRequired
	rec.IsAttendeeEmailNotificationEnabled = w.Settings.EmailNotification
	rec.CreatedByID, rec.CreatedByKind = w.CreatedBy.who.ID.ptr(), w.CreatedBy.kind.ptr()
	rec.CreatedByDisplayName, rec.CreatedByTenantID = w.CreatedBy.who.DisplayName.ptr(), w.CreatedBy.who.TenantID.ptr()
	rec.CreatedByIdentityType = w.CreatedBy.who.identityType()
	rec.CoOrganizers = each(w.CoOrganizers, func(o *who) schemas.WebinarCoOrganizer {
		return schemas.WebinarCoOrganizer{ID: o.ID.ptr(), DisplayName: o.DisplayName.ptr(), TenantID: o.TenantID.ptr()}
	})
	rec.InvitedAttendees = each(w.Invited, func(o *who) schemas.WebinarInvitedAttendee {
		return schemas.WebinarInvitedAttendee{ID: o.ID.ptr(), DisplayName: o.DisplayName.ptr(), TenantID: o.TenantID.ptr()}
	})
	rec.ExternalEventInformation = each(w.External, func(e *externalEventJSON) schemas.WebinarExternalEvent {
		return schemas.WebinarExternalEvent{ApplicationID: e.ApplicationID.ptr(), ExternalEventID: e.ExternalEventID.ptr()}
	})
	return rec, stamp{}, nil
}

// registrationJSON is Graph's virtualEventRegistration (FACTS §5.3).
type registrationJSON struct {
	rec schemas.WebinarRegistration

	ID                   str                      `json:"id"`
	Status               str                      `json:"status"`
	UserID               str                      `json:"userId"`
	FirstName            str                      `json:"firstName"`
	LastName             str                      `json:"lastName"`
	Email                str                      `json:"email"`
	PreferredLanguage    str                      `json:"preferredLanguage"`
	PreferredTimezone    str                      `json:"preferredTimezone"`
	RegistrationDateTime stamp                    `json:"registrationDateTime"`
	CancelationDateTime  stamp                    `json:"cancelationDateTime"`
	External             externalRegistrationJSON `json:"externalRegistrationInformation"`
	VideoURL             str                      `json:"registrantVideoOnDemandWebUrl"`
	Answers              []answerJSON             `json:"registrationQuestionAnswers"`
}

type answerJSON struct {
	QuestionID  str   `json:"questionId"`
	DisplayName str   `json:"displayName"`
	Value       str   `json:"value"`
	Boolean     *bool `json:"booleanValue"`
	Choices     []str `json:"multiChoiceValues"`
}

func (in *input) webinarRegistration() (fed, stamp, error) {
	w := &registrationJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID = in.id(&in.path.RegistrationID, &w.ID)
	rec.VirtualEventID, rec.VirtualEventType = optional(&in.path.EventID), optional(&in.path.EventType)
	rec.Status, rec.UserID, rec.Email = w.Status.ptr(), w.UserID.ptr(), w.Email.ptr()
	rec.FirstName, rec.LastName = w.FirstName.ptr(), w.LastName.ptr()
	rec.PreferredLanguage, rec.PreferredTimezone = w.PreferredLanguage.ptr(), w.PreferredTimezone.ptr()
	rec.RegistrationDateTime, rec.CancelationDateTime = w.RegistrationDateTime.ptr(), w.CancelationDateTime.ptr()
	rec.ExternalReferrer, rec.ExternalRegistrationID = w.External.Referrer.ptr(), w.External.RegistrationID.ptr()
	rec.RegistrantVideoOnDemandWebURL = w.VideoURL.ptr()
	rec.QuestionAnswers = each(w.Answers, func(a *answerJSON) schemas.RegistrationQuestionAnswer {
		return schemas.RegistrationQuestionAnswer{
			QuestionID: a.QuestionID.ptr(), DisplayName: a.DisplayName.ptr(), Value: a.Value.ptr(),
			BooleanValue: a.Boolean, MultiChoiceValues: texts(a.Choices),
		}
	})
	if in.change == "updated" {
		return rec, w.CancelationDateTime, nil // the only update that has a time
	}
	return rec, in.created(w.RegistrationDateTime), nil
}
