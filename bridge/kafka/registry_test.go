package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"meetbridge/bridge/kafka"
	"meetbridge/schemas"
)

const (
	userSchema  = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"}]}`
	userSchema2 = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"age","type":["null","int"],"default":null}]}`
)

// fakeRegistry is a registry that writes down the requests it gets.
type fakeRegistry struct {
	*srfake.Registry
	mu       sync.Mutex
	requests []string // method and path
}

func newFakeRegistry(t *testing.T) *fakeRegistry {
	t.Helper()
	f := &fakeRegistry{Registry: srfake.New()}
	t.Cleanup(f.Close)
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.requests = append(f.requests, r.Method+" "+r.URL.Path)
		return false
	})
	return f
}

// changes returns, and forgets, how many requests changed something.
func (f *fakeRegistry) changes() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, "PUT ") || strings.HasPrefix(r, "POST /subjects/") && strings.HasSuffix(r, "/versions") {
			n++
		}
	}
	f.requests = nil
	return n
}

func newRegistry(t *testing.T, c kafka.RegistryConfig) *kafka.Registry {
	t.Helper()
	r, err := kafka.NewRegistry(c, discard())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegister(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL() + "/"})
	first, err := r.Register(t.Context(), "users-value", userSchema)
	if err != nil {
		t.Fatal(err)
	}
	if n := fake.changes(); n != 2 {
		t.Errorf("%d changes were made, want the level and the schema", n)
	}
	// Again: nothing is left to change.
	again, err := r.Register(t.Context(), "users-value", userSchema)
	if err != nil || again != first {
		t.Errorf("registered again: %d, %v; want %d", again, err, first)
	}
	if n := fake.changes(); n != 0 {
		t.Errorf("%d changes were made, want none", n)
	}
	second, err := r.Register(t.Context(), "users-value", userSchema2)
	if err != nil || second == first {
		t.Errorf("the next version: %d, %v; want another id than %d", second, err, first)
	}
	// An older program beside a newer one gets its own id.
	if again, err := r.Register(t.Context(), "users-value", userSchema); err != nil || again != first {
		t.Errorf("the first version beside the second: %d, %v; want %d", again, err, first)
	}
	// Somebody lowers the level.
	if err := fake.SetCompat("users-value", sr.CompatNone); err != nil {
		t.Fatal(err)
	}
	fake.changes()
	if _, err := r.Register(t.Context(), "users-value", userSchema); err != nil {
		t.Error(err)
	}
	if n := fake.changes(); n != 1 {
		t.Errorf("%d changes were made, want the level only", n)
	}
	if state, err := r.Check(t.Context(), "users-value", userSchema); err != nil || state.Level != "FULL_TRANSITIVE" {
		t.Errorf("Check() = %+v, %v; want the level FULL_TRANSITIVE", state, err)
	}
	if text, err := r.SchemaByID(t.Context(), second); err != nil || text != userSchema2 {
		t.Errorf("SchemaByID(%d) = %s, %v", second, text, err)
	}
}

func TestRegisterAll(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	ids, err := r.RegisterAll(t.Context(), "teams.", schemas.All())
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[int]bool{}
	for _, s := range schemas.All() {
		id, ok := ids[s.Topic]
		if !ok || distinct[id] {
			t.Errorf("%s has id %d, want one of its own", s.Topic, id)
		}
		distinct[id] = true
		if !fake.SubjectExists("teams." + s.Topic + "-value") {
			t.Errorf("no subject for %s", s.Topic)
		}
		if text, err := r.SchemaByID(t.Context(), id); err != nil || text != s.Text {
			t.Errorf("SchemaByID(%d) is not the schema of %s: %v", id, s.Topic, err)
		}
	}
}

// Ensure that one schema's trouble leaves the others registered, and is told.
func TestRegisterAllGoesOn(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.URL.Path != "/subjects/teams.chats-value/versions" {
			return false
		}
		answer(w, http.StatusConflict, 409, "Schema being registered is incompatible with an earlier schema")
		return true
	})
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	ids, err := r.RegisterAll(t.Context(), "teams.", schemas.All())
	if !errors.Is(err, kafka.ErrIncompatible) || !strings.Contains(err.Error(), "teams.chats-value") {
		t.Errorf("RegisterAll() = %v, want ErrIncompatible with the subject", err)
	}
	if _, ok := ids["chats"]; ok || len(ids) != len(schemas.All())-1 {
		t.Errorf("%d schemas are registered, want all but one", len(ids))
	}
}

func answer(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error_code":%d,"message":%q}`, code, message)
}

