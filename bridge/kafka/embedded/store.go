package embedded

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/sr"
)

// savedRegistry is the file of what is registered.
type savedRegistry struct {
	Level    sr.CompatibilityLevel            `json:"compatibility"`
	Levels   map[string]sr.CompatibilityLevel `json:"subjects"` // the subjects that have one of their own
	Versions []savedVersion                   `json:"versions"` // by id, so that what is referred to comes first
}

type savedVersion struct {
	ID         int                  `json:"id"`
	Subject    string               `json:"subject"`
	Version    int                  `json:"version"`
	Type       sr.SchemaType        `json:"schemaType"`
	References []sr.SchemaReference `json:"references,omitempty"`
	Schema     string               `json:"schema"`
}

// snapshot returns the file for what is registered now.
func (r *registry) snapshot() ([]byte, error) {
	s := savedRegistry{Levels: map[string]sr.CompatibilityLevel{}}
	r.get("/config", &levelAnswer{&s.Level})
	r.get("/schemas", &s.Versions)
	slices.SortFunc(s.Versions, func(a, b savedVersion) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Version, b.Version))
	})
	// A level may be set before the first version, and is kept only from then on.
	for _, v := range s.Versions {
		if level := r.level(v.Subject); level != 0 {
			s.Levels[v.Subject] = level
		}
	}
	return json.Marshal(s, json.Deterministic(true), jsontext.WithIndent("\t"))
}

// save brings the file up to date, if there is one. The file is replaced as a
// whole: whoever dies in between leaves the old one.
func (r *registry) save() error {
	if r.path == "" {
		return nil
	}
	b, err := r.snapshot()
	if err != nil || bytes.Equal(b, r.saved) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), filepath.Base(r.path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	r.saved = b
	return nil
}

// load registers what stands in the file. A file that is not there is empty.
func (r *registry) load() error {
	b, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read schemas: %w", err)
	}
	var s savedRegistry
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read schemas from %s: %w", r.path, err)
	}
	if err := r.restore(s); err != nil {
		return fmt.Errorf("read schemas from %s: %w", r.path, err)
	}
	r.saved = b
	return nil
}

func (r *registry) restore(s savedRegistry) (err error) {
	// srfake panics on a seed that contradicts another one, which only a file
	// written by hand can hold.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("contradictory: %v", p)
		}
	}()
	seen := map[int]bool{}
	for _, v := range s.Versions {
		schema := sr.Schema{Schema: v.Schema, Type: v.Type, References: v.References}
		if !seen[v.ID] {
			seen[v.ID] = true
			r.fake.SeedSchema(v.Subject, v.Version, v.ID, schema)
			continue
		}
		// The same schema under another subject shares its id.
		if _, _, err := r.fake.RegisterSchema(v.Subject, schema); err != nil {
			return fmt.Errorf("register %s: %w", v.Subject, err)
		}
	}
	for subject, level := range s.Levels {
		if err := r.fake.SetCompat(subject, level); err != nil {
			return fmt.Errorf("set compatibility of %s: %w", subject, err)
		}
	}
	if s.Level != 0 {
		return r.setGlobalLevel(s.Level)
	}
	return nil
}
