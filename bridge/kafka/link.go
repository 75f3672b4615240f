package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// link is a hook that remembers why no connection could be made, since a
// record that waited in vain is given back with nothing but the word that its
// time was over.
type link struct {
	config  Config
	trouble atomic.Pointer[error] // nil: the last connection was made
}

// OnBrokerConnect is called by the client after each attempt to connect, the
// login included.
func (l *link) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		l.trouble.Store(nil)
		return
	}
	l.trouble.Store(&err)
}

// explain returns err, or what is behind it if it says that the time of a
// record was over.
func (l *link) explain(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	if trouble := l.trouble.Load(); trouble != nil {
		return fmt.Errorf("not taken within %v: %w", deliveryTimeout, l.config.Explain(*trouble))
	}
	return fmt.Errorf("not taken within %v: %w", deliveryTimeout, err)
}
