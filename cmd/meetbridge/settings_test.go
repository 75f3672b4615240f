package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// testGrammar is a small command line with everything that settings must cope
// with: program flags, commands, commands of commands, lists, durations.
type testGrammar struct {
	Config   string
	LogLevel string `default:"info"`

	Serve struct {
		Listen  string        `default:":1"`
		Brokers []string      `default:"localhost"`
		Within  time.Duration `default:"1s"`
		Create  bool
	} `cmd:""`
	Topics struct {
		Plan struct {
			Count int `default:"1"`
		} `cmd:""`
		Apply struct {
			Count int `default:"1"`
		} `cmd:""`
	} `cmd:""`
	Doctor struct {
		Listen string `default:":1"`
	} `cmd:"" reads:"serve"`

	settings *settings
}

func (g *testGrammar) BeforeResolve(ctx *kong.Context) error {
	file, _ := ctx.FlagValue(flagNamed(ctx.Model.Node, "config")).(string)
	if err := g.settings.load(ctx.Model.Node, file); err != nil {
		return err
	}
	ctx.AddResolver(g.settings)
	return nil
}

// parse returns the grammar filled from args, env and a config file with the
// text yaml ("": none), and what explain makes of the error.
func parse(t *testing.T, yaml, args string, env ...string) (*testGrammar, string) {
	t.Helper()
	g := &testGrammar{settings: newSettings(env)}
	p, err := kong.New(g, kong.Name("meetbridge"), kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(args)
	if yaml != "" {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		words = append(words, "--config="+path)
	}
	if _, err = p.Parse(words); err != nil {
		return g, explain(err, g.settings).Error()
	}
	return g, ""
}

// Ensure a flag goes before its variable, a variable before the file, the file
// before the default, and a command's own mapping before the rest of the file.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file = "listen: ':4'\nserve:\n  listen: ':3'\n"
	for _, tc := range []struct {
		name, file, args string
		env              []string
		want             string
	}{
		{"Default", "", "serve", nil, ":1"},
		{"File", "listen: ':4'", "serve", nil, ":4"},
		{"FileNested", file, "serve", nil, ":3"},
		{"FileNull", "listen: ':4'\nserve: {listen: null}", "serve", nil, ":4"},
		{"Variable", file, "serve", []string{"MEETBRIDGE_LISTEN=:5"}, ":5"},
		{"VariableEmpty", file, "serve", []string{"MEETBRIDGE_LISTEN="}, ":3"},
		{"ReadsOther", file, "doctor", nil, ":3"},
		{"ReadsOtherOwnFirst", file + "doctor:\n  listen: ':2'\n", "doctor", nil, ":2"},
		{"ReadsOtherVariable", file, "doctor", []string{"MEETBRIDGE_LISTEN=:5"}, ":5"},
		{"Flag", file, "serve --listen=:6", []string{"MEETBRIDGE_LISTEN=:5"}, ":6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, problem := parse(t, tc.file, tc.args, tc.env...)
			got := g.Serve.Listen
			if tc.args == "doctor" {
				got = g.Doctor.Listen
			}
			if problem != "" || got != tc.want {
				t.Errorf("listen = %q (%s), want %q", got, problem, tc.want)
			}
		})
	}
}

func TestConfigFileValues(t *testing.T) {
	t.Parallel()
	g, problem := parse(t, `
log-level: debug
brokers: [a:1, "b,c"]
within: 1500ms
create: true
topics:
  count: 2
  apply:
    count: &n 3
`, "serve")
	if problem != "" {
		t.Fatal(problem)
	}
	if g.LogLevel != "debug" || !slices.Equal(g.Serve.Brokers, []string{"a:1", "b,c"}) || g.Serve.Within != 1500*time.Millisecond || !g.Serve.Create {
		t.Errorf("got %q %q %s %t", g.LogLevel, g.Serve.Brokers, g.Serve.Within, g.Serve.Create)
	}
	for args, want := range map[string]int{"topics plan": 2, "topics apply": 3} {
		g, problem := parse(t, "topics:\n  count: 2\n  apply: {count: 3}\n", args)
		if got := g.Topics.Plan.Count + g.Topics.Apply.Count - 1; problem != "" || got != want {
			t.Errorf("%s: count = %d (%s), want %d", args, got, problem, want)
		}
	}
	// Empty files, and files of comments, set nothing.
	for _, empty := range []string{"# nothing\n", "---\n", "null\n"} {
		if _, problem := parse(t, empty, "serve"); problem != "" {
			t.Errorf("file %q: %s", empty, problem)
		}
	}
}

