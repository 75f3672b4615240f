package schemas_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"meetbridge/schemas"
)

// node is the part of an Avro schema that the rules are about.
type node struct {
	Type    any               `json:"type"`
	Name    string            `json:"name"`
	Doc     string            `json:"doc"`
	Default *json.RawMessage  `json:"default"`
	Fields  []json.RawMessage `json:"fields"`
}

// walk calls see for every record and field in raw, fields with the name of
// their record before a dot.
func walk(t *testing.T, raw json.RawMessage, see func(path string, n node, record bool)) {
	t.Helper()
	var n node
	if raw[0] != '{' || json.Unmarshal(raw, &n) != nil {
		return
	}
	if n.Type == "record" {
		see(n.Name, n, true)
	}
	for _, f := range n.Fields {
		var fn node
		if err := json.Unmarshal(f, &fn); err != nil {
			t.Fatal(err)
		}
		see(n.Name+"."+fn.Name, fn, false)
		var types struct{ Type json.RawMessage }
		if err := json.Unmarshal(f, &types); err != nil {
			t.Fatal(err)
		}
		var branches []json.RawMessage
		if json.Unmarshal(types.Type, &branches) != nil {
			branches = []json.RawMessage{types.Type}
		}
		for _, b := range branches {
			var arr struct {
				Type  any
				Items json.RawMessage
			}
			if b[0] == '{' && json.Unmarshal(b, &arr) == nil && len(arr.Items) > 0 {
				walk(t, arr.Items, see)
			}
			walk(t, b, see)
		}
	}
}

// Every record and field explains itself, record names are unique over all
// files, and every file stands alone under its topic's name.
func TestSchemasExplainThemselves(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for _, s := range schemas.All() {
		if s.Text == "" {
			t.Errorf("%s has no .avsc file", s.Topic)
			continue
		}
		walk(t, json.RawMessage(s.Text), func(path string, n node, record bool) {
			if strings.TrimSpace(n.Doc) == "" {
				t.Errorf("%s: %s has no doc", s.Topic, path)
			}
			if record && names[n.Name] != "" {
				t.Errorf("%s: record %s stands in %s already", s.Topic, n.Name, names[n.Name])
			}
			if record {
				names[n.Name] = s.Topic
			}
			union, nullable := n.Type.([]any)
			if !record && nullable && (len(union) != 2 || union[0] != "null" || n.Default == nil && !hasNullDefault(t, s.Text, n.Name)) {
				t.Errorf("%s: %s is a union, but not null or one type with null as default", s.Topic, path)
			}
		})
		if names[s.Name] != s.Topic {
			t.Errorf("%s: its record is not named %s", s.Topic, s.Name)
		}
	}
	files, err := filepath.Glob("*.avsc")
	if err != nil || len(files) != len(schemas.All()) {
		t.Errorf("%d .avsc files for %d schemas (%v)", len(files), len(schemas.All()), err)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.Contains(string(doc), " "+f) {
			t.Errorf("doc.go generates no type from %s", f)
		}
	}
}

// hasNullDefault reports whether a field of that name has a null for default:
// json leaves a pointer to a null nil.
func hasNullDefault(t *testing.T, text, field string) bool {
	t.Helper()
	i := strings.Index(text, `{"name": "`+field+`"`)
	return i >= 0 && strings.Contains(text[i:], `"default": null`)
}

// The envelope comes first and is the same in every record that Graph feeds
// (DESIGN §5).
func TestEnvelopeComesFirst(t *testing.T) {
	t.Parallel()
	envelope := []string{
		"event_id", "tenant_id", "subscription_id", "change_type", "resource",
		"occurred_at", "received_at", "payload", "resource_data",
	}
	own := []string{"lifecycle", "gaps", "subscriptions", "quarantine"}
	for _, s := range schemas.All() {
		if slices.Contains(own, s.Topic) {
			continue
		}
		var rec struct{ Fields []json.RawMessage }
		var want struct{ Fields []json.RawMessage }
		if err := json.Unmarshal([]byte(s.Text), &rec); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text(t, "other")), &want); err != nil {
			t.Fatal(err)
		}
		for i, name := range envelope {
			if string(rec.Fields[i]) != string(want.Fields[i]) || !strings.HasPrefix(string(rec.Fields[i]), `{"name": "`+name+`"`) {
				t.Errorf("%s: field %d is %s, want the envelope's %s", s.Topic, i, rec.Fields[i], name)
			}
		}
		if _, ok := records()[s.Topic].(interface{ SetEnvelope(schemas.Envelope) }); !ok {
			t.Errorf("%s: its type has no SetEnvelope", s.Topic)
		}
	}
}

// Today's schemas read and are read by every version that was ever published
// (FULL_TRANSITIVE), and the newest of those is not newer than today's.
func TestPublishedStayCompatible(t *testing.T) {
	t.Parallel()
	for _, s := range schemas.All() {
		versions, err := filepath.Glob(filepath.Join("testdata", "published", s.Topic, "v*.avsc"))
		if err != nil || len(versions) == 0 {
			t.Errorf("%s: no published version (%v)", s.Topic, err)
			continue
		}
		for _, v := range versions {
			old, err := os.ReadFile(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas.Compatible(s.Text, string(old)); err != nil {
				t.Errorf("%s: %s: %v", s.Topic, v, err)
			}
		}
	}
}

func TestCompatible(t *testing.T) {
	t.Parallel()
	base := `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}%s]}`
	with := func(field string) string { return strings.Replace(base, "%s", field, 1) }
	for _, tc := range []struct {
		name, field string
		ok          bool
	}{
		{"the same", ``, true},
		{"an added field with a default", `,{"name":"b","type":["null","string"],"default":null}`, true},
		{"an added field without a default", `,{"name":"b","type":"string"}`, false},
	} {
		if err := schemas.Compatible(with(tc.field), with("")); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err := schemas.Compatible(with(""), with(tc.field)); (err == nil) != tc.ok {
			t.Errorf("%s, taken away: %v", tc.name, err)
		}
	}
	if err := schemas.Compatible(with(""), strings.Replace(with(""), `"string"`, `"long"`, 1)); err == nil {
		t.Error("another type passes as compatible")
	}
	if err := schemas.Compatible(with(""), strings.Replace(with(""), `"R"`, `"S"`, 1)); err == nil {
		t.Error("another record name passes as compatible")
	}
}
