package renewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"meetbridge/bridge"
	"meetbridge/bridge/kafka"
)

// rosterEvery is how often ingest's announcements are read.
const rosterEvery = 10 * time.Second

// IngestProcess is a running ingest process, as it announces itself.
type IngestProcess struct {
	ID              string                 // of the process, for as long as it runs
	Host            string                 // where it connected to Kafka from, as the broker saw it
	Keys            []bridge.DecryptionKey // that it opens content with
	ClientStateKeys []string               // ids of those that it proves clientStates with
}

// ReadIngest returns the ingest processes that run with the topic prefix; none
// if none does. It wraps kafka.ErrRosterMoves while one of them is just coming or
// going.
func ReadIngest(ctx context.Context, adm *kadm.Client, topicPrefix string) ([]IngestProcess, error) {
	members, err := kafka.ReadRoster(ctx, adm, bridge.KeyRoster(topicPrefix))
	if err != nil {
		return nil, err
	}
	all := make([]IngestProcess, len(members))
	for i, m := range members {
		p := IngestProcess{ID: m.ID, Host: m.Host}
		if p.Keys, p.ClientStateKeys, err = bridge.ParseAnnouncedKeys(m.Says); err != nil {
			return nil, fmt.Errorf("ingest at %s: %w", m.Host, err)
		}
		all[i] = p
	}
	return all, nil
}

// ingestKeys knows which certificates can be given to Graph, and which keys can
// make clientStates: those that every ingest process has. It is safe for
// concurrent use.
type ingestKeys struct {
	prefix string // of every topic
	log    *slog.Logger

	mu      sync.Mutex // guards all below
	members [][]bridge.DecryptionKey
	states  [][]string // ids of the client-state keys of each
	known   bool       // they were read once
	trouble string     // why nothing is known; said once
}

// open reports whether whoever gets a notification can open what is sealed for
// the certificate. Where nobody says so, as when no ingest process runs, it is
// taken for no.
func (k *ingestKeys) open(c Certificate) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, keys := range k.members {
		if !bridge.Opens(keys, c.ID, c.Thumbprint) {
			return false
		}
	}
	return len(k.members) > 0
}

// proves reports whether whoever gets a notification can prove a clientState made
// with the key. Where nobody says anything, it is taken for yes: without a
// clientState there would be no subscription at all.
func (k *ingestKeys) proves(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ids := range k.states {
		if !slices.Contains(ids, id) {
			return false
		}
	}
	return true
}

// vouches is proves for what need not be done: as long as nothing was read, it is
// taken for no.
func (k *ingestKeys) vouches(id string) bool {
	k.mu.Lock()
	known := k.known
	k.mu.Unlock()
	return known && k.proves(id)
}

// read reads the announcements.
func (k *ingestKeys) read(ctx context.Context, adm *kadm.Client) {
	ctx, cancel := context.WithTimeout(ctx, rosterEvery)
	defer cancel()
	running, err := ReadIngest(ctx, adm, k.prefix)
	if errors.Is(err, kafka.ErrRosterMoves) {
		return // what was known stands until it is known better
	}
	var (
		members [][]bridge.DecryptionKey
		states  [][]string
	)
	for _, p := range running {
		members, states = append(members, p.Keys), append(states, p.ClientStateKeys)
	}
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if trouble != k.trouble && trouble != "" {
		k.log.WarnContext(ctx, "announced decryption keys cannot be read, no subscription gets another certificate meanwhile", "error", trouble)
	}
	if !slices.EqualFunc(members, k.members, slices.Equal) {
		k.log.InfoContext(ctx, "ingest announces decryption keys", "processes", len(members), "keys", common(members))
	}
	k.members, k.trouble, k.known = members, trouble, k.known || err == nil
	if len(states) > 0 { // while none runs, what was known stands: nothing shall change for a restart
		k.states = states
	}
}

// common returns the ids of the keys that all members have.
func common(members [][]bridge.DecryptionKey) []string {
	var ids []string
	for i, keys := range members {
		if i == 0 {
			for _, key := range keys {
				ids = append(ids, key.ID)
			}
			continue
		}
		ids = slices.DeleteFunc(ids, func(id string) bool {
			return !slices.ContainsFunc(keys, func(key bridge.DecryptionKey) bool { return key.ID == id })
		})
	}
	return ids
}

// announcements follows which keys ingest has, and counts the certificates that
// wait for it, until ctx ends.
func (r *Renewer) announcements(ctx context.Context) {
	adm, err := kafka.NewAdmin(r.cfg.Kafka, r.bare)
	if err != nil {
		r.fail(err)
		return
	}
	defer adm.Close()
	var said []string
	for ctx.Err() == nil {
		r.ingest.read(ctx, adm)
		var waiting []string
		for _, t := range r.wish.Load().wanted.Tenants {
			if c := t.Certificate; c != (Certificate{}) && !r.ingest.open(c) && !slices.Contains(waiting, c.ID) {
				waiting = append(waiting, c.ID)
			}
		}
		r.metrics.unannounced.Set(float64(len(waiting)))
		if slices.Sort(waiting); len(waiting) > 0 && !slices.Equal(waiting, said) {
			r.log.WarnContext(ctx, "certificates wait for ingest to announce their keys, no living subscription gets them meanwhile", "certificates", waiting,
				"fix", "put their keys into --decryption-keys of every ingest process")
		}
		said = waiting
		sleep(ctx, rosterEvery)
	}
}
