package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/errgroup"

	"meetbridge/schemas"
)

const (
	// registryTimeout bounds one request to the registry, its body included.
	registryTimeout = 5 * time.Second
	// registryParallel bounds the schemas registered at a time.
	registryParallel = 4
	// maxCachedSchemas bounds the schemas that SchemaByID keeps. A topic holds
	// a few; only somebody else's garbage names many.
	maxCachedSchemas = 1024
)

// RegistryConfig is how to reach the schema registry: the --registry-* flags.
// Its struct tags are the command line's table.
type RegistryConfig struct {
	URL          string `name:"registry-url" default:"http://127.0.0.1:8081" placeholder:"URL" help:"Schema registry with Confluent's API; may have a path, as Apicurio's http://HOST:8080/apis/ccompat/v7."`
	User         string `name:"registry-user" placeholder:"NAME" help:"User for the schema registry. Empty: no login."`
	PasswordFile string `name:"registry-password-file" placeholder:"FILE" help:"File with the password of --registry-user, read at each request."`

	HTTP *http.Client `kong:"-"` // makes the requests; nil: one of our own with a time limit
}

// Registry is a schema registry with Confluent's API. It is safe for
// concurrent use.
type Registry struct {
	client *sr.Client
	log    *slog.Logger

	mu    sync.Mutex
	texts map[int]string // by schema id, which never changes its meaning
}

// NewRegistry returns a client of the registry. No connection is made yet.
func NewRegistry(c RegistryConfig, log *slog.Logger) (*Registry, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--registry-url: %q is no http or https URL", c.URL)
	}
	if u.User != nil {
		return nil, errors.New("--registry-url holds a user or a password: give --registry-user and --registry-password-file instead")
	}
	httpClient := c.HTTP
	if httpClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = registryParallel
		httpClient = &http.Client{Transport: transport, Timeout: registryTimeout}
	}
	opts := []sr.ClientOpt{
		sr.URLs(strings.TrimRight(c.URL, "/")),
		sr.HTTPClient(httpClient),
		sr.UserAgent("meetbridge"),
	}
	switch {
	case c.User == "" && c.PasswordFile == "":
	case c.User == "":
		return nil, errors.New("--registry-password-file is given without --registry-user: give both or neither")
	case c.PasswordFile == "":
		return nil, errors.New("--registry-user is given without --registry-password-file: give both or neither")
	default:
		read := func() (string, error) { return readSecret("--registry-password-file", c.PasswordFile) }
		if _, err := read(); err != nil {
			return nil, err
		}
		opts = append(opts, sr.PreReq(func(req *http.Request) error {
			pass, err := read()
			if err == nil {
				req.SetBasicAuth(c.User, pass)
			}
			return err
		}))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("set up schema registry client: %w", err)
	}
	return &Registry{client: client, log: log.With("component", "schema_registry"), texts: map[int]string{}}, nil
}

// Subject returns the subject of a topic's values (DESIGN §5). topic is the
// full name.
func Subject(topic string) string { return topic + "-value" }

// Register makes sure that the registry holds text under subject and lets
// nothing incompatible into it, and returns the schema's id. It changes only
// what is not so already, so that a registry which we may only read will do
// once all is in place.
func (r *Registry) Register(ctx context.Context, subject, text string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*registryTimeout)
	defer cancel()
	id, found, err := r.lookup(ctx, subject, text)
	if err != nil {
		return 0, err
	}
	// The level comes first, so that it governs the registration too. Some
	// registries cannot hold a level for a subject that does not exist yet.
	levelErr := r.setLevel(ctx, subject)
	if levelErr != nil && (found || !isNotFound(levelErr)) {
		return 0, levelErr
	}
	if !found {
		id, err = r.client.RegisterSchema(ctx, subject, avroSchema(text), -1, -1)
		switch {
		case refused(err):
			return 0, fmt.Errorf("register schema of %s: %w: %w", subject, ErrIncompatible, err)
		case err != nil:
			return 0, registryError("register schema of "+subject, err)
		}
		r.log.Info("schema registered", "subject", subject, "schema_id", id)
	}
	if levelErr != nil {
		if err := r.setLevel(ctx, subject); err != nil {
			return 0, err
		}
	}
	return id, nil
}

func avroSchema(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeAvro} }

// lookup returns the id of text under subject, if it is registered there.
func (r *Registry) lookup(ctx context.Context, subject, text string) (id int, found bool, err error) {
	s, err := r.client.LookupSchema(ctx, subject, avroSchema(text))
	switch {
	case err == nil:
		return s.ID, true, nil
	case isNotFound(err):
		return 0, false, nil
	}
	return 0, false, registryError("look up schema of "+subject, err)
}

