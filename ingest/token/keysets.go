package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// keysGoodFor is how long a key stays good after a key set last listed it:
	// through a fault of the authority, and past its withdrawal.
	keysGoodFor = 24 * time.Hour
	// refreshEvery is the time between fetches in the background, jitter apart.
	// The authority rotates its keys daily and announces them beforehand.
	refreshEvery = time.Hour
	// unknownEvery is the least time between fetches for the sake of unknown
	// key ids, however many of them come (DESIGN §4).
	unknownEvery = time.Minute
	// coldEvery is the same as long as there are no keys at all.
	coldEvery = 5 * time.Second
	// fetchWithin bounds one fetch.
	fetchWithin = 10 * time.Second
	// retryFirst and retryMax are the pauses after failed background fetches.
	retryFirst, retryMax = time.Second, time.Minute
)

// keySets are the keys of both openid configurations. They are fetched by hand,
// and only parsed by the JWT library, because its own cache goes by other rules
// than DESIGN §4: it fetches a URL fixed at first, not the one that the
// configuration names today; on demand as often as it is asked to, so that a
// storm of unknown key ids would be one of fetches; it keeps the last set for
// ever while fetches fail, and forgets a key at once that a set does not list.
// Safe for concurrent use.
type keySets struct {
	client  *http.Client
	log     *slog.Logger
	sources [2]source

	ctx  context.Context // of all fetches; ends with Close
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	flight   chan struct{} // closed when the fetch under way has ended; nil: there is none
	askAgain time.Time     // no fetch for an unknown key id before this
	closed   bool
}

// source is one openid configuration and the keys that it led to.
type source struct {
	configuration string // its URL
	current       atomic.Pointer[keySet]
}

// keySet is what is known of one source. It never changes.
type keySet struct {
	keys    map[string]listedKey
	fetched time.Time // the last successful fetch; zero: none yet
	err     error     // of the last fetch, nil if it was successful
}

type listedKey struct {
	*signingKey
	until time.Time // good before this
}

// keyPair holds the keys of one id, one from each source, nil where it has none.
type keyPair [2]*signingKey

func newKeySets(client *http.Client, log *slog.Logger, configurations [2]string) *keySets {
	k := &keySets{client: client, log: log}
	for i := range k.sources {
		k.sources[i].configuration = configurations[i]
		k.sources[i].current.Store(&keySet{err: errors.New("not fetched yet")})
	}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// find returns the keys of that id that are good at now.
func (k *keySets) find(id string, now time.Time) (pair keyPair) {
	for i := range k.sources {
		if key, ok := k.sources[i].current.Load().keys[id]; ok && now.Before(key.until) {
			pair[i] = key.signingKey
		}
	}
	return pair
}

// trouble returns why an id that is not found may still be a good one: a source
// that could not be asked. Nil: what is not found does not exist.
func (k *keySets) trouble() error {
	var errs []error
	for i := range k.sources {
		if err := k.sources[i].current.Load().err; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.sources[i].configuration, err))
		}
	}
	return errors.Join(errs...)
}

// usable reports whether any key is good at now.
func (k *keySets) usable(now time.Time) bool {
	for i := range k.sources {
		if k.sources[i].current.Load().usable(now) {
			return true
		}
	}
	return false
}

func (s *keySet) usable(now time.Time) bool {
	for _, key := range s.keys {
		if now.Before(key.until) {
			return true
		}
	}
	return false
}

// ask fetches the key sets for the sake of an unknown id, unless that was done
// less than unknownEvery ago, and waits for it. It reports whether a fetch has
// ended meanwhile, so that looking again makes sense. Callers who come while a
// fetch is under way wait for that one; what ends with ctx is the waiting, not
// the fetch.
func (k *keySets) ask(ctx context.Context) (bool, error) {
	now := time.Now()
	k.mu.Lock()
	flight := k.flight
	if flight == nil {
		if now.Before(k.askAgain) {
			k.mu.Unlock()
			return false, nil
		}
		k.askAgain = now.Add(coldEvery)
		if k.usable(now) {
			k.askAgain = now.Add(unknownEvery)
		}
		flight = k.start()
	}
	k.mu.Unlock()
	select {
	case <-flight:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("wait for key sets: %w", context.Cause(ctx))
	}
}

// start starts a fetch of all sources. The caller holds mu, and none is under
// way.
func (k *keySets) start() chan struct{} {
	flight := make(chan struct{})
	if k.closed {
		close(flight)
		return flight
	}
	k.flight = flight
	k.done.Go(func() {
		ctx, cancel := context.WithTimeout(k.ctx, fetchWithin)
		defer cancel()
		var both sync.WaitGroup
		for i := range k.sources {
			both.Go(func() { k.fetch(ctx, &k.sources[i]) })
		}
		both.Wait()
		k.mu.Lock()
		k.flight = nil
		k.mu.Unlock()
		close(flight)
	})
	return flight
}

// fetch brings s up to date. Only the one flight calls it.
func (k *keySets) fetch(ctx context.Context, s *source) {
	before := s.current.Load()
	fetched, err := fetchKeys(ctx, k.client, s.configuration)
	if err != nil {
		s.current.Store(&keySet{keys: before.keys, fetched: before.fetched, err: err})
		if k.ctx.Err() == nil {
			if before.usable(time.Now()) {
				k.log.WarnContext(ctx, "key set not fetched, the keys known stay good for a day", "url", s.configuration, "error", err)
			} else {
				k.log.WarnContext(ctx, "key set not fetched and no key of it known: sealed notifications that need one get 503 until it is", "url", s.configuration, "error", err)
			}
		}
		return
	}
	now := time.Now()
	next := &keySet{keys: make(map[string]listedKey, len(fetched)), fetched: now}
	if len(before.keys)+len(fetched) <= maxKeys {
		for id, key := range before.keys {
			if now.Before(key.until) {
				next.keys[id] = key
			}
		}
	}
	for id, key := range fetched {
		// A key that did not change keeps its identity: that is what a
		// remembered token is checked against.
		if old, ok := before.keys[id]; ok && old.equal(key) {
			key = old.signingKey
		}
		next.keys[id] = listedKey{signingKey: key, until: now.Add(keysGoodFor)}
	}
	s.current.Store(next)
	if before.err != nil {
		k.log.InfoContext(ctx, "key set fetched", "url", s.configuration, "keys", len(next.keys))
	}
}

// run keeps the key sets fresh until ctx ends or close.
func (k *keySets) run(ctx context.Context) {
	retry := retryFirst
	for {
		k.mu.Lock()
		flight := k.flight
		if flight == nil {
			flight = k.start()
		}
		k.mu.Unlock()
		pause := refreshEvery - rand.N(refreshEvery/4)
		select {
		case <-ctx.Done():
			return
		case <-k.ctx.Done():
			return
		case <-flight:
		}
		if k.trouble() == nil {
			retry = retryFirst
		} else {
			pause, retry = retry, min(2*retry, retryMax)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-k.ctx.Done():
		case <-timer.C:
			continue
		}
		timer.Stop()
		return
	}
}

// background starts run.
func (k *keySets) background(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.done.Go(func() { k.run(ctx) })
	}
}

// close ends what is under way and waits for it.
func (k *keySets) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.stop()
	k.done.Wait()
}
