package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// site is the whole system: what is run and what lies between.
type site struct {
	cfg      Config
	dir      string
	cluster  *cluster
	registry *server
	front    *front
	ingests  []*ingest
	renewers []*renewer
	graphsim *process
	graphAPI *link // from the renewers
	keySets  *link // from the ingests to the authority
	wishes   []wish

	mu      sync.Mutex // guards the rest
	closing bool
	fell    []string // processes that ended by themselves, in words

	closers []func()
}

// ingest is a process with what stands between it and the others.
type ingest struct {
	*process
	*backend
	registry *link
}

// renewer is one too.
type renewer struct {
	*process
	admin string
}

// onClose has f called by close, the last first.
func (s *site) onClose(f func()) { s.closers = append(s.closers, f) }

func (s *site) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

const (
	ingests    = 2
	renewers   = 2
	appID      = "11111111-1111-4111-8111-111111111111"
	ledgerFile = "ledger.jsonl"
	livesFile  = "lives.jsonl"
)

// newSite starts everything and returns it when records flow.
func newSite(ctx context.Context, cfg Config) (s *site, err error) {
	s = &site{cfg: cfg, dir: cfg.Dir}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	sc := scripts{dir: cfg.Scripts, home: cfg.ScriptsHome}
	var names []string
	for i := range ingests {
		names = append(names, fmt.Sprintf("ingest-%d", i+1))
	}
	for i := range renewers {
		names = append(names, fmt.Sprintf("renewer-%d", i+1))
	}
	cfg.Log("three Kafka nodes and a registry are started")
	var wg sync.WaitGroup
	var errCluster, errRegistry error
	var registryURL string
	wg.Go(func() { s.registry, registryURL, errRegistry = newRegistry(ctx, sc, s.dir) })
	wg.Go(func() { s.cluster, errCluster = newCluster(ctx, sc, names, cfg.Log) })
	wg.Wait()
	if errCluster == nil {
		s.onClose(s.cluster.close)
	}
	s.onClose(func() {
		if _, err := sc.run(context.Background(), "registry", "down"); err != nil {
			cfg.Log("end the registry: %v", err)
		}
	})
	if err := errors.Join(errCluster, errRegistry); err != nil {
		return s, err
	}
	if err := s.meetbridge(ctx, "keys", "new", "keys"); err != nil {
		return s, err
	}
	if err := s.meetbridge(ctx, "topics", "apply", "--kafka-brokers", strings.Join(s.cluster.direct, ",")); err != nil {
		return s, err
	}
	if err := s.startIngests(ctx, names[:ingests], registryURL); err != nil {
		return s, err
	}
	if err := s.startGraph(ctx); err != nil {
		return s, err
	}
	if err := s.startRenewers(ctx, names[ingests:], registryURL); err != nil {
		return s, err
	}
	return s, nil
}

// meetbridge runs a command of the binary to its end.
func (s *site) meetbridge(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.cfg.Binary, args...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run meetbridge %s: %w: %s", strings.Join(args, " "), err, lastLine(string(out)))
	}
	return nil
}

// process returns one of the site, not started yet.
func (s *site) process(name string, args ...string) *process {
	p := &process{name: name, dir: s.dir, args: append([]string{s.cfg.Binary}, args...)}
	p.fell = func(name, how string) {
		s.mu.Lock()
		closing := s.closing
		if !closing {
			s.fell = append(s.fell, fmt.Sprintf("%s ended by itself: %s (%s)", name, how, tail(filepath.Join(s.dir, name+".log"))))
		}
		s.mu.Unlock()
		if closing {
			return
		}
		s.cfg.Log("%s ended by itself: %s", name, how)
		time.Sleep(time.Second) // as a supervisor does
		if err := p.start(); err != nil {
			s.cfg.Log("%v", err)
		}
	}
	s.onClose(p.close)
	return p
}

// fallen returns which processes ended by themselves, as an error.
func (s *site) fallen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fell) == 0 {
		return nil
	}
	return errors.New(strings.Join(s.fell, "; "))
}

// tail returns the last line of a file.
func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return lastLine(string(b))
}

// link makes one that the site closes.
func (s *site) link(ctx context.Context, name, target string) (*link, error) {
	k, err := newLink(ctx, name, target)
	if err == nil {
		s.onClose(k.close)
	}
	return k, err
}