// Ensure that each kind of trouble is told as what it is.
func TestRegistryTrouble(t *testing.T) {
	t.Parallel()
	status := func(status, code int) srfake.Interceptor {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w, status, code, "no")
			return true
		}
	}
	for _, tt := range []struct {
		name      string
		intercept srfake.Interceptor
		want      error
		says      string
	}{
		{"broken", status(500, 50001), kafka.ErrRegistryAway, "500"},
		{"restarting", status(503, 0), kafka.ErrRegistryAway, "503"},
		{"throttling", status(429, 429), kafka.ErrRegistryAway, "429"},
		{"wrong password", status(401, 40101), kafka.ErrMisconfigured, "--registry-password-file"},
		{"no permission", status(403, 40301), kafka.ErrMisconfigured, "--registry-user"},
		{"wrong path", func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }, kafka.ErrMisconfigured, "--registry-url"},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true }, kafka.ErrRegistryAway, "look up schema"},
		{"cut", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, kafka.ErrRegistryAway, "EOF"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that its client has gone
			<-r.Context().Done()
			return true
		}, kafka.ErrRegistryAway, "Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := srfake.New()
			defer fake.Close()
			fake.Intercept(tt.intercept)
			r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL(), HTTP: &http.Client{Timeout: time.Second}})
			_, err := r.Register(t.Context(), "users-value", userSchema)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Register() = %v, want %v with %q", err, tt.want, tt.says)
			}
			if err := r.Ping(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("Ping() = %v, want %v", err, tt.want)
			}
			if _, err := r.SchemaByID(t.Context(), 1); !errors.Is(err, tt.want) {
				t.Errorf("SchemaByID() = %v, want %v", err, tt.want)
			}
			fake.ClearInterceptors()
			if _, err := r.Register(t.Context(), "users-value", userSchema); err != nil {
				t.Errorf("Register() afterwards = %v", err)
			}
			if err := r.Ping(t.Context()); err != nil {
				t.Errorf("Ping() afterwards = %v", err)
			}
		})
	}
}

func TestRegistryAway(t *testing.T) {
	t.Parallel()
	fake := srfake.New()
	fake.Close()
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	if _, err := r.Register(t.Context(), "users-value", userSchema); !errors.Is(err, kafka.ErrRegistryAway) {
		t.Errorf("Register() = %v, want ErrRegistryAway", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping() = %v, want the context's error", err)
	}
}

// Ensure that a registry which cannot hold a level for a subject without
// versions, as Apicurio's, gets it after the first version.
func TestLevelAfterSchema(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || fake.SubjectExists("users-value") {
			return false
		}
		answer(w, http.StatusNotFound, sr.ErrSubjectNotFound.Code, "no such subject")
		return true
	})
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	if _, err := r.Register(t.Context(), "users-value", userSchema); err != nil {
		t.Fatal(err)
	}
	if state, err := r.Check(t.Context(), "users-value", userSchema); err != nil || !state.Good() {
		t.Errorf("Check() = %+v, %v; want all good", state, err)
	}
}

// Ensure that two processes which start at once do not take each other's level
// for an incompatible schema: Apicurio answers 409 to the slower one.
func TestLevelSetTwice(t *testing.T) {
	t.Parallel()
	for _, set := range []bool{true, false} { // whether the other's level is there when we look again
		fake := newFakeRegistry(t)
		other := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
		var asked atomic.Bool
		fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut || asked.Swap(true) {
				return false
			}
			if set {
				if _, err := other.Register(context.Background(), "users-value", userSchema); err != nil {
					t.Error(err)
				}
			}
			answer(w, http.StatusConflict, http.StatusConflict, "A rule named 'COMPATIBILITY' already exists.")
			return true
		})
		_, err := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()}).Register(t.Context(), "users-value", userSchema)
		if set && err != nil || !set && (!errors.Is(err, kafka.ErrRegistryAway) || errors.Is(err, kafka.ErrIncompatible)) {
			t.Errorf("level set by the other: %v; Register() = %v", set, err)
		}
	}
}

