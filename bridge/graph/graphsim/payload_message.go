package graphsim

// chatMessage is the payload of messages in chats and channels (FACTS §5.3,
// §6). Members that a GET returns as null are written as null here, too.
type chatMessage struct {
	ODataContext         string           `json:"@odata.context,omitzero"`
	ID                   string           `json:"id"`
	ReplyToID            *string          `json:"replyToId"`
	ETag                 string           `json:"etag"`
	MessageType          string           `json:"messageType"`
	CreatedDateTime      string           `json:"createdDateTime"`
	LastModifiedDateTime string           `json:"lastModifiedDateTime"`
	LastEditedDateTime   *string          `json:"lastEditedDateTime"`
	DeletedDateTime      *string          `json:"deletedDateTime"`
	Subject              *string          `json:"subject"`
	Summary              *string          `json:"summary"`
	ChatID               *string          `json:"chatId"`
	Importance           string           `json:"importance"`
	Locale               string           `json:"locale"`
	WebURL               *string          `json:"webUrl"`
	From                 *messageFrom     `json:"from"`
	Body                 itemBody         `json:"body"`
	ChannelIdentity      *channelIdentity `json:"channelIdentity"`
	Attachments          []attachment     `json:"attachments"`
	Mentions             []mention        `json:"mentions"`
	PolicyViolation      *policyViolation `json:"policyViolation"`
	Reactions            []reaction       `json:"reactions"`
	Replies              []string         `json:"replies"`        // always empty
	HostedContents       []string         `json:"hostedContents"` // always empty
	MessageHistory       []historyItem    `json:"messageHistory,omitempty"`
	EventDetail          *eventDetail     `json:"eventDetail"`
}

type messageFrom struct {
	Application  *identity `json:"application"`
	Device       *identity `json:"device"`
	User         *identity `json:"user"`
	Conversation *identity `json:"conversation"`
}

type itemBody struct {
	ContentType string `json:"contentType"`
	Content     string `json:"content"`
}

type channelIdentity struct {
	TeamID    string `json:"teamId"`
	ChannelID string `json:"channelId"`
}

type attachment struct {
	ID           string  `json:"id"`
	ContentType  string  `json:"contentType"`
	ContentURL   *string `json:"contentUrl"`
	Content      *string `json:"content"`
	Name         *string `json:"name"`
	ThumbnailURL *string `json:"thumbnailUrl"`
	TeamsAppID   *string `json:"teamsAppId"`
}

type mention struct {
	ID          int          `json:"id"`
	MentionText string       `json:"mentionText"`
	Mentioned   *messageFrom `json:"mentioned"`
}

type reaction struct {
	ReactionType       string           `json:"reactionType"`
	DisplayName        string           `json:"displayName"`
	ReactionContentURL *string          `json:"reactionContentUrl"`
	CreatedDateTime    string           `json:"createdDateTime"`
	User               identitySetNulls `json:"user"`
}

type historyItem struct {
	ModifiedDateTime string    `json:"modifiedDateTime"`
	Actions          string    `json:"actions"`
	Reaction         *reaction `json:"reaction"`
}

type policyViolation struct {
	DLPAction         string     `json:"dlpAction"`
	JustificationText *string    `json:"justificationText"`
	PolicyTip         *policyTip `json:"policyTip"`
	UserAction        string     `json:"userAction"`
	VerdictDetails    string     `json:"verdictDetails"`
}

type policyTip struct {
	ComplianceURL                string   `json:"complianceUrl"`
	GeneralText                  string   `json:"generalText"`
	MatchedConditionDescriptions []string `json:"matchedConditionDescriptions"`
}

// eventDetail is the eventDetail of a system message; which members it has
// depends on its type.
type eventDetail struct {
	ODataType    string            `json:"@odata.type"`
	CallID       string            `json:"callId,omitzero"`
	CallDuration string            `json:"callDuration,omitzero"`
	EventType    string            `json:"callEventType,omitzero"`
	Members      []identity        `json:"members,omitempty"`
	Initiator    *identitySetNulls `json:"initiator,omitzero"`
}
