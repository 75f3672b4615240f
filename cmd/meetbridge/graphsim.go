package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"meetbridge/bridge/graph/graphsim"
)

type graphsimCmd struct {
	NotificationURL string        `default:"http://127.0.0.1:8080/graph/notifications" placeholder:"URL" help:"Where to post notifications."`
	LifecycleURL    string        `placeholder:"URL" help:"Where to post lifecycle notices. Unset: --notification-url."`
	Items           int           `placeholder:"N" help:"End after N genuine items, once they are acknowledged. Unset: no such end."`
	For             time.Duration `placeholder:"DURATION" help:"End after that time, once all is acknowledged. Unset: go on until stopped."`
	Rate            float64       `default:"25" placeholder:"N" help:"Items a second; 0 sends as fast as they are acknowledged."`
	Seed            uint64        `default:"1" help:"What happens is a matter of the seed alone. Give each run against one bridge its own: repeated ids are taken for redeliveries."`
	Drain           time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait at the end for what is not acknowledged yet."`
	Penalty         time.Duration `default:"10m" placeholder:"DURATION" help:"How long Graph delays new POSTs to an endpoint that was slow, or drops them for one that was slower still. Graph's own time is 10m; shorten it to watch a recovery."`
	BatchMax        int           `default:"20" placeholder:"N" help:"Most items of one POST."`
	Faults          string        `placeholder:"LIST" help:"Faults as name=every or name=every/times, separated by commas; every may be off, forgeries stands for every kind of forgery. Unset: what Graph does to everybody (repetitions, other order)."`
	Listen          string        `default:"127.0.0.1:8090" placeholder:"HOST:PORT" group:"Trust" help:"Address of the simulated sign-in authority, which serves the key sets."`
	AuthorityURL    string        `placeholder:"URL" group:"Trust" help:"Base URL of the authority as ingest reaches it (its --entra-authority). Unset: http:// and --listen. Its --entra-sts is this and /sts."`
	AppIDs          []string      `name:"app-ids" placeholder:"ID" group:"Trust" help:"Application ids that own the subscriptions. Unset: one made from the seed."`
	TenantIDs       []string      `name:"tenant-ids" placeholder:"ID" group:"Trust" help:"Ids of the tenants, GUIDs. Unset: two made from the seed."`
	Certificates    []string      `placeholder:"PATH" group:"Trust" help:"Certificates to seal for: PEM files named <id>.pem, or directories of such. Unset: nothing is sealed."`
	ClientStateKeys string        `placeholder:"FILE" group:"Trust" help:"File of client-state keys that ingest has too. Unset: the literal value graphsim-secret-client-state."`
	API             apiFlags      `embed:"" prefix:"api-" group:"Subscriptions API"`
	Ledger          string        `placeholder:"FILE" help:"File that gets a JSON line for each item sent: what it was and what became of it."`
	JSON            bool          `name:"json" help:"Print the summary as a JSON object."`
}

// Help is printed below what the command is for.
func (graphsimCmd) Help() string {
	var faults strings.Builder
	for _, f := range graphsim.FaultList() {
		fmt.Fprintf(&faults, "  %-30s %s\n", f.Fault, f.Means)
	}
	return `
A world of tenants, meetings, chats, teams and webinars lives by a seed and tells a bridge
about it by Graph's own rules: validation tokens, sealed content, batches, retries for
hours, repetitions, other order. Exit code 1 if anything genuine was not acknowledged.

Examples:
  meetbridge graphsim --app-ids 11111111-1111-4111-8111-111111111111 --certificates keys/certificates \
      --client-state-keys keys/client-state.keys
  meetbridge graphsim --items 1000 --rate 0 --ledger sent.jsonl --json
  meetbridge graphsim --api-dir sim --certificates keys/certificates   with the API that
                            meetbridge renewer asks for subscriptions
  meetbridge graphsim --for 1m --faults forgeries=200,big_payload=off

Faults:
` + faults.String()
}

// Run sends until its end is reached or ctx ends, and prints the summary.
func (c graphsimCmd) Run(ctx context.Context, t *terminal) error {
	cfg, err := c.config(t)
	if err != nil {
		return usageError{err}
	}
	kept, err := c.keep(&cfg)
	if err != nil {
		return errors.Join(err, kept.close())
	}
	if err := c.listen(ctx, &cfg); err != nil {
		return errors.Join(err, kept.close())
	}
	sim, err := graphsim.New(cfg) // which closes the listeners in the end
	if err != nil {
		return errors.Join(usageError{err}, kept.close())
	}
	err = sim.Start(ctx)
	switch {
	case err != nil:
	case cfg.API != nil:
		err = c.API.desire(sim, c)
	default:
		// Graph asks when a subscription is made. Here it is a hint only: the
		// endpoint may come up later.
		if err := sim.Handshake(ctx, cfg.NotificationURL); err != nil && ctx.Err() == nil {
			t.log.Warn("the endpoint does not answer Graph's question for reachability yet", "error", err)
		}
	}
	if err == nil {
		err = sim.Run(ctx, graphsim.Limit{Items: c.Items, For: c.For})
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	err = errors.Join(err, sim.Stop(stopCtx), kept.close())
	return errors.Join(err, c.report(t, sim.Summary()))
}

// listen binds the addresses.
func (c graphsimCmd) listen(ctx context.Context, cfg *graphsim.Config) (err error) {
	bind := func(addr, flag string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, mistyped(listenHint(fmt.Errorf("listen on %s %q: %w", flag, addr, err), flag))
		}
		return l, nil
	}
	if cfg.Listener, err = bind(c.Listen, "--listen"); err != nil || cfg.API == nil {
		return err
	}
	if cfg.API.Listener, err = bind(c.API.Listen, "--api-listen"); err != nil {
		return errors.Join(err, cfg.Listener.Close())
	}
	return nil
}

