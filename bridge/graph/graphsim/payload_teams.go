package graphsim

// chatPayload is the payload of a chat (FACTS §5.3).
type chatPayload struct {
	ID                    string             `json:"id"`
	Topic                 *string            `json:"topic"`
	CreatedDateTime       string             `json:"createdDateTime"`
	LastUpdatedDateTime   string             `json:"lastUpdatedDateTime"`
	ChatType              string             `json:"chatType"`
	WebURL                string             `json:"webUrl"`
	TenantID              string             `json:"tenantId"`
	IsHiddenForAllMembers *bool              `json:"isHiddenForAllMembers"`
	OnlineMeetingInfo     *onlineMeetingInfo `json:"onlineMeetingInfo"`
	Viewpoint             *viewpoint         `json:"viewpoint"`
	Members               []memberPayload    `json:"members,omitempty"`
}

type onlineMeetingInfo struct {
	CalendarEventID *string   `json:"calendarEventId"`
	JoinWebURL      string    `json:"joinWebUrl"`
	Organizer       *identity `json:"organizer"`
}

type viewpoint struct {
	IsHidden                bool   `json:"isHidden"`
	LastMessageReadDateTime string `json:"lastMessageReadDateTime"`
}

type channelPayload struct {
	ID                  string          `json:"id"`
	CreatedDateTime     string          `json:"createdDateTime"`
	DisplayName         string          `json:"displayName"`
	Description         *string         `json:"description"`
	IsFavoriteByDefault *bool           `json:"isFavoriteByDefault"`
	Email               *string         `json:"email"` // not in payloads (FACTS §5)
	TenantID            string          `json:"tenantId"`
	WebURL              string          `json:"webUrl"`
	MembershipType      string          `json:"membershipType"`
	LayoutType          string          `json:"layoutType,omitzero"`
	IsArchived          bool            `json:"isArchived"`
	Summary             *channelSummary `json:"summary"`
}

type channelSummary struct {
	HasMembersFromOtherTenants bool `json:"hasMembersFromOtherTenants"`
	MembersCount               int  `json:"membersCount"`
	OwnersCount                int  `json:"ownersCount"`
	GuestsCount                int  `json:"guestsCount"`
}

type teamPayload struct {
	ID                string            `json:"id"`
	CreatedDateTime   string            `json:"createdDateTime"`
	DisplayName       string            `json:"displayName"`
	Description       string            `json:"description"`
	InternalID        string            `json:"internalId"`
	Classification    *string           `json:"classification"`
	Specialization    string            `json:"specialization"`
	Visibility        string            `json:"visibility"`
	WebURL            string            `json:"webUrl"`
	IsArchived        bool              `json:"isArchived"`
	TenantID          string            `json:"tenantId"`
	FirstChannelName  *string           `json:"firstChannelName"`
	MemberSettings    memberSettings    `json:"memberSettings"`
	GuestSettings     guestSettings     `json:"guestSettings"`
	MessagingSettings messagingSettings `json:"messagingSettings"`
	FunSettings       funSettings       `json:"funSettings"`
	Summary           *teamSummary      `json:"summary"`
}

type memberSettings struct {
	AllowCreateUpdateChannels         bool `json:"allowCreateUpdateChannels"`
	AllowCreatePrivateChannels        bool `json:"allowCreatePrivateChannels"`
	AllowDeleteChannels               bool `json:"allowDeleteChannels"`
	AllowAddRemoveApps                bool `json:"allowAddRemoveApps"`
	AllowCreateUpdateRemoveTabs       bool `json:"allowCreateUpdateRemoveTabs"`
	AllowCreateUpdateRemoveConnectors bool `json:"allowCreateUpdateRemoveConnectors"`
}

type guestSettings struct {
	AllowCreateUpdateChannels bool `json:"allowCreateUpdateChannels"`
	AllowDeleteChannels       bool `json:"allowDeleteChannels"`
}

type messagingSettings struct {
	AllowUserEditMessages    bool `json:"allowUserEditMessages"`
	AllowUserDeleteMessages  bool `json:"allowUserDeleteMessages"`
	AllowOwnerDeleteMessages bool `json:"allowOwnerDeleteMessages"`
	AllowTeamMentions        bool `json:"allowTeamMentions"`
	AllowChannelMentions     bool `json:"allowChannelMentions"`
}

type funSettings struct {
	AllowGiphy            bool   `json:"allowGiphy"`
	GiphyContentRating    string `json:"giphyContentRating"`
	AllowStickersAndMemes bool   `json:"allowStickersAndMemes"`
	AllowCustomMemes      bool   `json:"allowCustomMemes"`
}

type teamSummary struct {
	OwnersCount  int `json:"ownersCount"`
	MembersCount int `json:"membersCount"`
	GuestsCount  int `json:"guestsCount"`
}

// memberPayload is a conversationMember; members of different kinds carry
// different ids.
type memberPayload struct {
	ODataType                   string   `json:"@odata.type,omitzero"`
	ID                          string   `json:"id"`
	Roles                       []string `json:"roles"`
	DisplayName                 *string  `json:"displayName"`
	VisibleHistoryStartDateTime string   `json:"visibleHistoryStartDateTime,omitzero"`
	UserID                      string   `json:"userId,omitzero"`
	Email                       *string  `json:"email"`
	TenantID                    string   `json:"tenantId,omitzero"`
	AnonymousGuestID            string   `json:"anonymousGuestId,omitzero"`
	PhoneNumber                 string   `json:"phoneNumber,omitzero"`
	ACSID                       string   `json:"azureCommunicationServicesId,omitzero"`
}

// installationPayload is a teamsAppInstallation with the scopeInfo that v1.0
// metadata lacks and payloads have (FACTS §5.3).
type installationPayload struct {
	ID                   string         `json:"id"`
	TeamsApp             teamsApp       `json:"teamsApp"`
	TeamsAppDefinition   *appDefinition `json:"teamsAppDefinition,omitzero"`
	ConsentedPermissions *permissionSet `json:"consentedPermissionSet,omitzero"`
	ScopeInfo            scopeInfo      `json:"scopeInfo"`
}

type teamsApp struct {
	ID          string `json:"id"`
	ExternalID  string `json:"externalId,omitzero"`
	DisplayName string `json:"displayName,omitzero"`
}

type appDefinition struct {
	ID         string `json:"id"`
	TeamsAppID string `json:"teamsAppId"`
	Version    string `json:"version"`
}

type permissionSet struct {
	ResourceSpecificPermissions []resourcePermission `json:"resourceSpecificPermissions"`
}

type resourcePermission struct {
	Value string `json:"permissionValue"`
	Type  string `json:"permissionType"`
}

type scopeInfo struct {
	ODataType string `json:"@odata.type"`
	Scope     string `json:"scope"`
	TeamID    string `json:"teamId,omitzero"`
	ChatID    string `json:"chatId,omitzero"`
	UserID    string `json:"userId,omitzero"`
}

// presencePayload is a resource that a bridge for meetings has no type for.
type presencePayload struct {
	ID             string `json:"id"`
	Availability   string `json:"availability"`
	Activity       string `json:"activity"`
	SequenceNumber string `json:"sequenceNumber"`
}
