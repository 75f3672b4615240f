//go:build synctests

package ingest_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"meetbridge/bridge/bridgetest"
	"meetbridge/bridge/kafka"
	"meetbridge/ingest"
)

// A broker hears of new topics a little later than whoever made them, so a server
// that finds none waits for a moment; then it ends, and says what to do.
func TestTopicsThatAreMissing(t *testing.T) {
	t.Parallel()
	keys := bridgetest.NewKeyFiles(t)
	missing := func(c *ingest.Config) { c.CreateTopics = false }
	t.Run("for a moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), missing)
			time.Sleep(time.Second)
			adm, err := kafka.NewAdmin(r.Config.Kafka, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer adm.Close()
			if _, err := kafka.ApplyTopics(t.Context(), adm, kafka.Config{}.WantedTopics("teams.", 6, 1)); err != nil {
				t.Fatal(err)
			}
			r.StartGraph(nil) // for the key sets
			r.Ready()
		})
	})
	t.Run("for good", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := bridgetest.NewRig(t, keys, slog.New(slog.DiscardHandler), missing)
			<-r.Ingest.Done()
			if took := time.Since(start); !errors.Is(r.Ingest.Err(), kafka.ErrTopics) || took < time.Second || took > 10*time.Second {
				t.Errorf("ended after %v: %v", took, r.Ingest.Err())
			}
		})
	})
}
