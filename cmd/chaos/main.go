// Command chaos runs the bridge as a cluster of processes, breaks it by a seeded
// plan, and compares what was acknowledged with what is stored. It is a test: no
// part of what is shipped.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"meetbridge/bridge/chaos"
)

func main() { os.Exit(run()) }

// run returns the exit code: 0 all is well or skipped, 1 something is not, 2 the
// run itself failed.
func run() int {
	cache, _ := os.UserCacheDir()
	home := os.Getenv("INFRA_HOME")
	if home == "" {
		home = filepath.Join(cache, "meetbridge-infra")
	}
	var cfg chaos.Config
	flag.Uint64Var(&cfg.Seed, "seed", 0, "what goes wrong, and what happens in the simulated world; 0: a new one")
	flag.IntVar(&cfg.Faults, "faults", 200, "how many faults")
	flag.DurationVar(&cfg.Most, "longest", time.Minute, "the longest that a fault lasts")
	flag.Float64Var(&cfg.Rate, "rate", 40, "items a second that happen in the simulated world")
	flag.DurationVar(&cfg.Lifetime, "lifetime", 2*time.Minute, "how long subscriptions live")
	flag.DurationVar(&cfg.Drain, "drain", 10*time.Minute, "how long Graph may go on repeating at the end")
	flag.StringVar(&cfg.Binary, "binary", "", "meetbridge; empty: one that is built for it")
	flag.StringVar(&cfg.Dir, "dir", "", "directory for all files of the run; empty: a new one, deleted after a good run")
	flag.StringVar(&cfg.Scripts, "scripts", "../shared/infra", "directory with the scripts kafka and registry")
	asJSON := flag.Bool("json", false, "print the result as a JSON object")
	limit := flag.Duration("timeout", 90*time.Minute, "the longest that the whole run may take")
	flag.Parse()
	cfg.ScriptsHome = home
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1_000_000) + 1
	}
	began := time.Now()
	cfg.Log = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s %6.1fs %s\n", time.Now().Format("15:04:05.000"), time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	cfg.Enough = heed(cancel)
	own, err := prepare(ctx, &cfg)
	switch {
	case errors.Is(err, chaos.ErrSkipped):
		fmt.Println(err)
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		return 2
	}
	result, err := chaos.Run(ctx, cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %v (seed %d, files in %s)\n", err, cfg.Seed, cfg.Dir)
		return 2
	}
	if *asJSON {
		err = json.NewEncoder(os.Stdout).Encode(result)
	} else {
		_, err = result.WriteTo(os.Stdout)
	}
	if err != nil || !result.Good() {
		fmt.Fprintf(os.Stderr, "chaos: not good: repeat with -seed %d -faults %d -longest %s (files in %s)\n", cfg.Seed, cfg.Faults, cfg.Most, cfg.Dir)
		return 1
	}
	_ = os.RemoveAll(own)
	return 0
}

// heed returns a channel that the first interrupt closes. A second one ends the
// run, and so does SIGTERM.
func heed(end func()) <-chan struct{} {
	enough := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if <-signals == os.Interrupt {
			close(enough)
			<-signals
		}
		end()
	}()
	return enough
}

// prepare fills in what cfg leaves to be made. It returns the directory that is
// to be deleted after a good run, "" for none.
func prepare(ctx context.Context, cfg *chaos.Config) (own string, err error) {
	if cfg.Scripts, err = filepath.Abs(cfg.Scripts); err != nil {
		return "", err
	}
	if err := chaos.Possible(*cfg); err != nil {
		return "", err
	}
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "meetbridge-chaos-"); err != nil {
			return "", err
		}
		own = cfg.Dir
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return own, err
	}
	if cfg.Binary != "" {
		cfg.Binary, err = filepath.Abs(cfg.Binary)
		return own, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return own, err
	}
	cfg.Binary = filepath.Join(cfg.Dir, "meetbridge")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", cfg.Binary, "./cmd/meetbridge").CombinedOutput(); err != nil {
		return own, fmt.Errorf("build meetbridge: %w: %s", err, out)
	}
	return own, nil
}
