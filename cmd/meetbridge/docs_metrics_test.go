package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"meetbridge/ingest"
	"meetbridge/renewer"
)

// metric is one family of a process, as its registry describes it.
type metric struct {
	name, help string
	labels     []string
	histogram  bool                // as far as series exist from the start
	values     map[string][]string // of the labels, where series exist from the start
}

// processMetrics returns the families that ingest and renewer register, by
// process, each sorted by name.
func processMetrics(t *testing.T) map[string][]metric {
	t.Helper()
	dir := t.TempDir()
	made, err := makeKeys(dir, "k1", 2048, "all", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	desired := filepath.Join(dir, "subscriptions.yaml")
	if err := os.WriteFile(desired, []byte("tenants: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	in, err := defaults[ingest.Config]()
	if err != nil {
		t.Fatal(err)
	}
	in.Listen, in.AdminListen, in.Metrics = "127.0.0.1:0", "127.0.0.1:0", prometheus.NewRegistry()
	in.AppIDs, in.DecryptionKeys, in.ClientStateKeys = []string{demoApp}, filepath.Dir(made.DecryptionKey), made.ClientStateKeys
	server, err := ingest.New(t.Context(), in, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(t.Context()) })
	re, err := defaults[renewer.Config]()
	if err != nil {
		t.Fatal(err)
	}
	re.Subscriptions, re.ClientStateKeys, re.AdminListen, re.Metrics = desired, made.ClientStateKeys, "127.0.0.1:0", prometheus.NewRegistry()
	r, err := renewer.New(t.Context(), re, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(t.Context()) })
	return map[string][]metric{"ingest": families(t, in.Metrics), "renewer": families(t, re.Metrics)}
}

// described is how client_golang writes a description: there is no other way to
// its parts, and a family without series shows nowhere else.
var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

func families(t *testing.T, reg *prometheus.Registry) []metric {
	t.Helper()
	all := map[string]metric{}
	descs := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a description of another form: %s", d)
		}
		f := metric{name: m[1], help: strings.ReplaceAll(m[2], `\"`, `"`), values: map[string][]string{}}
		if m[3] != "" {
			f.labels = strings.Split(m[3], ",")
		}
		all[f.name] = f
	}
	gathered, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range gathered {
		f := all[family.GetName()]
		for _, series := range family.GetMetric() {
			f.histogram = series.GetHistogram() != nil
			for _, l := range series.GetLabel() {
				f.values[l.GetName()] = append(f.values[l.GetName()], l.GetValue())
			}
		}
		all[f.name] = f
	}
	return slices.SortedFunc(maps.Values(all), func(a, b metric) int { return strings.Compare(a.name, b.name) })
}

// metricsTable lists the families with their labels.
func metricsTable(all []metric) string {
	var b strings.Builder
	b.WriteString("| metric | labels | meaning |\n|---|---|---|\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, strings.Join(m.labels, ", "), cell(m.help))
	}
	return b.String()
}

// metricName is what the documents call a metric.
var metricName = regexp.MustCompile(`\bmeetbridge_(ingest|renewer|kafka)_[a-z0-9_]+\b`)

// Ensure that every metric that a document names is one.
func TestDocsMetrics(t *testing.T) {
	t.Parallel()
	known := map[string]metric{}
	for _, all := range processMetrics(t) {
		for _, m := range all {
			known[m.name] = m
		}
	}
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(documents, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			found++
			if _, ok := known[name]; ok {
				continue
			}
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if m, ok := known[base]; !ok || !m.histogram {
				t.Errorf("%s names %s, which neither ingest nor renewer has", path, name)
			}
		}
	}
	if found == 0 {
		t.Error("no document names a metric")
	}
}
