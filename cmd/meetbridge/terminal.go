package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// terminal is what a command may talk to: the three streams, and the logger,
// which writes to stderr.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger
	color          bool // stdout is a terminal that may be coloured
}

// watchedOutput ends the process in good order when standard output fails: what
// runs until it is stopped would not learn of it otherwise.
type watchedOutput struct {
	to     io.Writer
	cancel context.CancelFunc

	mu  sync.Mutex // guards err
	err error      // the first
}

// Write writes to standard output.
func (o *watchedOutput) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil {
		o.mu.Lock()
		if o.err == nil {
			o.err = err
		}
		o.mu.Unlock()
		o.cancel()
	}
	return n, err
}

func (o *watchedOutput) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// isTerminal reports whether w is a character device, and so a person's.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// Styles, as ANSI SGR parameters.
const (
	dim    = "2"
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint returns s in the style, or s as it is where there are no colours.
func (t *terminal) paint(style, s string) string {
	if !t.color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// printf writes to stdout.
func (t *terminal) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(t.stdout, format, args...)
	return err
}

// printJSON writes v as one line of JSON.
func (t *terminal) printJSON(v any) error {
	line, err := jsonLine(v)
	if err == nil {
		_, err = t.stdout.Write(line)
	}
	return err
}

// jsonLine returns v as JSON and a newline: members of maps sorted, durations
// in seconds.
func jsonLine(v any) ([]byte, error) {
	seconds := json.MarshalToFunc(func(e *jsontext.Encoder, d time.Duration) error {
		return e.WriteToken(jsontext.Float(d.Seconds()))
	})
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), json.WithMarshalers(seconds))
	if err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	return append(b, '\n'), nil
}

// table writes rows in columns of equal width; the last column is as wide as it
// is. style, if given, paints a cell after it was padded.
func (t *terminal) table(rows [][]string, style func(row, column int) string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for r, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			if i+1 < len(row) {
				cell += strings.Repeat(" ", widths[i]-len([]rune(cell)))
			}
			if style != nil {
				cell = t.paint(style(r, i), cell)
			}
			line.WriteString(cell)
		}
		if err := t.printf("%s\n", strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// printable returns s on one line, with nothing in it that a terminal would
// obey, shortened to limit characters: what stands in a record was written by
// strangers.
func printable(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		if n++; n > limit {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			n++
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