// setLevel sets the compatibility level of subject where it differs.
func (r *Registry) setLevel(ctx context.Context, subject string) error {
	level, err := r.level(ctx, subject)
	if err != nil {
		return err
	}
	if level == sr.CompatFullTransitive {
		return nil
	}
	if err := r.client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFullTransitive}, subject)[0].Err; err != nil {
		// Another process that starts set it between our two requests, which
		// Apicurio answers with 409: no word about the schema.
		if refused(err) {
			if level, again := r.level(ctx, subject); again == nil && level == sr.CompatFullTransitive {
				return nil
			}
		}
		return registryError("set compatibility of "+subject, err)
	}
	r.log.Info("schema compatibility set", "subject", subject, "level", sr.CompatFullTransitive.String())
	return nil
}

// level returns the compatibility level that subject itself has, 0 if it has
// none and follows the registry's.
func (r *Registry) level(ctx context.Context, subject string) (sr.CompatibilityLevel, error) {
	// Registries differ in what they answer for a subject without a level when
	// they are not told.
	ctx = sr.WithParams(ctx, sr.RawParams(url.Values{"defaultToGlobal": {"false"}}))
	got := r.client.Compatibility(ctx, subject)[0]
	if isNotFound(got.Err) {
		return 0, nil
	}
	if got.Err != nil {
		return 0, registryError("read compatibility of "+subject, got.Err)
	}
	return got.Level, nil
}

// RegisterAll registers every schema under the subject of its topic and
// returns the schema ids by topic without prefix. On an error it goes on with
// the others and returns all errors joined, unless the registry is away: then it
// asks no further.
func (r *Registry) RegisterAll(ctx context.Context, prefix string, all []schemas.Schema) (map[string]int, error) {
	ids := make([]int, len(all))
	errs := make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(registryParallel)
	asked := make([]bool, len(all))
	var away atomic.Bool
	for i, s := range all {
		g.Go(func() error {
			if away.Load() {
				return nil
			}
			asked[i] = true
			if ids[i], errs[i] = r.Register(ctx, Subject(prefix+s.Topic), s.Text); errors.Is(errs[i], ErrRegistryAway) {
				away.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return nil; their errors are in errs
	byTopic := make(map[string]int, len(all))
	for i, s := range all {
		if asked[i] && errs[i] == nil {
			byTopic[s.Topic] = ids[i]
		}
	}
	return byTopic, errors.Join(errs...)
}

// SchemaState is how one local schema stands against the registry.
type SchemaState struct {
	Subject    string
	Registered bool   // exactly this schema is registered
	ID         int    // its id, if registered
	Version    int    // its version under the subject, if registered
	Level      string // the subject's own compatibility level; "" if it has none
	Compatible bool   // it is registered or could be
	Reasons    []string
}

// Good reports whether nothing is left to do for the schema.
func (s SchemaState) Good() bool { return s.Registered && s.Level == sr.CompatFullTransitive.String() }

// Check returns how text stands against the registry, changing nothing.
func (r *Registry) Check(ctx context.Context, subject, text string) (SchemaState, error) {
	state := SchemaState{Subject: subject}
	level, err := r.level(ctx, subject)
	if err != nil {
		return state, err
	}
	if level != 0 {
		state.Level = level.String()
	}
	found, err := r.client.LookupSchema(ctx, subject, avroSchema(text))
	switch {
	case err == nil:
		state.Registered, state.Compatible = true, true
		state.ID, state.Version = found.ID, found.Version
		return state, nil
	case !isNotFound(err):
		return state, registryError("look up schema of "+subject, err)
	}
	const allVersions = -2
	verbose := sr.WithParams(ctx, sr.Verbose)
	result, err := r.client.CheckCompatibility(verbose, subject, allVersions, avroSchema(text))
	if isNotFound(err) { // a subject without versions takes anything
		state.Compatible = true
		return state, nil
	}
	if err != nil {
		return state, registryError("check schema of "+subject, err)
	}
	state.Compatible, state.Reasons = result.Is, result.Messages
	return state, nil
}

// SchemaByID returns the text of a schema, from memory if it was asked for
// before.
func (r *Registry) SchemaByID(ctx context.Context, id int) (string, error) {
	r.mu.Lock()
	text, cached := r.texts[id]
	r.mu.Unlock()
	if cached {
		return text, nil
	}
	s, err := r.client.SchemaByID(ctx, id)
	if err != nil {
		return "", registryError(fmt.Sprintf("fetch schema %d", id), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.texts) >= maxCachedSchemas {
		clear(r.texts)
	}
	r.texts[id] = s.Schema
	return s.Schema, nil
}

// Ping returns nil if the registry answers requests of its API.
func (r *Registry) Ping(ctx context.Context) error {
	if err := r.client.Compatibility(ctx)[0].Err; err != nil {
		return registryError("reach schema registry", err)
	}
	return nil
}
