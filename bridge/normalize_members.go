package bridge

import "meetbridge/schemas"

// memberJSON is Graph's conversationMember and all types derived from it (FACTS
// §5.3).
type memberJSON struct {
	ODataType           str   `json:"@odata.type"`
	ID                  str   `json:"id"`
	DisplayName         str   `json:"displayName"`
	Roles               []str `json:"roles"`
	VisibleHistoryStart stamp `json:"visibleHistoryStartDateTime"`
	UserID              str   `json:"userId"`
	Email               str   `json:"email"`
	TenantID            str   `json:"tenantId"`
	AnonymousGuestID    str   `json:"anonymousGuestId"`
	ACSID               str   `json:"azureCommunicationServicesId"`
	PhoneNumber         str   `json:"phoneNumber"`
	SkypeID             str   `json:"skypeId"`
	OriginalSource      str   `json:"@microsoft.graph.originalSourceMembershipUrl"`
}

// memberType returns the short name of the member's type, nil where it is not
// told.
func (m *memberJSON) memberType(other *str) *string {
	t := m.ODataType.or(other)
	if !t.ok {
		return nil
	}
	short := shortType(t.s)
	return &short
}

func (m *memberJSON) inChat() schemas.ChatMember {
	return schemas.ChatMember{
		ID: m.ID.ptr(), MemberType: m.memberType(&str{}), DisplayName: m.DisplayName.ptr(), Roles: texts(m.Roles),
		VisibleHistoryStartDateTime: m.VisibleHistoryStart.ptr(), UserID: m.UserID.ptr(), Email: m.Email.ptr(),
		MemberTenantID: m.TenantID.ptr(), AnonymousGuestID: m.AnonymousGuestID.ptr(),
		AzureCommunicationServicesID: m.ACSID.ptr(), PhoneNumber: m.PhoneNumber.ptr(), SkypeID: m.SkypeID.ptr(),
	}
}

func (in *input) conversationMember() (fed, stamp, error) {
	w := &struct {
		rec schemas.ConversationMember
		memberJSON
	}{}
	if err := unmarshal(in.text, &w.memberJSON); err != nil {
		return nil, stamp{}, err
	}
	m, p := &w.memberJSON, &in.path
	w.rec = schemas.ConversationMember{
		TeamID: optional(&p.TeamID), ChannelID: optional(&p.ChannelID), ChatID: optional(&p.ChatID),
		ID: in.id(&p.MemberID, &m.ID), MemberType: m.memberType(&in.data.ODataType),
		DisplayName: m.DisplayName.ptr(), Roles: texts(m.Roles),
		VisibleHistoryStartDateTime: m.VisibleHistoryStart.ptr(), UserID: m.UserID.ptr(), Email: m.Email.ptr(),
		MemberTenantID: m.TenantID.ptr(), AnonymousGuestID: m.AnonymousGuestID.ptr(),
		AzureCommunicationServicesID: m.ACSID.ptr(), PhoneNumber: m.PhoneNumber.ptr(), SkypeID: m.SkypeID.ptr(),
		OriginalSourceMembershipURL: m.OriginalSource.ptr(),
	}
	return &w.rec, stamp{}, nil
}

// installationJSON is Graph's teamsAppInstallation with the scopeInfo that its
// published type lacks (FACTS §5.3).
type installationJSON struct {
	rec schemas.AppInstallation

	ID  str `json:"id"`
	App struct {
		ID                 str `json:"id"`
		ExternalID         str `json:"externalId"`
		DisplayName        str `json:"displayName"`
		DistributionMethod str `json:"distributionMethod"`
	} `json:"teamsApp"`
	Definition struct {
		ID      str `json:"id"`
		Version str `json:"version"`
	} `json:"teamsAppDefinition"`
	Scope struct {
		Scope  str `json:"scope"`
		TeamID str `json:"teamId"`
		ChatID str `json:"chatId"`
		UserID str `json:"userId"`
	} `json:"scopeInfo"`
	Consented struct {
		Permissions []permissionJSON `json:"resourceSpecificPermissions"`
	} `json:"consentedPermissionSet"`
}

type permissionJSON struct {
	Value str `json:"permissionValue"`
	Type  str `json:"permissionType"`
}

func (in *input) appInstallation() (fed, stamp, error) {
	w := &installationJSON{}
	if err := unmarshal(in.text, w); err != nil {
		return nil, stamp{}, err
	}
	p := &in.path
	if p.TeamID == "" && p.ChatID == "" && p.UserID == "" {
		p.TeamID, p.ChatID, p.UserID = w.Scope.TeamID.s, w.Scope.ChatID.s, w.Scope.UserID.s
	}
	rec := &w.rec
	rec.ID, rec.CatalogAppID = in.id(&p.InstallationID, &w.ID), optional(&p.AppID)
	rec.TeamsAppID, rec.TeamsAppExternalID = w.App.ID.ptr(), w.App.ExternalID.ptr()
	rec.TeamsAppDisplayName = w.App.DisplayName.ptr()
	rec.TeamsAppDistributionMethod = w.App.DistributionMethod.ptr()
	rec.TeamsAppDefinitionID, rec.TeamsAppVersion = w.Definition.ID.ptr(), w.Definition.Version.ptr()
	rec.Scope = w.Scope.Scope.ptr()
	rec.TeamID, rec.ChatID, rec.UserID = optional(&p.TeamID), optional(&p.ChatID), optional(&p.UserID)
	rec.ConsentedPermissions = each(w.Consented.Permissions, func(c *permissionJSON) schemas.AppConsentedPermission {
		return schemas.AppConsentedPermission{PermissionValue: c.Value.ptr(), PermissionType: c.Type.ptr()}
	})
	return rec, stamp{}, nil
}
