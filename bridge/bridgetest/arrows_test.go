package bridgetest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// arrows says for each package of the project which others of it it may import
// ("…/*": that and all below it). What is not listed may import nothing of ours.
func arrows() map[string][]string {
	return map[string][]string{
		"cmd/meetbridge":             {"ingest", "ingest/token", "renewer", "bridge", "bridge/*", "schemas"},
		"ingest":                     {"bridge", "bridge/sealed", "bridge/kafka", "bridge/process", "ingest/token", "schemas"},
		"ingest/token":               {"bridge"},
		"renewer":                    {"bridge", "bridge/graph", "bridge/kafka", "bridge/process", "schemas"},
		"bridge":                     {"schemas"},
		"bridge/sealed":              {"bridge"},
		"bridge/kafka":               {"bridge", "schemas"},
		"bridge/kafka/embedded":      {"schemas"},
		"bridge/graph":               {"bridge", "bridge/process"},
		"bridge/process":             {},
		"bridge/graph/graphsim":      {},
		"bridge/graph/graphsim/load": {"bridge/graph/graphsim"},
		"bridge/bridgetest":          {"bridge", "bridge/*", "ingest", "renewer", "schemas"},
		"bridge/realtest":            {},
		"bridge/chaos":               {}, // an oracle that shares no code with what it judges
		"cmd/chaos":                  {"bridge/chaos"},
		"schemas":                    {},
	}
}

// only says which files alone may import a package from outside, so that its
// successor is a change of one file.
func only() map[string][]string {
	return map[string][]string{
		"github.com/hamba/avro":    {"bridge/chaos/decode.go", "schemas/codec.go"}, // the former reads as others do
		"github.com/labstack/echo": {"ingest/public.go"},
	}
}

type listed struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

// The import arrows of the design hold, so that nobody has to remember them.
func TestArrows(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json", "meetbridge/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, "meetbridge/")
		may, known := arrows()[name]
		if !known {
			t.Errorf("%s: no package of the design: add it to arrows, with what it may import", name)
		}
		for _, imp := range p.Imports {
			own, is := strings.CutPrefix(imp, "meetbridge/")
			if is && !slices.ContainsFunc(may, func(pattern string) bool { return allows(pattern, own) }) {
				t.Errorf("%s imports %s: not an arrow of the design", name, own)
			}
			if name == "bridge" && impure(imp) {
				t.Errorf("bridge imports %s: the middle is pure", imp)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("go list named %d packages", seen)
	}
	for imported, files := range only() {
		out, err := exec.Command("go", "list", "-f", `{{$d := .ImportPath}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}`, "meetbridge/...").Output()
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for file := range strings.FieldsSeq(string(out)) {
			rel := strings.TrimPrefix(file, "meetbridge/")
			if strings.Contains(source(t, rel), `"`+imported) {
				found = append(found, rel)
			}
		}
		if !slices.Equal(found, files) {
			t.Errorf("%s is imported by %v, want %v alone", imported, found, files)
		}
	}
}

func allows(pattern, imp string) bool {
	if below, wild := strings.CutSuffix(pattern, "/*"); wild {
		return strings.HasPrefix(imp, below+"/")
	}
	return pattern == imp
}

func impure(imp string) bool {
	return slices.Contains([]string{"net", "net/http", "os", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "context"}, imp) ||
		strings.HasPrefix(imp, "github.com/twmb/") || strings.HasPrefix(imp, "github.com/labstack/")
}

func source(t *testing.T, rel string) string {
	t.Helper()
	out, err := os.ReadFile(path.Join("..", "..", rel))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
