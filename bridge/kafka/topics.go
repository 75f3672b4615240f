package kafka

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"meetbridge/bridge"
)

const (
	day = 24 * time.Hour
	// recordRetention is how long consumers have to read a record.
	recordRetention = 7 * day
	// evidenceRetention is how long people have to act on what went wrong:
	// quarantine, gaps and lifecycle notices.
	evidenceRetention = 30 * day
	// recentIDsRetention is how long a starting replica finds what the others
	// announced: longer than Graph retries (FACTS §1.3).
	recentIDsRetention = 5 * time.Hour
	// recentIDsSegment is how late that may be deleted.
	recentIDsSegment = time.Hour
)

// maxMessageConfig is the name of the one setting that ingest insists on.
const maxMessageConfig = "max.message.bytes"

// TopicWant is one topic as it should be.
type TopicWant struct {
	Topic       string            // with its prefix
	Partitions  int32             // 0 or less: any number, if all topics that are not Single have the same
	Replication int16             // only for creating; 0 or less: the brokers' default
	Single      bool              // has a partition count of its own (KindInfo.Single)
	Optional    bool              // nothing is lost without it, and any number of partitions will do
	Configs     map[string]string // topic settings; those not named are left to the brokers
}

// WantedTopics returns every topic of Meetbridge in documentation order: equal
// partition counts, so that records of one key have one partition number on
// all of them (DESIGN §5), except for the topics of one partition. Last comes
// the one that holds no records for consumers: what the replicas of ingest tell
// each other. They take messages of c.MaxMessage.
func (c Config) WantedTopics(prefix string, partitions int32, replication int16) []TopicWant {
	kinds := bridge.Kinds()
	wants := make([]TopicWant, 0, len(kinds))
	for _, k := range kinds {
		w := TopicWant{
			Topic:       prefix + k.Topic,
			Partitions:  partitions,
			Replication: replication,
			Single:      k.Single,
			Configs: map[string]string{
				maxMessageConfig:         strconv.Itoa(c.maxMessage()),
				"message.timestamp.type": "CreateTime", // ours says when it occurred
				"cleanup.policy":         "delete",
				"retention.ms":           milliseconds(retention(k.Kind)),
			},
		}
		if k.Single {
			w.Partitions = 1
		}
		if k.Compacted {
			w.Configs["cleanup.policy"] = "compact"
			delete(w.Configs, "retention.ms") // means nothing for a compacted topic
		}
		wants = append(wants, w)
	}
	wants = append(wants, TopicWant{
		Topic:       bridge.RecentIDs(prefix),
		Partitions:  1,
		Replication: replication,
		Single:      true,
		Optional:    true,
		Configs: map[string]string{
			"message.timestamp.type": "LogAppendTime", // one clock for all replicas
			"cleanup.policy":         "delete",
			"retention.ms":           milliseconds(recentIDsRetention),
			"segment.ms":             milliseconds(recentIDsSegment),
		},
	})
	// With three replicas an acknowledgement must mean two, or the loss of one
	// disk loses records that Graph was told we have (I1).
	if replication >= 3 {
		for _, w := range wants {
			w.Configs["min.insync.replicas"] = "2"
		}
	}
	return wants
}

func retention(k bridge.Kind) time.Duration {
	switch k {
	case bridge.Quarantine, bridge.Gap, bridge.Lifecycle:
		return evidenceRetention
	default:
		return recordRetention
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (w TopicWant) configNames() []string { return slices.Sorted(maps.Keys(w.Configs)) }

func names(wants []TopicWant) []string {
	out := make([]string, len(wants))
	for i, w := range wants {
		out[i] = w.Topic
	}
	return out
}
