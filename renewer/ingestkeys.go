package renewer

import (
	"context"
	"errors"
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

// ingestKeys knows which certificates can be given to Graph: those whose private
// keys every ingest process has. It is safe for concurrent use.
type ingestKeys struct {
	group string
	log   *slog.Logger

	mu      sync.Mutex // guards all below
	members [][]bridge.DecryptionKey
	trouble string // why nothing is known; said once
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

// read reads the announcements.
func (k *ingestKeys) read(ctx context.Context, adm *kadm.Client) {
	ctx, cancel := context.WithTimeout(ctx, rosterEvery)
	defer cancel()
	said, err := kafka.ReadRoster(ctx, adm, k.group)
	if errors.Is(err, kafka.ErrRosterMoves) {
		return // what was known stands until it is known better
	}
	var members [][]bridge.DecryptionKey
	for _, text := range said {
		keys, parseErr := bridge.ParseAnnouncedKeys(text)
		err = errors.Join(err, parseErr)
		members = append(members, keys)
	}
	trouble := ""
	if err != nil {
		members, trouble = nil, err.Error()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if trouble != k.trouble && trouble != "" {
		k.log.WarnContext(ctx, "announced decryption keys cannot be read, no subscription gets another certificate meanwhile", "error", trouble)
	}
	if !slices.EqualFunc(members, k.members, slices.Equal) {
		k.log.InfoContext(ctx, "ingest announces decryption keys", "processes", len(members), "keys", common(members))
	}
	k.members, k.trouble = members, trouble
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
