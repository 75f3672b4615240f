package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kslog"
)

// logEvery is how often one message of the client's is written. While Kafka is
// away the client says the same several times a second.
const logEvery = 30 * time.Second

// clientLog passes the Kafka client's own messages to slog. What the client
// calls information is a diary of every metadata request, so it is written at
// debug level only.
type clientLog struct {
	*kslog.Logger
	log     *slog.Logger
	suspect func(error) string // names the setting to look at, "" for none

	mu   sync.Mutex
	said map[string]repeats // by message; the client has some dozens of them
}

type repeats struct {
	at      time.Time // when it was last written
	dropped int       // since then
}

func newClientLog(log *slog.Logger, suspect func(error) string) *clientLog {
	log = log.With("component", "kafka_client")
	return &clientLog{Logger: kslog.New(log), log: log, suspect: suspect, said: map[string]repeats{}}
}

// Level is what the client asks before it builds a message.
func (l *clientLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelDebug
	}
	return min(l.Logger.Level(), kgo.LogLevelWarn)
}

// Log writes one message of the client's.
func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level > kgo.LogLevelWarn {
		l.Logger.Log(kgo.LogLevelDebug, msg, keyvals...)
		return
	}
	now := time.Now()
	l.mu.Lock()
	last, seen := l.said[msg]
	if seen && now.Sub(last.at) < logEvery {
		last.dropped++
		l.said[msg] = last
		l.mu.Unlock()
		return
	}
	l.said[msg] = repeats{at: now}
	l.mu.Unlock()
	if last.dropped > 0 {
		keyvals = append(keyvals, "repeated", last.dropped)
	}
	for _, v := range keyvals {
		if err, is := v.(error); is {
			if fix := l.suspect(err); fix != "" {
				keyvals = append(keyvals, "fix", fix)
			}
			break
		}
	}
	l.Logger.Log(level, msg, keyvals...)
}