// Ensure that an answer 409 to a question, as a proxy may give it, is not taken for
// the refusal of a schema, and that a registry which is in trouble is not asked for
// all the rest.
func TestConflictThatIsNone(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	var asked atomic.Int64
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions") {
			return false
		}
		asked.Add(1)
		answer(w, http.StatusConflict, http.StatusConflict, "not now")
		return true
	})
	_, err := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()}).RegisterAll(t.Context(), "teams.", schemas.All())
	if !errors.Is(err, kafka.ErrRegistryAway) || errors.Is(err, kafka.ErrIncompatible) {
		t.Errorf("RegisterAll() = %v", err)
	}
	if n := asked.Load(); n > 8 {
		t.Errorf("%d questions to a registry that answers none", n)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	state, err := r.Check(t.Context(), "users-value", userSchema)
	if err != nil || state.Registered || !state.Compatible || state.Good() || state.Level != "" {
		t.Errorf("Check() of a new subject = %+v, %v", state, err)
	}
	id, err := r.Register(t.Context(), "users-value", userSchema)
	if err != nil {
		t.Fatal(err)
	}
	state, err = r.Check(t.Context(), "users-value", userSchema)
	if err != nil || !state.Good() || state.ID != id || state.Version != 1 || !state.Compatible {
		t.Errorf("Check() of a registered schema = %+v, %v", state, err)
	}
	fake.changes()
	fake.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, "/compatibility/") {
			return false
		}
		if req.URL.Path != "/compatibility/subjects/users-value/versions" {
			t.Errorf("asked at %s, want all versions", req.URL.Path)
		}
		_, _ = w.Write([]byte(`{"is_compatible":false,"messages":["reader type: INT not compatible with writer type: STRING"]}`))
		return true
	})
	state, err = r.Check(t.Context(), "users-value", strings.Replace(userSchema, `"string"`, `"int"`, 1))
	if err != nil || state.Registered || state.Compatible || len(state.Reasons) != 1 {
		t.Errorf("Check() of an incompatible schema = %+v, %v", state, err)
	}
	if n := fake.changes(); n != 0 {
		t.Errorf("checking made %d changes", n)
	}
}

// Ensure that a schema is fetched once.
func TestSchemaByIDRemembers(t *testing.T) {
	t.Parallel()
	fake := newFakeRegistry(t)
	r := newRegistry(t, kafka.RegistryConfig{URL: fake.URL()})
	id, err := r.Register(t.Context(), "users-value", userSchema)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if text, err := r.SchemaByID(t.Context(), id); err != nil || text != userSchema {
			t.Errorf("SchemaByID() = %q, %v", text, err)
		}
	}
	fake.mu.Lock()
	fetched := 0
	for _, req := range fake.requests {
		if strings.HasPrefix(req, "GET /schemas/") {
			fetched++
		}
	}
	fake.mu.Unlock()
	if fetched != 1 {
		t.Errorf("fetched %d times, want once", fetched)
	}
	if _, err := r.SchemaByID(t.Context(), 4711); !errors.Is(err, kafka.ErrUnknownSchema) {
		t.Errorf("SchemaByID() of an unknown id = %v, want ErrUnknownSchema", err)
	}
}

// Ensure that the path of the URL is kept and the password is read for each
// request.
func TestRegistryPathAndPassword(t *testing.T) {
	t.Parallel()
	fake := srfake.NewRegistry()
	var password string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if user != "bridge" || pass != password {
			answer(w, http.StatusUnauthorized, 40101, "who?")
			return
		}
		http.StripPrefix("/apis/ccompat/v7", fake.Handler()).ServeHTTP(w, r)
	}))
	defer server.Close()
	file := writeFile(t, filepath.Join(t.TempDir(), "password"), "first\n")
	r := newRegistry(t, kafka.RegistryConfig{URL: server.URL + "/apis/ccompat/v7", User: "bridge", PasswordFile: file})
	for _, password = range []string{"first", "second"} {
		writeFile(t, file, password+"\n")
		if _, err := r.Register(t.Context(), "users-value", userSchema); err != nil {
			t.Errorf("with the %s password: %v", password, err)
		}
	}
	writeFile(t, file, "hunter2")
	if err := r.Ping(t.Context()); !errors.Is(err, kafka.ErrMisconfigured) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("with a wrong password: %v, want ErrMisconfigured without it", err)
	}
}

func TestRegistryConfigErrors(t *testing.T) {
	t.Parallel()
	secret := writeFile(t, filepath.Join(t.TempDir(), "password"), "hunter2")
	for _, tt := range []struct {
		config kafka.RegistryConfig
		want   string
	}{
		{kafka.RegistryConfig{}, `--registry-url: "" is no http or https URL`},
		{kafka.RegistryConfig{URL: "registry:8081"}, "--registry-url"},
		{kafka.RegistryConfig{URL: "ftp://registry"}, "--registry-url"},
		{kafka.RegistryConfig{URL: "http://u:hunter2@registry"}, "--registry-user"},
		{kafka.RegistryConfig{URL: "http://registry", User: "u"}, "without --registry-password-file"},
		{kafka.RegistryConfig{URL: "http://registry", PasswordFile: secret}, "without --registry-user"},
		{kafka.RegistryConfig{URL: "http://registry", User: "u", PasswordFile: secret + "x"}, "--registry-password-file: open"},
	} {
		_, err := kafka.NewRegistry(tt.config, discard())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("NewRegistry(%+v) = %v, want an error with %q", tt.config, err, tt.want)
		}
	}
}
