package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// entry is what the simulated Graph knows of one item that it sent.
type entry struct {
	Seq            int    `json:"seq"`
	Topic          string `json:"topic"`
	Reason         string `json:"reason"`
	Genuine        bool   `json:"genuine"`
	Fresh          bool   `json:"fresh"`
	SubscriptionID string `json:"subscription_id"`
	ChangeType     string `json:"change_type"`
	Resource       string `json:"resource"`
	ODataID        string `json:"odata_id"`
	LifecycleEvent string `json:"lifecycle_event"`
	PayloadSHA256  string `json:"payload_sha256"`
	Key            string `json:"key"`
	Copies         int    `json:"copies"`
	Attempts       int    `json:"attempts"`
	Acked          bool   `json:"acked"`
	Dropped        bool   `json:"dropped"`
}

// life is one thing that happened to a subscription.
type life struct {
	At             time.Time `json:"at"`
	Kind           string    `json:"kind"`
	SubscriptionID string    `json:"subscription_id"`
	TenantID       string    `json:"tenant_id"`
	Resource       string    `json:"resource"`
}

// ends reports whether a subscription does not outlive it.
func (l life) ends() bool {
	return l.Kind == "expired" || l.Kind == "deleted" || l.Kind == "removed" || l.Kind == "lost"
}

// readLines reads a file of JSON lines.
func readLines[T any](file string) ([]T, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all []T
	for d := json.NewDecoder(bufio.NewReaderSize(f, 1<<20)); ; {
		var v T
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		all = append(all, v)
	}
}

// writeLines writes a file of JSON lines.
func writeLines[T any](file string, all []T) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for _, v := range all {
		if err = e.Encode(v); err != nil {
			break
		}
	}
	return errors.Join(err, w.Flush(), f.Close())
}
