package bridge

import "meetbridge/schemas"

// chatJSON is Graph's chat (FACTS §5.3).
type chatJSON struct {
	rec schemas.Chat

	ID                      str   `json:"id"`
	ChatType                str   `json:"chatType"`
	Topic                   str   `json:"topic"`
	CreatedDateTime         stamp `json:"createdDateTime"`
	LastUpdatedDateTime     stamp `json:"lastUpdatedDateTime"`
	OriginalCreatedDateTime stamp `json:"originalCreatedDateTime"`
	MigrationMode           str   `json:"migrationMode"`
	TenantID                str   `json:"tenantId"`
	WebURL                  str   `json:"webUrl"`
	IsHiddenForAllMembers   *bool `json:"isHiddenForAllMembers"`
	Viewpoint               struct {
		IsHidden *bool `json:"isHidden"`
		LastRead stamp `json:"lastMessageReadDateTime"`
	} `json:"viewpoint"`
	Meeting struct {
		JoinWebURL      str `json:"joinWebUrl"`
		CalendarEventID str `json:"calendarEventId"`
		Organizer       who `json:"organizer"`
	} `json:"onlineMeetingInfo"`
	CreatedBy identitySet  `json:"createdBy"`
	Members   []memberJSON `json:"members"`
}

func (in *input) chat() (fed, stamp, error) {
	w := &chatJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID = in.own(&in.path.ChatID, &w.ID)
	rec.ChatType, rec.Topic = w.ChatType.ptr(), w.Topic.ptr()
	rec.UserID = optional(&in.path.UserID)
	rec.CreatedDateTime, rec.LastUpdatedDateTime = w.CreatedDateTime.ptr(), w.LastUpdatedDateTime.ptr()
	rec.OriginalCreatedDateTime, rec.MigrationMode = w.OriginalCreatedDateTime.ptr(), w.MigrationMode.ptr()
	rec.ChatTenantID, rec.WebURL = w.TenantID.ptr(), w.WebURL.ptr()
	rec.IsHiddenForAllMembers, rec.ViewpointIsHidden = w.IsHiddenForAllMembers, w.Viewpoint.IsHidden
	rec.ViewpointLastMessageReadDateTime = w.Viewpoint.LastRead.ptr()
	rec.JoinWebURL, rec.CalendarEventID = w.Meeting.JoinWebURL.ptr(), w.Meeting.CalendarEventID.ptr()
	if o := &w.Meeting.Organizer; o.ID.ok {
		kind := "user"
		rec.OrganizerID, rec.OrganizerKind = o.ID.ptr(), &kind
		rec.OrganizerDisplayName, rec.OrganizerTenantID = o.DisplayName.ptr(), o.TenantID.ptr()
		rec.OrganizerIdentityType = o.identityType()
	}
	rec.CreatedByID, rec.CreatedByKind = w.CreatedBy.who.ID.ptr(), w.CreatedBy.kind.ptr()
	rec.CreatedByDisplayName, rec.CreatedByTenantID = w.CreatedBy.who.DisplayName.ptr(), w.CreatedBy.who.TenantID.ptr()
	rec.CreatedByIdentityType = w.CreatedBy.who.identityType()
	rec.Members = each(w.Members, (*memberJSON).inChat)
	if in.change == "updated" {
		return rec, w.LastUpdatedDateTime, nil
	}
	return rec, in.created(w.CreatedDateTime), nil
}

// own returns the id of a resource that is its own container, and tells it to
// the path where that has none, for the key.
func (in *input) own(fromPath *string, said *str) *string {
	id := in.id(fromPath, said)
	if *fromPath == "" && id != nil {
		*fromPath = *id
	}
	return id
}

// channelJSON is Graph's channel (FACTS §5.3).
type channelJSON struct {
	rec schemas.Channel

	ID                      str   `json:"id"`
	DisplayName             str   `json:"displayName"`
	Description             str   `json:"description"`
	MembershipType          str   `json:"membershipType"`
	LayoutType              str   `json:"layoutType"`
	Email                   str   `json:"email"`
	IsArchived              *bool `json:"isArchived"`
	IsFavoriteByDefault     *bool `json:"isFavoriteByDefault"`
	CreatedDateTime         stamp `json:"createdDateTime"`
	OriginalCreatedDateTime stamp `json:"originalCreatedDateTime"`
	MigrationMode           str   `json:"migrationMode"`
	TenantID                str   `json:"tenantId"`
	WebURL                  str   `json:"webUrl"`
	Summary                 struct {
		countsJSON
		HasForeign *bool `json:"hasMembersFromOtherTenants"`
	} `json:"summary"`
}

type countsJSON struct {
	Members *int32 `json:"membersCount"`
	Owners  *int32 `json:"ownersCount"`
	Guests  *int32 `json:"guestsCount"`
}

func (in *input) channel() (fed, stamp, error) {
	w := &channelJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID, rec.TeamID = in.own(&in.path.ChannelID, &w.ID), optional(&in.path.TeamID)
	rec.DisplayName, rec.Description = w.DisplayName.ptr(), w.Description.ptr()
	rec.MembershipType, rec.LayoutType, rec.Email = w.MembershipType.ptr(), w.LayoutType.ptr(), w.Email.ptr()
	rec.IsArchived, rec.IsFavoriteByDefault = w.IsArchived, w.IsFavoriteByDefault
	rec.CreatedDateTime, rec.OriginalCreatedDateTime = w.CreatedDateTime.ptr(), w.OriginalCreatedDateTime.ptr()
	rec.MigrationMode, rec.ChannelTenantID, rec.WebURL = w.MigrationMode.ptr(), w.TenantID.ptr(), w.WebURL.ptr()
	rec.SummaryMembersCount, rec.SummaryOwnersCount = w.Summary.Members, w.Summary.Owners
	rec.SummaryGuestsCount, rec.SummaryHasMembersFromOtherTenants = w.Summary.Guests, w.Summary.HasForeign
	return rec, in.created(w.CreatedDateTime), nil
}

