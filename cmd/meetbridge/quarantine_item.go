package main

import (
	"fmt"
	"strings"
)

// How much of a sealed member is shown, and of any other text.
const (
	shownSealed = 12
	shownText   = 500
)

// shownMembers returns what may be shown of an item: the members of a change
// notification, the sealed ones shortened, no clientState; of members that
// nobody documented only that they are there, since they may hold anything.
func shownMembers(path string, members map[string]any) map[string]any {
	shown := make(map[string]any, len(members))
	for name, v := range members {
		shown[printable(name, keyWidth)] = shownMember(path+strings.ToLower(name), v)
	}
	return shown
}

func shownMember(path string, v any) any {
	text, isText := v.(string)
	object, isObject := v.(map[string]any)
	switch path {
	case "clientstate":
		switch {
		case v == nil:
			return nil
		case text == "":
			return "(cut out)"
		}
		return "(in the record, not shown)"
	case "encryptedcontent", "resourcedata":
		if isObject {
			return shownMembers(path+".", object)
		}
	case "encryptedcontent.data", "encryptedcontent.datakey", "encryptedcontent.datasignature":
		if isText && len(text) > shownSealed {
			return fmt.Sprintf("%s (%d characters)", printable(text, shownSealed), len(text))
		}
	case "id", "subscriptionid", "tenantid", "organizationid", "changetype", "lifecycleevent", "resource", "subscriptionexpirationdatetime",
		"encryptedcontent.encryptioncertificateid", "encryptedcontent.encryptioncertificatethumbprint",
		"resourcedata.@odata.type", "resourcedata.@odata.id", "resourcedata.@odata.etag", "resourcedata.id":
		if isText {
			return printable(text, shownText)
		}
	}
	if v == nil {
		return nil
	}
	return "(not shown)"
}
