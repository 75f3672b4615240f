package chaos

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// wish is one subscription that is desired from the beginning to the end.
type wish struct {
	Tenant   string
	Resource string // canonical
}

// desire reads what the simulated Graph wrote down of itself, and writes the
// same to another file with each resource in full, so that what is desired is
// known here without the bridge's help. It returns that.
func desire(from, to string) ([]wish, error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	var file struct {
		Development bool           `yaml:"development"`
		Defaults    map[string]any `yaml:"defaults"`
		Tenants     []struct {
			ID            string           `yaml:"id"`
			Subscriptions []map[string]any `yaml:"subscriptions"`
		} `yaml:"tenants"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read %s: %w", from, err)
	}
	var wishes []wish
	for t := range file.Tenants {
		tenant := &file.Tenants[t]
		var full []map[string]any
		for _, s := range tenant.Subscriptions {
			for form, value := range s {
				paths, err := inFull(form, value)
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", from, err)
				}
				for _, p := range paths {
					full = append(full, map[string]any{"resource": p})
					wishes = append(wishes, wish{tenant.ID, canonical(p)})
				}
			}
		}
		tenant.Subscriptions = full
	}
	if len(wishes) == 0 {
		return nil, errors.New("read " + from + ": nothing to subscribe to yet")
	}
	out, err := yaml.Marshal(file)
	if err != nil {
		return nil, err
	}
	return wishes, os.WriteFile(to, out, 0o644)
}

// inFull returns the resources behind a short form.
func inFull(form string, value any) ([]string, error) {
	events := func(kind string, more ...string) []string {
		base := fmt.Sprintf("solutions/virtualEvents/%s/%v", kind, value)
		paths := []string{base, base + "/sessions", base + "/getAttendanceReports"}
		for _, m := range more {
			paths = append(paths, base+m)
		}
		return paths
	}
	switch form {
	case "resource":
		return []string{fmt.Sprint(value)}, nil
	case "meeting":
		return []string{"communications/onlineMeetings(joinWebUrl='" + url.QueryEscape(fmt.Sprint(value)) + "')/meetingCallEvents"}, nil
	case "webinar":
		return events("webinars", "/registrations"), nil
	case "town_hall":
		return events("townhalls"), nil
	case "all":
		var paths []string
		words, _ := value.([]any)
		for _, word := range words {
			p := wholeTenant()[fmt.Sprint(word)]
			if p == nil {
				return nil, fmt.Errorf("all: %v: not known", word)
			}
			paths = append(paths, p...)
		}
		return paths, nil
	}
	return nil, fmt.Errorf("%s: not known", form)
}

// wholeTenant are the resources that concern a whole tenant, by the words for
// them.
func wholeTenant() map[string][]string {
	return map[string][]string{
		"transcripts":        {"communications/onlineMeetings/getAllTranscripts"},
		"recordings":         {"communications/onlineMeetings/getAllRecordings"},
		"ad hoc transcripts": {"communications/adhocCalls/getAllTranscripts"},
		"ad hoc recordings":  {"communications/adhocCalls/getAllRecordings"},
		"messages":           {"chats/getAllMessages", "teams/getAllMessages"},
		"chats":              {"chats"},
		"channels":           {"teams/getAllChannels"},
		"teams":              {"teams"},
		"members":            {"chats/getAllMembers", "teams/getAllMembers", "teams/getAllChannels/getAllMembers"},
		"events":             {"solutions/virtualEvents/events"},
	}
}

// canonical returns the one spelling by which resources are compared here.
func canonical(resource string) string {
	resource = strings.TrimPrefix(strings.ToLower(resource), "/")
	for {
		plain, err := url.QueryUnescape(resource)
		if err != nil || plain == resource {
			return resource
		}
		resource = strings.ToLower(plain)
	}
}
