package bridge

import (
	"github.com/go-json-experiment/json/jsontext"

	"meetbridge/schemas"
)

// chatMessageJSON is Graph's chatMessage (FACTS §5.3).
type chatMessageJSON struct {
	rec schemas.ChatMessage

	ID          str          `json:"id"`
	ChatID      str          `json:"chatId"`
	ReplyToID   str          `json:"replyToId"`
	MessageType str          `json:"messageType"`
	Importance  str          `json:"importance"`
	From        identitySet  `json:"from"`
	OnBehalfOf  identitySet  `json:"onBehalfOf"`
	Subject     str          `json:"subject"`
	Summary     str          `json:"summary"`
	Locale      str          `json:"locale"`
	Etag        str          `json:"etag"`
	WebURL      str          `json:"webUrl"`
	Body        itemBodyJSON `json:"body"`
	Channel     struct {
		TeamID    str `json:"teamId"`
		ChannelID str `json:"channelId"`
	} `json:"channelIdentity"`
	CreatedDateTime      stamp            `json:"createdDateTime"`
	LastModifiedDateTime stamp            `json:"lastModifiedDateTime"`
	LastEditedDateTime   stamp            `json:"lastEditedDateTime"`
	DeletedDateTime      stamp            `json:"deletedDateTime"`
	Attachments          []attachmentJSON `json:"attachments"`
	Mentions             []mentionJSON    `json:"mentions"`
	Reactions            []reactionJSON   `json:"reactions"`
	EventDetail          eventDetailJSON  `json:"eventDetail"`
	History              []historyJSON    `json:"messageHistory"`
	Violation            struct {
		DlpAction      str `json:"dlpAction"`
		Justification  str `json:"justificationText"`
		UserAction     str `json:"userAction"`
		VerdictDetails str `json:"verdictDetails"`
		Tip            struct {
			GeneralText   str   `json:"generalText"`
			ComplianceURL str   `json:"complianceUrl"`
			Conditions    []str `json:"matchedConditionDescriptions"`
		} `json:"policyTip"`
	} `json:"policyViolation"`
}

type itemBodyJSON struct {
	Content     str `json:"content"`
	ContentType str `json:"contentType"`
}

type attachmentJSON struct {
	ID           str `json:"id"`
	ContentType  str `json:"contentType"`
	ContentURL   str `json:"contentUrl"`
	Content      str `json:"content"`
	Name         str `json:"name"`
	ThumbnailURL str `json:"thumbnailUrl"`
	TeamsAppID   str `json:"teamsAppId"`
}

type mentionJSON struct {
	ID        *int32      `json:"id"`
	Text      str         `json:"mentionText"`
	Mentioned identitySet `json:"mentioned"`
}

type reactionJSON struct {
	Type            str         `json:"reactionType"`
	DisplayName     str         `json:"displayName"`
	ContentURL      str         `json:"reactionContentUrl"`
	CreatedDateTime stamp       `json:"createdDateTime"`
	User            identitySet `json:"user"`
}

type historyJSON struct {
	Actions          str          `json:"actions"`
	ModifiedDateTime stamp        `json:"modifiedDateTime"`
	Reaction         reactionJSON `json:"reaction"`
}