// teamJSON is Graph's team (FACTS §5.3).
type teamJSON struct {
	rec schemas.Team

	ID                          str   `json:"id"`
	DisplayName                 str   `json:"displayName"`
	Description                 str   `json:"description"`
	Classification              str   `json:"classification"`
	Specialization              str   `json:"specialization"`
	Visibility                  str   `json:"visibility"`
	InternalID                  str   `json:"internalId"`
	TenantID                    str   `json:"tenantId"`
	WebURL                      str   `json:"webUrl"`
	FirstChannelName            str   `json:"firstChannelName"`
	IsArchived                  *bool `json:"isArchived"`
	IsMembershipLimitedToOwners *bool `json:"isMembershipLimitedToOwners"`
	CreatedDateTime             stamp `json:"createdDateTime"`
	MemberSettings              struct {
		AddRemoveApps               *bool `json:"allowAddRemoveApps"`
		CreatePrivateChannels       *bool `json:"allowCreatePrivateChannels"`
		CreateUpdateChannels        *bool `json:"allowCreateUpdateChannels"`
		CreateUpdateRemoveConnector *bool `json:"allowCreateUpdateRemoveConnectors"`
		CreateUpdateRemoveTabs      *bool `json:"allowCreateUpdateRemoveTabs"`
		DeleteChannels              *bool `json:"allowDeleteChannels"`
	} `json:"memberSettings"`
	GuestSettings struct {
		CreateUpdateChannels *bool `json:"allowCreateUpdateChannels"`
		DeleteChannels       *bool `json:"allowDeleteChannels"`
	} `json:"guestSettings"`
	MessagingSettings struct {
		ChannelMentions     *bool `json:"allowChannelMentions"`
		OwnerDeleteMessages *bool `json:"allowOwnerDeleteMessages"`
		TeamMentions        *bool `json:"allowTeamMentions"`
		UserDeleteMessages  *bool `json:"allowUserDeleteMessages"`
		UserEditMessages    *bool `json:"allowUserEditMessages"`
	} `json:"messagingSettings"`
	FunSettings struct {
		CustomMemes        *bool `json:"allowCustomMemes"`
		Giphy              *bool `json:"allowGiphy"`
		StickersAndMemes   *bool `json:"allowStickersAndMemes"`
		GiphyContentRating str   `json:"giphyContentRating"`
	} `json:"funSettings"`
	Summary countsJSON `json:"summary"`
}

func (in *input) team() (fed, stamp, error) {
	w := &teamJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	rec := &w.rec
	rec.ID = in.own(&in.path.TeamID, &w.ID)
	rec.DisplayName, rec.Description = w.DisplayName.ptr(), w.Description.ptr()
	rec.Classification, rec.Specialization = w.Classification.ptr(), w.Specialization.ptr()
	rec.Visibility, rec.InternalID, rec.TeamTenantID = w.Visibility.ptr(), w.InternalID.ptr(), w.TenantID.ptr()
	rec.WebURL, rec.FirstChannelName = w.WebURL.ptr(), w.FirstChannelName.ptr()
	rec.IsArchived, rec.IsMembershipLimitedToOwners = w.IsArchived, w.IsMembershipLimitedToOwners
	rec.CreatedDateTime = w.CreatedDateTime.ptr()
	m := &w.MemberSettings
	rec.MemberSettingsAllowAddRemoveApps = m.AddRemoveApps
	rec.MemberSettingsAllowCreatePrivateChannels = m.CreatePrivateChannels
	rec.MemberSettingsAllowCreateUpdateChannels = m.CreateUpdateChannels
	rec.MemberSettingsAllowCreateUpdateRemoveConnectors = m.CreateUpdateRemoveConnector
	rec.MemberSettingsAllowCreateUpdateRemoveTabs = m.CreateUpdateRemoveTabs
	rec.MemberSettingsAllowDeleteChannels = m.DeleteChannels
	rec.GuestSettingsAllowCreateUpdateChannels = w.GuestSettings.CreateUpdateChannels
	rec.GuestSettingsAllowDeleteChannels = w.GuestSettings.DeleteChannels
	g := &w.MessagingSettings
	rec.MessagingSettingsAllowChannelMentions = g.ChannelMentions
	rec.MessagingSettingsAllowOwnerDeleteMessages = g.OwnerDeleteMessages
	rec.MessagingSettingsAllowTeamMentions = g.TeamMentions
	rec.MessagingSettingsAllowUserDeleteMessages = g.UserDeleteMessages
	rec.MessagingSettingsAllowUserEditMessages = g.UserEditMessages
	f := &w.FunSettings
	rec.FunSettingsAllowCustomMemes, rec.FunSettingsAllowGiphy = f.CustomMemes, f.Giphy
	rec.FunSettingsAllowStickersAndMemes = f.StickersAndMemes
	rec.FunSettingsGiphyContentRating = f.GiphyContentRating.ptr()
	rec.SummaryMembersCount, rec.SummaryOwnersCount = w.Summary.Members, w.Summary.Owners
	rec.SummaryGuestsCount = w.Summary.Guests
	return rec, in.created(w.CreatedDateTime), nil
}
