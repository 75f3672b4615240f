package ingest

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// pulse knows whether Kafka acknowledges. While it does not, new POSTs are sent
// away at once instead of waiting out their budget (DESIGN §3: never hold a
// request while Kafka is away). What the producer holds already is the probe:
// its acknowledgement opens the door again, without a timer.
type pulse struct {
	buffered func() (records, bytes int64)
	log      *slog.Logger
	last     atomic.Int64 // when Kafka last acknowledged, Unix ns
	gone     atomic.Bool
}

// beat notes an acknowledgement.
func (p *pulse) beat(now time.Time) {
	last := p.last.Swap(now.UnixNano())
	if p.gone.Load() && p.gone.Swap(false) {
		p.log.Info("kafka acknowledges again", "after", now.Sub(time.Unix(0, last)).Round(time.Millisecond))
	}
}

// missed notes that a POST whose records were handed to the producer then got no
// acknowledgement within its budget. If nobody else got one since either, Kafka
// is taken to be away.
//
// An acknowledgement between the comparison and the store is overwritten; the
// next one, of whatever the producer still holds, mends it, and when it holds
// nothing away is false anyway.
func (p *pulse) missed(handed time.Time) {
	if p.last.Load() <= handed.UnixNano() && !p.gone.Swap(true) {
		p.log.Warn("kafka acknowledges nothing: POSTs are answered with 503 until it does, and Graph sends them again")
	}
}

// away reports whether a POST would only wait in vain.
func (p *pulse) away() bool {
	if !p.gone.Load() {
		return false
	}
	records, _ := p.buffered()
	return records > 0
}
