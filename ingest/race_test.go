//go:build race

package ingest_test

// raceDetector is true in builds that are several times slower: what needs the
// processor's full speed to stay within its budget is made smaller then.
const raceDetector = true
