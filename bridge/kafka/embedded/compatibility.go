package embedded

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/sr"

	"meetbridge/schemas"
)

// answerCompatibility answers what srfake would wave through: the registration
// of an Avro schema that breaks one before it, and the question whether it
// would. It reports whether it has answered.
func (r *registry) answerCompatibility(w http.ResponseWriter, method, path string, body []byte) bool {
	subject, asked := subjectOf(path, "/compatibility/subjects/", "versions")
	if !asked {
		var registers bool
		if subject, registers = subjectOf(path, "/subjects/", "versions"); !registers {
			return false
		}
	}
	var s struct {
		Schema string `json:"schema"`
		Type   string `json:"schemaType"`
	}
	if method != http.MethodPost || json.Unmarshal(body, &s) != nil || s.Type != "" && s.Type != "AVRO" {
		return false
	}
	breaks := r.breaks(subject, s.Schema)
	switch {
	case len(breaks) == 0:
		return false
	case !asked:
		refuse(w, http.StatusConflict, sr.ErrIncompatibleSchema.Code, fmt.Sprintf("schema being registered is incompatible with an earlier schema for subject %q: %s", subject, breaks[0]))
		return true
	}
	b, err := json.Marshal(map[string]any{"is_compatible": false, "messages": breaks}, json.Deterministic(true))
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	_, _ = w.Write(b)
	return true
}

// breaks returns what is wrong with text as the next version of subject: one
// sentence for each version that it breaks.
func (r *registry) breaks(subject, text string) []string {
	level := r.level(subject)
	if level == 0 {
		r.get("/config", &levelAnswer{&level})
	}
	if level != sr.CompatFull && level != sr.CompatFullTransitive {
		return nil
	}
	var versions []int
	if !r.get("/subjects/"+url.PathEscape(subject)+"/versions", &versions) {
		return nil
	}
	slices.Sort(versions)
	if level == sr.CompatFull && len(versions) > 1 {
		versions = versions[len(versions)-1:]
	}
	var breaks []string
	for _, v := range versions {
		old, ok := r.fake.GetSchema(subject, v)
		if !ok || old.Schema.Schema == text || old.Type != sr.TypeAvro {
			continue
		}
		if err := schemas.Compatible(text, old.Schema.Schema); err != nil {
			breaks = append(breaks, fmt.Sprintf("version %d: %v", v, err))
		}
	}
	return breaks
}

// level returns the compatibility level that subject itself has, 0 for none.
func (r *registry) level(subject string) sr.CompatibilityLevel {
	var level sr.CompatibilityLevel
	r.get("/config/"+url.PathEscape(subject)+"?defaultToGlobal=false", &levelAnswer{&level})
	return level
}

// levelAnswer is the answer to a question for a compatibility level.
type levelAnswer struct {
	Level *sr.CompatibilityLevel `json:"compatibilityLevel"`
}

// setGlobalLevel sets the level of subjects that have none.
func (r *registry) setGlobalLevel(level sr.CompatibilityLevel) error {
	body, err := json.Marshal(map[string]sr.CompatibilityLevel{"compatibility": level})
	if err != nil {
		return err
	}
	answer := httptest.NewRecorder()
	r.fake.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodPut, "/config", bytes.NewReader(body)))
	if answer.Code != http.StatusOK {
		return fmt.Errorf("set compatibility: registry answered %d", answer.Code)
	}
	return nil
}
