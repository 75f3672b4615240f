package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// That Kafka acknowledges nothing is said once, and so is its end, with how long
// it lasted.
func TestPulseTells(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	p := &pulse{buffered: func() (int64, int64) { return 1, 1 }, log: slog.New(slog.NewTextHandler(&said, nil))}
	start := time.Unix(1_700_000_000, 0)
	p.beat(start)
	for i := range 3 {
		p.missed(start.Add(time.Duration(i+1) * time.Second))
	}
	if !p.away() {
		t.Error("not away")
	}
	p.beat(start.Add(5 * time.Second))
	p.beat(start.Add(6 * time.Second))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "acknowledges nothing") || !strings.Contains(lines[1], "after=5s") {
		t.Errorf("said %q", lines)
	}
}
