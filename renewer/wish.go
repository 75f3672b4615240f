package renewer

import (
	"crypto/rand"
	"fmt"
	"slices"

	"meetbridge/bridge"
	"meetbridge/bridge/graph"
	"meetbridge/bridge/kafka"
)

// wish is all that the shards go by, as of one reading of the files: what is
// desired, the means to make it so, and the rules. It does not change; a changed
// file makes another one.
type wish struct {
	wanted  *Wanted
	clients map[string]client       // by tenant id
	read    *bridge.ClientStateKeys // as the file has them
	keys    bridge.ClientStateKeys  // the same, minting with one that ingest can prove
	rules   Rules
}

// client is the way to Graph for one tenant.
type client struct {
	graph   *graph.Client
	account account
	made    Tenant // what it was made from
}

// makeWish returns the wish of wanted, with the client-state key that mints, which
// is written into wanted unless before has that in use, and a client for each
// tenant, that of before where nothing changed.
func makeWish(wanted *Wanted, read *bridge.ClientStateKeys, ingest *ingestKeys, rules Rules, before *wish, connect func(Tenant) (*graph.Client, error)) (*wish, error) {
	keys := read.MintingBy(ingest.proves)
	if wanted == before.wanted {
		again := *wanted
		again.Subscriptions = slices.Clone(wanted.Subscriptions)
		wanted = &again
	}
	for i := range wanted.Subscriptions {
		wanted.Subscriptions[i].ClientStateKeyID = keys.MinterID()
	}
	w := &wish{wanted: wanted, clients: make(map[string]client, len(wanted.Tenants)), read: read, keys: keys, rules: rules}
	w.rules.ClientStateKeys, w.rules.KeepClientStates = keys.IDs(), !ingest.vouches(keys.MinterID())
	for _, t := range wanted.Tenants {
		if c, had := before.clients[t.ID]; had && c.made.Credential == t.Credential && c.made.GraphURL == t.GraphURL {
			w.clients[t.ID] = c
			continue
		}
		g, err := connect(t)
		if err != nil {
			return nil, fmt.Errorf("%s: tenant %s: %w", t.Where, t.ID, err)
		}
		w.clients[t.ID] = client{graph: g, account: account{app: t.Credential.ClientID, tenant: t.ID}, made: t}
	}
	return w, nil
}

// of returns what the shard has of what is desired.
func (w *wish) of(shard int32, shards int) *Wanted {
	if shards <= 1 {
		return w.wanted
	}
	own := &Wanted{Tenants: w.wanted.Tenants, Development: w.wanted.Development}
	own.Subscriptions = make([]Desired, 0, len(w.wanted.Subscriptions)/shards+1)
	partition := kafka.Partitioner(shards)
	for _, d := range w.wanted.Subscriptions {
		if partition(d.String()) == shard {
			own.Subscriptions = append(own.Subscriptions, d)
		}
	}
	return own
}

// clientState returns one for a subscription of the tenant.
func (w *wish) clientState(tenantID string) (string, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: it ends the process if the system has no randomness
	return w.keys.Mint(tenantID, nonce)
}
