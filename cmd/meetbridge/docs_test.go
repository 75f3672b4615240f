package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-json-experiment/json"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
	"meetbridge/renewer"
	"meetbridge/schemas"
)

// update is the usual switch of golden files.
var update = flag.Bool("update", false, "rewrite the generated parts of the documentation")

// marked returns what matches the part of a document that this test writes:
//
//	<!-- NAME -->
//	…
//	<!-- /NAME -->
func marked(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)<!-- ` + name + ` -->\n.*?<!-- /` + name + ` -->`)
}

// Ensure that what the documents say of commands, settings, topics and reasons
// is what the program does. With -update the documents are rewritten.
func TestDocs(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&cli{}, &terminal{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	root, metrics := parser.Model.Node, processMetrics(t)
	parts := map[string]string{
		"commands": commandsTable(root),
		"help":     allHelp(t, root),
		"settings": settingsTables(root),
		"topics":   topicsTable(),
		"reasons":  reasonsTable(),
		"records":  recordsTables(t),

		"alarms":          alarmsList(readAlarms(t)),
		"metrics-ingest":  metricsTable(metrics["ingest"]),
		"metrics-renewer": metricsTable(metrics["renewer"]),
		"subscriptions":   renewer.Reference(),
		"permissions":     permissionsTable(),
	}
	for name, content := range parts {
		if strings.Contains(content, "§") {
			t.Errorf("%s refers to a document that its readers do not have", name)
		}
	}
	used := map[string]bool{}
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(documents, "../../README.md") {
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(old)
		for name, content := range parts {
			text = marked(name).ReplaceAllStringFunc(text, func(string) string {
				used[name] = true
				return "<!-- " + name + " -->\n\n" + content + "\n<!-- /" + name + " -->"
			})
		}
		switch {
		case text == string(old):
		case *update:
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is out of date: run make generate", path)
		}
	}
	for name := range parts {
		if !used[name] {
			t.Errorf("no document has the generated part %q", name)
		}
	}
}

func commandsTable(root *kong.Node) string {
	var b strings.Builder
	b.WriteString("| command | does |\n|---|---|\n")
	for _, g := range groupCommands(root) {
		for _, n := range g.nodes {
			fmt.Fprintf(&b, "| `meetbridge %s` | %s |\n", n.Path(), n.Help)
		}
	}
	return b.String()
}

func allHelp(t *testing.T, root *kong.Node) string {
	t.Helper()
	var b strings.Builder
	for _, g := range groupCommands(root) {
		for _, n := range g.nodes {
			var help bytes.Buffer
			if err := printHelp(&help, n); err != nil {
				t.Fatal(err)
			}
			// The general flags and the footer are the same everywhere.
			text, _, _ := strings.Cut(help.String(), "\nGeneral:\n")
			fmt.Fprintf(&b, "\n## meetbridge %s\n\n```text\n%s```\n", n.Path(), text)
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// setting is one row of the tables of settings: a flag with one meaning,
// whichever commands take it.
type setting struct {
	group, name, def, help string
	commands               []string
}

func settingsTables(root *kong.Node) string {
	var all []*setting
	add := func(f *kong.Flag, command string) {
		group := "Commands' own"
		if f.Group != nil {
			group = f.Group.Title
		}
		s := setting{group: group, name: f.Name, def: f.Default, help: f.Help}
		for _, o := range all {
			if o.group == s.group && o.name == s.name && o.def == s.def && o.help == s.help {
				o.commands = append(o.commands, command)
				return
			}
		}
		s.commands = []string{command}
		all = append(all, &s)
	}
	for _, f := range root.Flags {
		if isSettable(f) {
			add(f, "all")
		}
	}
	for _, leaf := range root.Leaves(true) {
		for _, f := range leaf.Flags {
			add(f, leaf.Path())
		}
	}
	var groups []string
	for _, s := range all {
		if !slices.Contains(groups, s.group) {
			groups = append(groups, s.group)
		}
	}
	var b strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&b, "\n### %s\n\n| key | variable | default | commands | meaning |\n|---|---|---|---|---|\n", group)
		for _, s := range all {
			if s.group == group {
				fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", s.name, envName(s.name), code(s.def), strings.Join(s.commands, ", "), cell(s.help))
			}
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// cell makes s fit into a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s)
}

func topicsTable() string {
	wants := map[string]kafka.TopicWant{}
	for _, w := range (kafka.Config{}).WantedTopics("teams.", 12, -1) {
		wants[w.Topic] = w
	}
	var b strings.Builder
	b.WriteString("| topic | from | key | kept |\n|---|---|---|---|\n")
	for _, k := range bridge.Kinds() {
		w := wants["teams."+k.Topic]
		kept := "compacted"
		if ms := w.Configs["retention.ms"]; ms != "" {
			d, _ := time.ParseDuration(ms + "ms")
			kept = fmt.Sprintf("%d days", int(d.Hours()/24))
		}
		if k.Single {
			kept += ", one partition"
		}
		fmt.Fprintf(&b, "| `teams.%s` | %s | %s | %s |\n", k.Topic, k.From, k.Key, kept)
	}
	ids := wants[bridge.RecentIDs("teams.")]
	hours, _ := time.ParseDuration(ids.Configs["retention.ms"] + "ms")
	fmt.Fprintf(&b, "| `%s` | the replicas of ingest, for each other: which event ids Kafka holds; no Avro | none | %d hours, one partition |\n", ids.Topic, int(hours.Hours()))
	return b.String()
}

func reasonsTable() string {
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return ""
	}
	var b strings.Builder
	b.WriteString("| reason | means | rate-limited | can be replayed |\n|---|---|---|---|\n")
	for _, r := range bridge.Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Reason, r.Means, yes(r.Limited), yes(r.Replayable))
	}
	return b.String()
}

// permissionsTable says what an application must be permitted for each resource.
func permissionsTable() string {
	of := map[string][]string{}
	var order []string
	for _, r := range renewer.Resources() {
		p := graph.PermissionFor(r.Path)
		if of[p] == nil {
			order = append(order, p)
		}
		of[p] = append(of[p], "`"+r.Path+"`")
	}
	var b strings.Builder
	b.WriteString("| permission | for |\n|---|---|\n")
	for _, p := range order {
		if name := code(p); name != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(of[p], ", "))
		}
	}
	if rest := of[""]; rest != nil {
		fmt.Fprintf(&b, "| not known here; see Graph's documentation | %s |\n", strings.Join(rest, ", "))
	}
	return b.String()
}

// avroField is what the tables of records say of a field.
type avroField struct {
	Name string `json:"name"`
	Type any    `json:"type"`
	Doc  string `json:"doc"`
}

func recordsTables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, s := range schemas.All() {
		var record struct {
			Doc    string      `json:"doc"`
			Fields []avroField `json:"fields"`
		}
		if err := json.Unmarshal([]byte(s.Text), &record); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n## %s: `teams.%s`\n\n%s\n\n", s.Name, s.Topic, record.Doc)
		b.WriteString("| field | type | meaning |\n|---|---|---|\n")
		fieldRows(&b, "", record.Fields)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// fieldRows writes a row for each field, those of nested records below the
// field that holds them.
func fieldRows(b *strings.Builder, prefix string, fields []avroField) {
	for _, f := range fields {
		name, nested := avroType(f.Type)
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, f.Name, name, cell(f.Doc))
		fieldRows(b, prefix+f.Name+".", nested)
	}
}

// avroType returns the type in words, and the fields of the record in it.
func avroType(v any) (name string, nested []avroField) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []any:
		var names []string
		for _, branch := range v {
			n, fields := avroType(branch)
			names = append(names, n)
			nested = append(nested, fields...)
		}
		return strings.Join(names, " or "), nested
	case map[string]any:
		if logical, ok := v["logicalType"].(string); ok {
			return logical, nil
		}
		switch v["type"] {
		case "array":
			n, fields := avroType(v["items"])
			return "array of " + n, fields
		case "record":
			text, err := json.Marshal(v["fields"])
			if err == nil {
				err = json.Unmarshal(text, &nested)
			}
			if err != nil {
				return err.Error(), nil
			}
			return fmt.Sprint(v["name"]), nested
		}
		return avroType(v["type"])
	}
	return fmt.Sprint(v), nil
}
