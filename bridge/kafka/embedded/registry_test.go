package embedded_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"meetbridge/bridge/kafka"
	"meetbridge/bridge/kafka/embedded"
	"meetbridge/schemas"
)

const (
	userSchema     = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"}]}`
	grownSchema    = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"age","type":["null","int"],"default":null}]}`
	brokenSchema   = `{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}`
	requiredSchema = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"age","type":"int"}]}`
)

func registry(t *testing.T, e *embedded.Embedded) *kafka.Registry {
	t.Helper()
	r, err := kafka.NewRegistry(kafka.RegistryConfig{URL: e.RegistryURL()}, discard())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Ensure that the registry refuses what the subject's level forbids.
func TestCompatibility(t *testing.T) {
	t.Parallel()
	e := start(t, embedded.Config{})
	r := registry(t, e)
	for _, good := range []string{userSchema, grownSchema, userSchema} {
		if _, err := r.Register(t.Context(), "u-value", good); err != nil {
			t.Errorf("register %s: %v", good, err)
		}
	}
	for _, bad := range []string{brokenSchema, requiredSchema} {
		if _, err := r.Register(t.Context(), "u-value", bad); !errors.Is(err, kafka.ErrIncompatible) {
			t.Errorf("register %s: %v, want ErrIncompatible", bad, err)
		}
		state, err := r.Check(t.Context(), "u-value", bad)
		if err != nil || state.Compatible || len(state.Reasons) == 0 {
			t.Errorf("check %s: %+v, %v; want incompatible with reasons", bad, state, err)
		}
	}
	// FULL looks at the last version only, NONE at none.
	put(t, e.RegistryURL()+"/config/free-value", `{"compatibility":"NONE"}`)
	for _, text := range []string{userSchema, brokenSchema, grownSchema, requiredSchema, userSchema} {
		register(t, e, "free-value", text, http.StatusOK)
	}
	put(t, e.RegistryURL()+"/config/last-value", `{"compatibility":"NONE"}`)
	register(t, e, "last-value", brokenSchema, http.StatusOK)
	register(t, e, "last-value", userSchema, http.StatusOK)
	put(t, e.RegistryURL()+"/config/last-value", `{"compatibility":"FULL"}`)
	register(t, e, "last-value", grownSchema, http.StatusOK)
	register(t, e, "last-value", requiredSchema, http.StatusConflict)
	if code, body := post(t, e.RegistryURL()+"/subjects/u-value/versions", `{"schema":"no schema"}`); code != http.StatusUnprocessableEntity && code != http.StatusConflict {
		t.Errorf("no schema: %d %s", code, body)
	}
	if code, body := post(t, e.RegistryURL()+"/subjects/u-value/versions", strings.Repeat("x", 5<<20)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("5 MiB: %d %.80s", code, body)
	}
}

// Ensure that subjects, versions, ids and levels are the same after a restart,
// whatever their order was, and that the file is whole at any time.
func TestSchemasSurvive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := start(t, embedded.Config{DataDir: dir})
	r := registry(t, e)
	ids, err := r.RegisterAll(t.Context(), "teams.", schemas.All())
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for _, subject := range []string{"a-value", "b-value", "c-value", "d-value"} { // one schema, one id
		wait.Go(func() {
			for _, text := range []string{userSchema, grownSchema} {
				if _, err := r.Register(t.Context(), subject, text); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	put(t, e.RegistryURL()+"/config/a-value", `{"compatibility":"NONE"}`)
	put(t, e.RegistryURL()+"/config", `{"compatibility":"FORWARD"}`)
	before := listing(t, e)
	stop(t, e)

	e = start(t, embedded.Config{DataDir: dir})
	if after := listing(t, e); after != before {
		t.Errorf("after the restart:\n%s\nbefore:\n%s", after, before)
	}
	r = registry(t, e)
	again, err := r.RegisterAll(t.Context(), "teams.", schemas.All())
	if err != nil {
		t.Fatal(err)
	}
	for topic, id := range ids {
		if again[topic] != id {
			t.Errorf("%s had id %d, has %d", topic, id, again[topic])
		}
	}
	stop(t, e)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if strings.HasPrefix(f.Name(), "schemas.json.") {
			t.Errorf("%s was left behind", f.Name())
		}
	}
}

// Ensure that a schema that cannot be kept is not acknowledged.
func TestSchemasUnkept(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Log("as root: the directory is removed instead of closed")
	}
	dir := filepath.Join(t.TempDir(), "data")
	e := start(t, embedded.Config{DataDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := registry(t, e).Register(t.Context(), "u-value", userSchema); !errors.Is(err, kafka.ErrRegistryAway) {
		t.Errorf("register without a directory: %v, want ErrRegistryAway", err)
	}
}

// listing returns all that the registry holds.
func listing(t *testing.T, e *embedded.Embedded) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/schemas", "/subjects", "/config", "/config/a-value", "/config/b-value"} {
		resp, err := http.Get(e.RegistryURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(&all, resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func register(t *testing.T, e *embedded.Embedded, subject, text string, want int) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schema": text})
	if err != nil {
		t.Fatal(err)
	}
	if code, answer := post(t, e.RegistryURL()+"/subjects/"+subject+"/versions", string(body)); code != want {
		t.Errorf("register %s under %s: %d %s, want %d", text, subject, code, answer, want)
	}
}

func put(t *testing.T, url, body string) {
	t.Helper()
	if code, answer := do(t, http.MethodPut, url, body); code != http.StatusOK {
		t.Fatalf("PUT %s: %d %s", url, code, answer)
	}
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	return do(t, http.MethodPost, url, body)
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
