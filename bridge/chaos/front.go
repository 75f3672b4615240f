package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// front is the load balancer before the ingests: it passes each request to one
// of those that say they are ready, by turns, or to any if none does, never
// twice, and keeps what passed.
type front struct {
	listener net.Listener
	server   *http.Server
	client   *http.Client
	backends []*backend
	turn     atomic.Uint64
	looking  sync.WaitGroup
	stop     context.CancelFunc

	mu    sync.Mutex // guards posts
	posts []post
}

// backend is one ingest as the front sees it.
type backend struct {
	process *process
	link    *link
	admin   string // host:port
	ready   atomic.Bool
}

// post is one POST of notifications that passed the front.
type post struct {
	Backend  int
	Life     int // of the process that got it
	Sent     time.Time
	Answered time.Time // zero: never
	Ended    time.Time // answered, failed, or given up by the sender
	Status   int       // 0: none
	Items    []uint64  // look of each item, in their order
	Whole    bool      // the body came to its end
}

// look is what tells items of a POST apart, as far as it stands outside of what
// is sealed.
func look(subscription, change, resource, lifecycle string) uint64 {
	h := fnv.New64a()
	for _, s := range []string{subscription, strings.ToLower(change), resource, lifecycle} {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

func newFront(ctx context.Context, backends []*backend) (*front, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &front{
		listener: l, backends: backends, stop: cancel,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true}},
	}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	f.looking.Go(func() { _ = f.server.Serve(l) })
	for _, b := range backends {
		f.looking.Go(func() { b.watch(ctx) })
	}
	return f, nil
}

func (f *front) url() string { return "http://" + f.listener.Addr().String() }

// watch looks whether the backend is ready, as a load balancer does.
func (b *backend) watch(ctx context.Context) {
	for ctx.Err() == nil {
		b.ready.Store(get("http://"+b.admin+"/readyz", time.Second) == nil)
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// pick returns whose turn it is.
func (f *front) pick() int {
	n := uint64(len(f.backends))
	first := f.turn.Add(1)
	for i := range n {
		if b := (first + i) % n; f.backends[b].ready.Load() {
			return int(b)
		}
	}
	return int(first % n)
}

// broken yields what there is and then fails, so that half a body stays half.
type broken struct {
	io.Reader
	err error
}

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) && b.err != nil {
		err = b.err
	}
	return n, err
}

// ServeHTTP passes one request on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, failed := io.ReadAll(r.Body)
	i := f.pick()
	b := f.backends[i]
	p := post{Backend: i, Life: b.process.incarnation(), Whole: failed == nil, Items: looks(body)}
	ctx := r.Context()
	if failed != nil {
		ctx = context.WithoutCancel(ctx) // the sender is gone; what it sent arrives all the same
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+b.link.addr()+r.URL.RequestURI(), broken{bytes.NewReader(body), failed})
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	req.ContentLength = r.ContentLength
	req.Header = r.Header.Clone()
	p.Sent = time.Now()
	resp, err := f.client.Do(req)
	p.Ended = time.Now()
	if err == nil {
		p.Answered, p.Status = p.Ended, resp.StatusCode
	}
	if r.URL.Query().Get("validationToken") == "" {
		f.mu.Lock()
		f.posts = append(f.posts, p)
		f.mu.Unlock()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // as a balancer that has no answer and makes up none
	}
	defer func() { _ = resp.Body.Close() }()
	for _, h := range []string{"Content-Type", "Retry-After", "X-Content-Type-Options"} {
		if v := resp.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// looks returns the look of each item of a body, nothing for one that is no
// collection.
func looks(body []byte) []uint64 {
	var c struct {
		Value []json.RawMessage `json:"value"`
	}
	if json.Unmarshal(body, &c) != nil {
		return nil
	}
	out := make([]uint64, 0, len(c.Value))
	for _, v := range c.Value {
		var item struct {
			SubscriptionID string `json:"subscriptionId"`
			ChangeType     string `json:"changeType"`
			Resource       string `json:"resource"`
			LifecycleEvent string `json:"lifecycleEvent"`
		}
		_ = json.Unmarshal(v, &item) // what is malformed becomes no record
		if item.LifecycleEvent != "" {
			item.ChangeType, item.Resource = "", ""
		}
		out = append(out, look(item.SubscriptionID, item.ChangeType, item.Resource, item.LifecycleEvent))
	}
	return out
}

// passed returns what passed so far.
func (f *front) passed() []post {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]post(nil), f.posts...)
}

func (f *front) close() {
	f.stop()
	_ = f.server.Close()
	f.looking.Wait()
	f.client.CloseIdleConnections()
}

// get asks for a URL once, and returns an error unless the answer is 200.
func get(url string, within time.Duration) error {
	_, err := fetch(url, within)
	return err
}

// fetch returns the body of a 200.
func fetch(url string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s", url, resp.Status)
	}
	return body, err
}