func (s *site) startIngests(ctx context.Context, names []string, registryURL string) error {
	authority, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	if s.keySets, err = s.link(ctx, "ingests→authority", authority); err != nil {
		return err
	}
	issuer := "http://" + s.keySets.addr()
	s.graphsim = s.process("graphsim", "graphsim", "--listen", authority, "--authority-url", issuer)
	var backends []*backend
	for _, name := range names {
		public, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		admin, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		registry, err := s.link(ctx, name+"→registry", hostOf(registryURL))
		if err != nil {
			return err
		}
		way, err := s.link(ctx, "front→"+name, public)
		if err != nil {
			return err
		}
		reg, err := url.Parse(registryURL)
		if err != nil {
			return err
		}
		reg.Host = registry.addr()
		i := &ingest{registry: registry}
		i.process = s.process(name, "ingest", "--listen", public, "--admin-listen", admin,
			"--kafka-brokers", s.cluster.brokersFor(name), "--registry-url", reg.String(),
			"--decryption-keys", "keys/decryption", "--client-state-keys", "keys/client-state.keys", "--app-ids", appID,
			"--entra-authority", issuer, "--entra-sts", issuer+"/sts", "--log-format", "json")
		i.backend = &backend{process: i.process, link: way, admin: admin}
		s.ingests = append(s.ingests, i)
		backends = append(backends, i.backend)
		if err := i.start(); err != nil {
			return err
		}
	}
	s.front, err = newFront(ctx, backends)
	if err == nil {
		s.onClose(s.front.close)
	}
	return err
}

// startGraph starts the simulated Graph, which does not know the ingests but
// the front, and writes down what there is to subscribe to.
func (s *site) startGraph(ctx context.Context) error {
	api, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	if s.graphAPI, err = s.link(ctx, "renewers→graph", api); err != nil {
		return err
	}
	notifications := s.front.url() + "/graph/notifications"
	s.graphsim.args = append(s.graphsim.args,
		"--api-listen", api, "--api-url", "https://"+s.graphAPI.addr(), "--api-dir", "sim",
		"--api-min-lifetime", s.cfg.Lifetime.String(), "--api-lifetime", s.cfg.Lifetime.String(), "--api-lives", livesFile,
		"--notification-url", notifications, "--lifecycle-url", s.front.url()+"/graph/lifecycle",
		"--app-ids", appID, "--certificates", "keys/certificates", "--client-state-keys", "keys/client-state.keys",
		"--seed", fmt.Sprint(s.cfg.Seed), "--rate", fmt.Sprint(s.cfg.Rate), "--penalty", "5s", "--drain", s.cfg.Drain.String(),
		"--faults", misdeeds, "--ledger", ledgerFile, "--json", "--log-format", "json")
	if err := s.graphsim.start(); err != nil {
		return err
	}
	file := filepath.Join(s.dir, "sim", "subscriptions.yaml")
	var wrong error
	err = within(ctx, 2*time.Minute, "graphsim writes what there is to subscribe to", func() bool {
		s.wishes, wrong = desire(file, filepath.Join(s.dir, "sim", "desired.yaml"))
		return wrong == nil || s.fallen() != nil
	})
	return errors.Join(err, s.fallen())
}

// misdeeds are what the simulated Graph, and the world around it, does by
// itself all the while.
const misdeeds = "forgeries=400,cut_post=60,repeat_post=40,rotate_keys=4000,misfit_payload=200," +
	"api_throttled=150,api_500=200,api_503=150,api_504=200,api_cut_before=200,api_cut_after=200,api_garbage=250," +
	"handshake_lost=200,renewed_short=150,silent_removal=200,subscription_removed=50,notice_repeated=20,notice_lost=50,notice_missed=150"

func (s *site) startRenewers(ctx context.Context, names []string, registryURL string) error {
	for _, name := range names {
		admin, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		r := &renewer{admin: admin}
		r.process = s.process(name, "renewer", "--admin-listen", admin, "--kafka-brokers", s.cluster.brokersFor(name), "--registry-url", registryURL,
			"--subscriptions", "sim/desired.yaml", "--graph-ca", "sim/ca.pem", "--client-state-keys", "keys/client-state.keys", "--log-format", "json")
		s.renewers = append(s.renewers, r)
		if err := r.start(); err != nil {
			return err
		}
	}
	return nil
}

// leads reports whether the renewer leads.
func (r *renewer) leads() bool { return r.figure("leading_shards", "") > 0 }

// figure returns the sum of those series of one of its metrics whose labels
// hold a text; 0 if it cannot be had.
func (r *renewer) figure(name, labels string) (sum float64) {
	body, err := fetch("http://"+r.admin+"/metrics", time.Second)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(body)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		metric, with, _ := strings.Cut(series, "{")
		var v float64
		if _, err := fmt.Sscan(value, &v); err == nil && metric == "meetbridge_renewer_"+name && strings.Contains(with, labels) {
			sum += v
		}
	}
	return sum
}

// steadily returns whether cond held at all looks of the last so long time.
func steadily(hold time.Duration, cond func() bool) func() bool {
	var since time.Time
	return func() bool {
		switch {
		case !cond():
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) >= hold
	}
}

// within waits until cond holds.
func within(ctx context.Context, limit time.Duration, what string, cond func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not so after %s", what, limit)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}
