// Package process is what the bridge's processes have in common: steps that
// end in the reverse order of their beginning, an admin port with /livez,
// /readyz, /metrics and profiles, and small files that are reread when they
// change.
//
// It refuses to know what a process does, and what it checks to be ready.
package process