// Ensure that what is misspelt is refused, with its place and the nearest name.
func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file, args string
		env              []string
		want             string
	}{
		{"UnknownFlag", "", "serve --lisen=x", nil, `did you mean "--listen"? (see meetbridge serve --help)`},
		{"UnknownVariable", "", "serve", []string{"MEETBRIDGE_LISTNE=x"}, `unknown variable MEETBRIDGE_LISTNE, did you mean "MEETBRIDGE_LISTEN"?`},
		{"UnknownVariableEmpty", "", "serve", []string{"MEETBRIDGE_NOTHING_LIKE_IT="}, `unknown variable MEETBRIDGE_NOTHING_LIKE_IT`},
		{"UnknownVariableHelp", "", "serve", []string{"MEETBRIDGE_HELP=1"}, `unknown variable MEETBRIDGE_HELP: --help is a flag only, unset it (see`},
		{"UnknownVariableVersion", "", "serve", []string{"MEETBRIDGE_VERSION=1"}, `--version is a flag only`},
		{"LooksLikeAFlag", "", "serve --listen -5m", nil, `--listen: "-5m" looks like a flag: give a value that does not begin with a dash (see`},
		{"UnknownKey", "log-level: info\nbroker: x", "serve", nil, `c.yaml:2: unknown key "broker", did you mean "brokers"?`},
		{"UnknownKeyNested", "serve:\n  count: 1", "serve", nil, `c.yaml:2: unknown key "count"`},
		{"UnderlineKey", "log_level: info", "serve", nil, `c.yaml:1: unknown key "log_level", did you mean "log-level"?`},
		{"TwoUnknownKeys", "broker: x\nlisten: a\nlistne: b", "serve", nil, `c.yaml:3: unknown key "listne"`},
		{"KeyTwice", "listen: a\nlisten: b", "serve", nil, `c.yaml:2: "listen" stands in line 1 already`},
		{"KeyOfAMapping", "listen: {a: b}", "serve", nil, `c.yaml:1: "listen" must be a single value or a list of single values`},
		{"CommandWithoutMapping", "serve: yes", "serve", nil, `c.yaml:1: below the command "serve" must stand a mapping`},
		{"ConfigInConfig", "config: x", "serve", nil, `c.yaml:1: a config file cannot name another one`},
		{"NoMapping", "- a", "serve", nil, `c.yaml:1: must be a mapping`},
		{"TwoDocuments", "listen: a\n---\nlisten: b", "serve", nil, `more than one YAML document`},
		{"NoYAML", "a: [", "serve", nil, `c.yaml: yaml: line 1`},
		{"NoFile", "", "serve", []string{"MEETBRIDGE_CONFIG=/nowhere/c.yaml"}, `read --config: open /nowhere/c.yaml`},
		{"BadValueInFile", "\nwithin: soon", "serve", nil, `--within: expected duration but got "soon"`},
		{"BadValueInFilePlace", "\nwithin: soon", "serve", nil, `c.yaml:2 (see`},
		{"BadValueInVariable", "", "serve", []string{"MEETBRIDGE_WITHIN=soon"}, `set by $MEETBRIDGE_WITHIN`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, problem := parse(t, tc.file, tc.args, tc.env...)
			if !strings.Contains(problem, tc.want) {
				t.Errorf("got %q, want %q in it", problem, tc.want)
			}
		})
	}
}

// Ensure that the variables which Kubernetes sets for a Service named
// meetbridge do not stop a process.
func TestServiceLinks(t *testing.T) {
	t.Parallel()
	_, problem := parse(t, "", "serve",
		"MEETBRIDGE_SERVICE_HOST=10.0.0.1", "MEETBRIDGE_SERVICE_PORT=80", "MEETBRIDGE_SERVICE_PORT_HTTP=80",
		"MEETBRIDGE_PORT=tcp://10.0.0.1:80", "MEETBRIDGE_PORT_80_TCP=tcp://10.0.0.1:80", "MEETBRIDGE_PORT_80_TCP_ADDR=10.0.0.1",
		"MEETBRIDGE_INGEST_SERVICE_HOST=10.0.0.2", "MEETBRIDGE_INGEST_PORT_80_TCP_PROTO=tcp")
	if problem != "" {
		t.Error(problem)
	}
}

// Ensure that the maps of a cyclic file end.
func TestConfigFileCycle(t *testing.T) {
	t.Parallel()
	if _, problem := parse(t, "topics: &t\n  apply: *t\n  count: 1\n", "serve"); !strings.Contains(problem, "unknown key \"apply\"") {
		t.Errorf("got %q", problem)
	}
}
