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

// IngestRoster is the group in which every ingest process announces its
// decryption keys, as bridge.AnnounceKeys has them. It is how the two kinds of
// processes meet without calling each other.
func IngestRoster(topicPrefix string) string { return topicPrefix + "ingest" }

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