// eventDetailJSON is what a system message reports: one of many types, of which
// the members that most have are read.
type eventDetailJSON struct {
	text  str // the object as JSON
	parts struct {
		Type      str         `json:"@odata.type"`
		CallID    str         `json:"callId"`
		Initiator identitySet `json:"initiator"`
	}
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (e *eventDetailJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	*e = eventDetailJSON{}
	switch v.Kind() {
	case 'n':
		return nil
	case '{':
		e.text = str{string(v), true}
		return decodeJSON(v, &e.parts)
	default:
		return errShape
	}
}

func (in *input) chatMessage() (fed, stamp, error) {
	if !in.rich && len(in.text) == 0 { // it says only where the message is
		rec := &schemas.ChatMessage{}
		in.locate(rec, nil)
		return rec, stamp{}, nil
	}
	w := &chatMessageJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	p := &in.path
	if p.ChatID == "" && p.ChannelID == "" {
		p.ChatID, p.ChannelID = w.ChatID.s, w.Channel.ChannelID.s
	}
	if p.ChatID == "" && p.TeamID == "" {
		p.TeamID = w.Channel.TeamID.s
	}
	rec := &w.rec
	rec.ReplyToID = w.ReplyToID.ptr()
	in.locate(rec, &w.ID)
	rec.MessageType, rec.Importance = w.MessageType.ptr(), w.Importance.ptr()
	rec.FromID, rec.FromKind = w.From.who.ID.ptr(), w.From.kind.ptr()
	rec.FromDisplayName, rec.FromTenantID = w.From.who.DisplayName.ptr(), w.From.who.TenantID.ptr()
	rec.FromIdentityType = w.From.who.identityType()
	rec.OnBehalfOfID, rec.OnBehalfOfKind = w.OnBehalfOf.who.ID.ptr(), w.OnBehalfOf.kind.ptr()
	rec.OnBehalfOfDisplayName = w.OnBehalfOf.who.DisplayName.ptr()
	rec.OnBehalfOfIdentityType = w.OnBehalfOf.who.identityType()
	rec.BodyContent, rec.BodyContentType = w.Body.Content.ptr(), w.Body.ContentType.ptr()
	rec.Subject, rec.Summary, rec.Locale = w.Subject.ptr(), w.Summary.ptr(), w.Locale.ptr()
	rec.Etag, rec.WebURL = w.Etag.ptr(), w.WebURL.ptr()
	rec.CreatedDateTime, rec.LastModifiedDateTime = w.CreatedDateTime.ptr(), w.LastModifiedDateTime.ptr()
	rec.LastEditedDateTime, rec.DeletedDateTime = w.LastEditedDateTime.ptr(), w.DeletedDateTime.ptr()
	w.lists()
	w.event()
	w.violation()
	return rec, w.at(in.change), nil
}

// locate sets where the message is; said is the id in the payload.
func (in *input) locate(rec *schemas.ChatMessage, said *str) {
	p := &in.path
	if p.ReplyID == "" {
		rec.ID = in.id(&p.MessageID, said)
	} else {
		rec.ID = in.id(&p.ReplyID, said)
		rec.ReplyToID = either(rec.ReplyToID, optional(&p.MessageID))
	}
	rec.ChatID, rec.TeamID, rec.ChannelID = optional(&p.ChatID), optional(&p.TeamID), optional(&p.ChannelID)
	rec.UserID = optional(&p.UserID)
}

// event sets what a system message reports.
func (w *chatMessageJSON) event() {
	rec := &w.rec
	rec.EventDetail, rec.EventDetailCallID = w.EventDetail.text.ptr(), w.EventDetail.parts.CallID.ptr()
	if t := &w.EventDetail.parts.Type; t.ok {
		t.s = shortType(t.s)
		rec.EventDetailType = &t.s
	}
	by := &w.EventDetail.parts.Initiator
	rec.EventDetailInitiatorID, rec.EventDetailInitiatorKind = by.who.ID.ptr(), by.kind.ptr()
	rec.EventDetailInitiatorDisplayName = by.who.DisplayName.ptr()
	rec.EventDetailInitiatorIdentityType = by.who.identityType()
}

// violation sets what a policy found in the message.
func (w *chatMessageJSON) violation() {
	rec, v := &w.rec, &w.Violation
	rec.PolicyViolationDlpAction, rec.PolicyViolationJustificationText = v.DlpAction.ptr(), v.Justification.ptr()
	rec.PolicyViolationUserAction, rec.PolicyViolationVerdictDetails = v.UserAction.ptr(), v.VerdictDetails.ptr()
	rec.PolicyViolationPolicyTipGeneralText = v.Tip.GeneralText.ptr()
	rec.PolicyViolationPolicyTipComplianceURL = v.Tip.ComplianceURL.ptr()
	rec.PolicyViolationPolicyTipMatchedConditionDescriptions = texts(v.Tip.Conditions)
}

// at returns when the change happened.
func (w *chatMessageJSON) at(change string) stamp {
	switch change {
	case "created":
		return w.CreatedDateTime
	case "updated":
		return w.LastModifiedDateTime
	case "deleted":
		return w.DeletedDateTime
	default:
		return stamp{}
	}
}

// lists sets what a message has several of.
func (w *chatMessageJSON) lists() {
	w.rec.Attachments = each(w.Attachments, func(a *attachmentJSON) schemas.ChatMessageAttachment {
		return schemas.ChatMessageAttachment{
			ID: a.ID.ptr(), ContentType: a.ContentType.ptr(), ContentURL: a.ContentURL.ptr(), Content: a.Content.ptr(),
			Name: a.Name.ptr(), ThumbnailURL: a.ThumbnailURL.ptr(), TeamsAppID: a.TeamsAppID.ptr(),
		}
	})
	w.rec.Mentions = each(w.Mentions, func(m *mentionJSON) schemas.ChatMessageMention {
		return schemas.ChatMessageMention{
			ID: m.ID, MentionText: m.Text.ptr(), MentionedID: m.Mentioned.who.ID.ptr(),
			MentionedKind: m.Mentioned.kind.ptr(), MentionedDisplayName: m.Mentioned.who.DisplayName.ptr(),
			MentionedTenantID: m.Mentioned.who.TenantID.ptr(), MentionedIdentityType: m.Mentioned.who.identityType(),
		}
	})
	w.rec.Reactions = each(w.Reactions, func(r *reactionJSON) schemas.ChatMessageReaction {
		return schemas.ChatMessageReaction{
			ReactionType: r.Type.ptr(), DisplayName: r.DisplayName.ptr(), ReactionContentURL: r.ContentURL.ptr(),
			CreatedDateTime: r.CreatedDateTime.ptr(), UserID: r.User.who.ID.ptr(), UserKind: r.User.kind.ptr(),
			UserDisplayName: r.User.who.DisplayName.ptr(), UserIdentityType: r.User.who.identityType(),
		}
	})
	w.rec.MessageHistory = each(w.History, func(h *historyJSON) schemas.ChatMessageHistoryItem {
		return schemas.ChatMessageHistoryItem{
			Actions: h.Actions.ptr(), ModifiedDateTime: h.ModifiedDateTime.ptr(),
			ReactionType: h.Reaction.Type.ptr(), ReactionUserID: h.Reaction.User.who.ID.ptr(),
		}
	})
}
