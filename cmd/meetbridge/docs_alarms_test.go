package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alarmRule is one rule of docs/alarms.yaml.
type alarmRule struct {
	Alert, Expr, For string
	Labels           map[string]string
	Annotations      struct{ Summary, Action string }
}

func readAlarms(t *testing.T) []alarmRule {
	t.Helper()
	text, err := os.ReadFile("../../docs/alarms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alarmRule
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	var all []alarmRule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// alarmsList prints the alarms for people.
func alarmsList(all []alarmRule) string {
	var b strings.Builder
	for _, a := range all {
		when := "at once"
		if a.For != "" {
			when = "after " + a.For
		}
		fmt.Fprintf(&b, "\n### %s\n\n```promql\n%s\n```\n\n%s, severity %s.\n\n- **Means:** %s\n- **Do:** %s\n",
			a.Alert, a.Expr, strings.ToUpper(when[:1])+when[1:], a.Labels["severity"], a.Annotations.Summary, a.Annotations.Action)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// Ensure that each alarm says what it means and what to do, and that it asks for
// series that there are.
func TestDocsAlarms(t *testing.T) {
	t.Parallel()
	known := map[string]metric{}
	for _, all := range processMetrics(t) {
		for _, m := range all {
			known[m.name] = m
		}
	}
	seen := map[string]bool{}
	for _, a := range readAlarms(t) {
		switch {
		case a.Annotations.Summary == "" || a.Annotations.Action == "" || !slices.Contains([]string{"page", "ticket"}, a.Labels["severity"]):
			t.Errorf("%s does not say all: %+v", a.Alert, a)
		case seen[a.Alert]:
			t.Errorf("%s is there twice", a.Alert)
		}
		seen[a.Alert] = true
		if err := checkExpression(a.Expr, known); err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
	}
	for _, bad := range []string{
		"meetbridge_ingest_nothing > 0", "meetbridge_ingest_kafka_away{shard=\"1\"} > 0", "sum(meetbridge_ingest_kafka_away",
		`sum(rate(meetbridge_ingest_requests_total{code="599"}[5m])) > 0`, "rate(meetbridge_ingest_requests_total) > 0",
		"rate(meetbridge_ingest_kafka_away[5m]) > 0", "sum by (shard) (meetbridge_ingest_kafka_away) > 0", "meetbridge_ingest_kafka_away >",
		"meetbridge_ingest_kafka_away 1", `meetbridge_ingest_rejected_total{reason=~"token_audience|none"} > 0`,
	} {
		if checkExpression(bad, known) == nil {
			t.Errorf("%s passes", bad)
		}
	}
}

// promToken splits PromQL into strings, durations and numbers, names, and signs.
var promToken = regexp.MustCompile(`^\s*("[^"]*"|[0-9.]+[a-z]*|[A-Za-z_:][A-Za-z0-9_:]*|[=!]~|[=!<>]=|[-+*/%<>=(){}\[\],])`)

// promParser reads the part of PromQL that alarms are written in.
type promParser struct {
	tokens []string
	known  map[string]metric
	labels []string // of the series seen so far
}

// checkExpression returns what is wrong with an expression: its form, a metric,
// a label or a value that nothing has.
func checkExpression(expr string, known map[string]metric) error {
	p := &promParser{known: known}
	for rest := expr; strings.TrimSpace(rest) != ""; {
		m := promToken.FindStringSubmatch(rest)
		if m == nil {
			return fmt.Errorf("cannot read %q", rest)
		}
		p.tokens, rest = append(p.tokens, m[1]), rest[len(m[0]):]
	}
	if err := p.binary(); err != nil {
		return err
	}
	if p.peek() != "" {
		return fmt.Errorf("%q is left over", p.tokens)
	}
	return nil
}

func (p *promParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *promParser) next() string {
	token := p.peek()
	if token != "" {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *promParser) expect(token string) error {
	if got := p.next(); got != token {
		return fmt.Errorf("%q stands where %q should", got, token)
	}
	return nil
}

// binary reads operands with operators between them: which binds how is left to
// Prometheus.
func (p *promParser) binary() error {
	for {
		if err := p.operand(); err != nil {
			return err
		}
		if !slices.Contains([]string{"+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless"}, p.peek()) {
			return nil
		}
		p.next()
	}
}

func (p *promParser) operand() error {
	token := p.next()
	switch {
	case token == "":
		return errors.New("an operand is missing")
	case token == "(":
		if err := p.binary(); err != nil {
			return err
		}
		return p.expect(")")
	case token[0] >= '0' && token[0] <= '9':
		return nil
	case slices.Contains([]string{"rate", "increase"}, token):
		return p.ranged(token)
	case slices.Contains([]string{"sum", "min", "max", "count", "avg", "absent", "histogram_quantile"}, token):
		return p.call(token)
	default:
		return p.selector(token, false)
	}
}

// ranged reads the argument of rate and increase: a counter's range.
func (p *promParser) ranged(function string) error {
	if err := p.expect("("); err != nil {
		return err
	}
	name := p.next()
	if !strings.HasSuffix(name, "_total") && !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_count") {
		return fmt.Errorf("%s of %s, which is no counter", function, name)
	}
	if err := p.selector(name, true); err != nil {
		return err
	}
	return p.expect(")")
}

// call reads an aggregation or a function, its labels before its arguments.
func (p *promParser) call(function string) error {
	var by []string
	if p.peek() == "by" {
		p.next()
		if err := p.expect("("); err != nil {
			return err
		}
		for token := p.next(); token != ")"; token = p.next() {
			if token == "" {
				return fmt.Errorf("the labels of %s do not end", function)
			}
			if token != "," {
				by = append(by, token)
			}
		}
	}
	if err := p.expect("("); err != nil {
		return err
	}
	p.labels = nil
	for {
		if err := p.binary(); err != nil {
			return err
		}
		if p.peek() != "," {
			break
		}
		p.next()
	}
	for _, label := range by {
		if !slices.Contains(p.labels, label) {
			return fmt.Errorf("%s by %s, which no series in it has", function, label)
		}
	}
	return p.expect(")")
}

// selector reads what follows a metric's name.
func (p *promParser) selector(name string, ranged bool) error {
	m, ok := p.known[name]
	if base, of := strings.CutSuffix(name, "_bucket"); of && p.known[base].histogram {
		m, ok = p.known[base], true
		m.labels = append(slices.Clone(m.labels), "le")
	}
	if !ok {
		return fmt.Errorf("there is no metric %q", name)
	}
	p.labels = append(p.labels, m.labels...)
	if p.peek() == "{" {
		p.next()
		for p.peek() != "}" {
			if err := p.matcher(m); err != nil {
				return err
			}
			if p.peek() == "," {
				p.next()
			}
		}
		p.next()
	}
	if !ranged {
		return nil
	}
	if err := p.expect("["); err != nil {
		return err
	}
	if d := p.next(); !regexp.MustCompile(`^[0-9]+[smhd]$`).MatchString(d) {
		return fmt.Errorf("%q is no range", d)
	}
	return p.expect("]")
}

// matcher reads label="value".
func (p *promParser) matcher(m metric) error {
	label, operator, value := p.next(), p.next(), strings.Trim(p.next(), `"`)
	if !slices.Contains(m.labels, label) || !slices.Contains([]string{"=", "!=", "=~", "!~"}, operator) {
		return fmt.Errorf("%s has no label %q, or %q is no operator", m.name, label, operator)
	}
	for _, v := range strings.Split(value, "|") {
		if len(m.values[label]) > 0 && !slices.Contains(m.values[label], v) {
			return fmt.Errorf("%s is never %q in %s", label, v, m.name)
		}
	}
	return nil
}
