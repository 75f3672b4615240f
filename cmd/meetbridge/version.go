package main

import (
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// versionFlag prints the version instead of running a command.
type versionFlag bool

// BeforeReset is called when the flag is given.
func (versionFlag) BeforeReset(ctx *kong.Context) error {
	if _, err := fmt.Fprintln(ctx.Stdout, "meetbridge "+version()); err != nil {
		return err
	}
	return errShown
}

// version returns what the Go toolchain stamped into the binary: module
// version, commit, its time, and the toolchain; "(devel)" where nothing is
// stamped, as in a test.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if commit := set["vcs.revision"]; commit != "" {
		text += fmt.Sprintf(" (commit %.12s, %s", commit, set["vcs.time"])
		if set["vcs.modified"] == "true" {
			text += ", modified"
		}
		text += ")"
	}
	return text + " " + info.GoVersion
}
