// Package load is how hard one can lean on an endpoint of Graph's: it sends the
// simulator's real POSTs in a closed loop (as fast as they are answered) or in an
// open one (at a rate, whatever becomes of the answers) and keeps the time of
// every answer.
//
// A Recorder gets the POSTs; then use Closed or Open as often as wanted. No item
// of the same Posts is sent twice, so that whoever recognises redeliveries has
// none to recognise, and what was acknowledged can be counted in Kafka.
package load
