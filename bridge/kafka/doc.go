// Package kafka is the way out of Meetbridge: the settings of a Kafka client,
// the producer whose acknowledgement lets a POST be answered with 202, the
// topics, and the schema registry.
//
// It owns what a Kafka error means to the rest of the program (ErrBusy,
// ErrTooLarge, ErrMisconfigured) and how long anything may take. It refuses to
// own what is produced: keys, values, headers and answers to Graph belong to
// its callers.
package kafka
