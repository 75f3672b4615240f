package kafka

import "cmp"

// Sizes, in bytes.
const (
	// MaxRecordBytes is the largest record that can be produced: key, value and
	// headers before compression. Config.MaxMessage makes it smaller.
	MaxRecordBytes = 32 << 20
	// MaxMessageBytes is the most that Config.MaxMessage may be, and what it is if
	// it is zero: a largest record and its framing.
	MaxMessageBytes = MaxRecordBytes + framingBytes

	framingBytes = 64 << 10
	// leastMessageBytes fits what the replicas tell each other at once.
	leastMessageBytes = 768 << 10
	// brokerDefaultBytes is Kafka's own max.message.bytes.
	brokerDefaultBytes = 1_000_012
)

// maxMessage is the largest batch that the topics take.
func (c Config) maxMessage() int { return int(cmp.Or(c.MaxMessage, MaxMessageBytes)) }

// maxRecord is the largest record in one.
func (c Config) maxRecord() int { return c.maxMessage() - framingBytes }

// maxRequest bounds a request, which holds batches of many partitions after an
// outage: it has to be written within requestOverhead, or it is tried again for
// ever. Brokers that take small messages only may bound requests nearly as low.
func (c Config) maxRequest() int32 {
	n := c.maxMessage()
	return int32(n + min(2<<20, n/16))
}
