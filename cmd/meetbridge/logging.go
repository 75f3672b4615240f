package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// newLogger returns the process's logger on w. An empty level is info for the
// processes that run until they are stopped, and error for the rest: what they
// found goes to standard output, and why they failed is their last line.
func newLogger(level, format, command string, w io.Writer) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: slog.LevelError}
	switch {
	case level != "":
		var l slog.Level
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("read --log-level: %w", err)
		}
		options.Level = l
	case slices.Contains([]string{"ingest", "renewer", "broker", "graphsim"}, command):
		options.Level = slog.LevelInfo
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}