// report prints the summary, and returns an error if anything genuine was not
// acknowledged.
func (c graphsimCmd) report(t *terminal, s graphsim.Summary) error {
	var err error
	if c.JSON {
		err = t.printJSON(s)
	} else {
		_, err = s.WriteTo(t.stdout)
	}
	open := 0
	for topic, n := range s.ByTopic {
		if topic != quarantineTopic {
			open += n.Items - n.Acked
		}
	}
	if open > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d genuine items were not acknowledged: see the answers in the summary", open, s.Genuine))
	}
	return err
}

// config turns the flags into the simulator's settings, listener apart.
func (c graphsimCmd) config(t *terminal) (graphsim.Config, error) {
	if err := checkURLs(map[string]string{"--notification-url": c.NotificationURL, "--lifecycle-url": c.LifecycleURL, "--authority-url": c.AuthorityURL}); err != nil {
		return graphsim.Config{}, err
	}
	faults, err := graphsim.ParseFaults(c.Faults)
	if err != nil {
		return graphsim.Config{}, fmt.Errorf("--faults: %w", err)
	}
	certificates, err := readCertificates(c.Certificates)
	if err != nil {
		return graphsim.Config{}, err
	}
	clientState, err := clientStates(c.ClientStateKeys)
	if err != nil {
		return graphsim.Config{}, err
	}
	api, err := c.API.config()
	if err != nil {
		return graphsim.Config{}, err
	}
	return graphsim.Config{
		API: api, TenantIDs: c.TenantIDs, Seed: c.Seed, Rate: c.Rate, BatchMax: c.BatchMax, Drain: c.Drain, Faults: faults,
		NotificationURL: c.NotificationURL, LifecycleURL: c.LifecycleURL, AuthorityURL: c.AuthorityURL,
		AppIDs: c.AppIDs, Certificates: certificates, ClientState: clientState,
		Rules: graphsim.Rules{SlowDelay: c.Penalty, DropFor: c.Penalty}, Log: t.log,
	}, nil
}

// checkURLs returns which flag of those given has a value that is no URL.
func checkURLs(flags map[string]string) error {
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		u, err := url.Parse(flags[flag])
		if flags[flag] != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s is %q: must be an http or https URL such as http://127.0.0.1:8080/graph/notifications", flag, flags[flag])
		}
	}
	return nil
}

// certificateFiles returns the files that paths name: files, or directories of
// files named *.pem.
func certificateFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read --certificates: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		in, err := filepath.Glob(filepath.Join(path, "*.pem"))
		if err != nil || len(in) == 0 {
			return nil, fmt.Errorf("read --certificates: %s holds no .pem file: make one with meetbridge keys new", path)
		}
		files = append(files, in...)
	}
	return files, nil
}

// readCertificates returns the certificates of files and directories, each
// under its file's name without ".pem".
func readCertificates(paths []string) ([]graphsim.Certificate, error) {
	files, err := certificateFiles(paths)
	if err != nil {
		return nil, err
	}
	var out []graphsim.Certificate
	for _, file := range files {
		cert, err := readCertificate(file)
		if err != nil {
			return nil, fmt.Errorf("read --certificates: %s: %w", file, err)
		}
		out = append(out, graphsim.Certificate{ID: strings.TrimSuffix(filepath.Base(file), ".pem"), Certificate: cert})
	}
	return out, nil
}

func readCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("holds no certificate in PEM form")
}

// clientStates returns what mints a clientState with the keys in file, nil for
// no file.
func clientStates(file string) (func(tenantID string) string, error) {
	if file == "" {
		return nil, nil
	}
	return minter(file)
}

// keep opens the files that get a line for all that happens, and has cfg write
// into them.
func (c graphsimCmd) keep(cfg *graphsim.Config) (linesFiles, error) {
	ledger, err := openLines(c.Ledger, "--ledger")
	if err != nil {
		return nil, err
	}
	cfg.OnEntry = func(e graphsim.Entry) { ledger.add(e) }
	kept := linesFiles{ledger}
	if cfg.API == nil {
		return kept, nil
	}
	lives, err := openLines(c.API.Lives, "--api-lives")
	if err != nil {
		return kept, err
	}
	cfg.API.OnLife = func(e graphsim.LifeEvent) { lives.add(e) }
	return append(kept, lives), nil
}

// linesFile gets a JSON line for each thing that is added.
type linesFile struct {
	mu   sync.Mutex // guards the rest
	file *os.File   // nil: nothing is kept
	w    *bufio.Writer
	err  error // the first
}

func openLines(path, flag string) (*linesFile, error) {
	if path == "" {
		return &linesFile{}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, usagef("open %s: %w", flag, err)
	}
	return &linesFile{file: f, w: bufio.NewWriter(f)}, nil
}

func (l *linesFile) add(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil || l.err != nil {
		return
	}
	line, err := jsonLine(v)
	if err == nil {
		_, err = l.w.Write(line)
	}
	l.err = err
}

// linesFiles are several of them.
type linesFiles []*linesFile

// close writes what is buffered, and returns the first error of each file.
func (all linesFiles) close() error {
	var errs []error
	for _, l := range all {
		l.mu.Lock()
		if l.file != nil {
			errs = append(errs, l.err, l.w.Flush(), l.file.Close())
			l.file = nil
		}
		l.mu.Unlock()
	}
	return errors.Join(errs...)
}
