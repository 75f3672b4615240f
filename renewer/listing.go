package renewer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"meetbridge/bridge/graph"
)

const (
	// listWidth bounds the tenants that are listed at a time.
	listWidth = 8
	// maxDoubtful bounds what is read back of one tenant and version of the API:
	// well below what Graph allows at once (FACTS §4.3).
	maxDoubtful = 200
)

// Listing is what Graph has, as it was when it was asked.
type Listing struct {
	Listed map[string][]graph.Subscription // by tenant id, each subscription once
	Gone   map[string]bool                 // ids of subscriptions that live by their states, and not by Graph's word
	Failed map[string]error                // by tenant id: why nothing of it is known
}

// ListGraph asks Graph what it has of the tenants' applications. It is for
// people's commands: Graph allows few lists (FACTS §4.3). Of c only what leads to
// Graph is used.
//
// A list may show what is gone, and be silent of what lives (FACTS §4.2). So
// where it differs from states it is read back, up to 200 subscriptions for each
// tenant and version of the API; the rest is taken for what the list says, if it
// is there, and else for what the states say.
func (c Config) ListGraph(ctx context.Context, tenants []Tenant, states map[Key]State, log *slog.Logger) Listing {
	all := Listing{Listed: map[string][]graph.Subscription{}, Gone: map[string]bool{}, Failed: map[string]error{}}
	known := map[string]map[string]graph.Version{}
	for _, s := range states {
		if known[s.TenantID] == nil {
			known[s.TenantID] = map[string]graph.Version{}
		}
		if s.SubscriptionID != "" {
			known[s.TenantID][s.SubscriptionID] = s.Version
		}
	}
	var (
		mu     sync.Mutex // guards all
		wg     sync.WaitGroup
		room   = make(chan struct{}, listWidth)
		limits = newLimits()
	)
	for _, t := range tenants {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			within, cancel := context.WithTimeout(ctx, listWithin)
			defer cancel()
			within = withPass(within, &pass{limits: limits, account: account{app: t.Credential.ClientID, tenant: t.ID}})
			listed, gone, err := c.list(within, t, known[t.ID], log)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				all.Failed[t.ID] = err
				return
			}
			all.Listed[t.ID] = listed
			for _, id := range gone {
				all.Gone[id] = true
			}
		})
	}
	wg.Wait()
	return all
}

// list returns what the tenant has, and which of the known are gone.
func (c Config) list(ctx context.Context, t Tenant, known map[string]graph.Version, log *slog.Logger) (listed []graph.Subscription, gone []string, err error) {
	client, err := c.connect(t, log)
	if err != nil {
		return nil, nil, err
	}
	seen, doubtful := map[string]bool{}, map[graph.Version][]string{}
	for _, v := range []graph.Version{graph.V1, graph.Beta} {
		some, err := client.List(ctx, v)
		if err != nil {
			return nil, nil, fmt.Errorf("list subscriptions of %s: %w", v, err)
		}
		for _, sub := range some {
			if seen[sub.ID] {
				continue
			}
			seen[sub.ID] = true
			listed = append(listed, sub)
			if _, ours := known[sub.ID]; !ours {
				doubtful[v] = append(doubtful[v], sub.ID)
			}
		}
	}
	for id, v := range known {
		if !seen[id] && v != "" {
			doubtful[v] = append(doubtful[v], id)
		}
	}
	for v, ids := range doubtful {
		missing, err := missing(ctx, client, v, ids[:min(maxDoubtful, len(ids))])
		if err != nil {
			return nil, nil, err
		}
		gone = append(gone, missing...)
	}
	listed = slices.DeleteFunc(listed, func(sub graph.Subscription) bool { return slices.Contains(gone, sub.ID) })
	return listed, slices.DeleteFunc(gone, func(id string) bool { return known[id] == "" }), nil
}

// missing returns those of the ids that are not there when they are read back.
func missing(ctx context.Context, client *graph.Client, v graph.Version, ids []string) (gone []string, err error) {
	for chunk := range slices.Chunk(ids, graph.MaxBatch) {
		calls := make([]graph.Call, len(chunk))
		for i, id := range chunk {
			calls[i] = graph.Call{Op: graph.OpGet, ID: id}
		}
		results, err := client.Batch(ctx, v, calls)
		if err != nil {
			return nil, fmt.Errorf("read back what is listed: %w", err)
		}
		for i, result := range results { // other errors say nothing of whether it is there
			if statusOf(result.Err) == http.StatusNotFound {
				gone = append(gone, chunk[i])
			}
		}
	}
	return gone, nil
}
