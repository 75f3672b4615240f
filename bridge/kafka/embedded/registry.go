package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// maxRequest bounds the body of a request to the registry, in bytes.
const maxRequest = 4 << 20

// registry serves srfake, and adds to it what development needs: schemas that
// outlive a restart, and a refusal of incompatible ones.
type registry struct {
	fake   *srfake.Registry
	server *http.Server
	served chan struct{} // closed when the server's goroutine has ended
	url    string
	log    *slog.Logger

	mu    sync.Mutex // one change at a time: checked, made, kept
	path  string     // the file of what is registered; "": none
	saved []byte     // what stands in it
}

func startRegistry(c Config, log *slog.Logger) (*registry, error) {
	if _, _, err := splitListen("--registry-listen", c.RegistryListen); err != nil {
		return nil, err
	}
	r := &registry{fake: srfake.NewRegistry(), served: make(chan struct{}), log: log}
	if c.DataDir != "" {
		r.path = filepath.Join(c.DataDir, "schemas.json")
		if err := r.load(); err != nil {
			return nil, err
		}
	}
	ln, err := c.ListenFn("tcp", c.RegistryListen)
	if err != nil {
		return nil, fmt.Errorf("start embedded schema registry on %s: %w", c.RegistryListen, err)
	}
	r.url = "http://" + ln.Addr().String()
	if host, port, err := net.SplitHostPort(ln.Addr().String()); err == nil {
		r.url = "http://" + net.JoinHostPort(reachable(host), port)
	}
	r.server = &http.Server{
		Handler:           r,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(r.served)
		if err := r.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("embedded schema registry ended", "error", err)
		}
	}()
	return r, nil
}

func (r *registry) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // somebody holds a request: cut it
		err = r.server.Close()
	}
	<-r.served
	return err
}

// ServeHTTP answers a request of Confluent's API. A change is answered only
// after it is in the file.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		r.fake.Handler().ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxRequest))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, sr.ErrSchemaTooLarge.Code, "request body: "+err.Error())
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answerCompatibility(w, req.Method, req.URL.Path, body) {
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.fake.Handler().ServeHTTP(answer, req)
	if err := r.save(); err != nil {
		r.log.Error("keep schemas", "error", err)
		refuse(w, http.StatusInternalServerError, sr.ErrStoreError.Code, "keep schemas: "+err.Error())
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client has gone; nobody is left to tell
}

// get asks the registry itself and decodes its answer into v. It reports
// whether the answer was good.
func (r *registry) get(path string, v any) bool {
	answer := httptest.NewRecorder()
	r.fake.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, http.NoBody))
	return answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), v) == nil
}

// refuse answers as Confluent's registry does.
func refuse(w http.ResponseWriter, status, code int, message string) {
	b, err := json.Marshal(map[string]any{"error_code": code, "message": message}, json.Deterministic(true))
	if err != nil { // a message that is no valid UTF-8
		b = fmt.Appendf(nil, `{"error_code":%d,"message":"see the log"}`, code)
	}
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// subjectOf returns the subject in a path of the form before/subject/after.
func subjectOf(path, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	subject, tail, _ := strings.Cut(rest, "/")
	return subject, subject != "" && (tail == after || strings.HasPrefix(tail, after+"/"))
}
