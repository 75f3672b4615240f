package bridge

// Outcome is what became of one item of a POST: a closed list, and a metric
// label.
type Outcome string

// The outcomes.
const (
	Produced          Outcome = "produced"           // a record of its kind is in Kafka
	Duplicate         Outcome = "duplicate"          // recognised as a redelivery, not produced again
	Quarantined       Outcome = "quarantined"        // a quarantine record is in Kafka
	QuarantineLimited Outcome = "quarantine_limited" // forged, and beyond the rate limit of the quarantine: counted only
	Unproduced        Outcome = "unproduced"         // Kafka did not acknowledge in time; Graph was told to send again
)

// Outcomes returns every outcome.
func Outcomes() []Outcome {
	return []Outcome{Produced, Duplicate, Quarantined, QuarantineLimited, Unproduced}
}
