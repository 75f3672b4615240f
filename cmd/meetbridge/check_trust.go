package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"meetbridge/bridge"
	"meetbridge/bridge/sealed"
)

func checkKeys(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("--decryption-keys is not set, so sealed notifications would go to quarantine: make a key with meetbridge keys new")
	}
	ring, skipped, err := sealed.LoadRing(dir)
	if err != nil {
		return "", err
	}
	if len(skipped) > 0 {
		return "", errors.Join(skipped...)
	}
	if ring.Len() == 0 {
		return "", fmt.Errorf("--decryption-keys %s holds no key: make one with meetbridge keys new", dir)
	}
	return fmt.Sprintf("%s in %s: %s", count(ring.Len(), "key"), dir, strings.Join(ring.IDs(), ", ")), nil
}

func checkStates(keys, literals string) (string, error) {
	if keys == "" && literals == "" {
		return "", errors.New("neither --client-state-keys nor --client-states is set, so nothing could be proven genuine: give the same files as ingest's")
	}
	var files [2][]byte
	for i, path := range []string{keys, literals} {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", [2]string{"--client-state-keys", "--client-states"}[i], err)
		}
		files[i] = b
	}
	states, err := bridge.ParseClientStateKeys(files[0], files[1])
	if err != nil {
		return "", err
	}
	n, l := states.Len()
	where := strings.Join(slices.DeleteFunc([]string{keys, literals}, func(s string) bool { return s == "" }), " and ")
	if n+l == 0 {
		return "", fmt.Errorf("neither a key nor a value in %s, so nothing could be proven genuine: give the same files as ingest's", where)
	}
	return fmt.Sprintf("%s and %s in %s", count(n, "key"), count(l, "literal value"), where), nil
}

func (c checkCmd) checkKeySet(ctx context.Context, t *terminal) (string, error) {
	if len(c.AppIDs) == 0 {
		return "", errors.New("--app-ids is not set, so sealed notifications would go to quarantine: give the application ids that own the subscriptions")
	}
	verifier, err := c.Verifier(t.log)
	if err != nil {
		return "", err
	}
	verifier.Start(ctx)
	defer verifier.Close()
	for {
		err := verifier.Ready()
		if err == nil {
			return "published by " + c.EntraAuthority, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the signing keys cannot be fetched from %s: check --entra-authority and the way out to it (%w)", c.EntraAuthority, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
