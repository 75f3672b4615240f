package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// Ensure that a demo that is stopped sends no more, waits for what is on its
// way, and agrees with itself.
func TestDemoStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--faults", "off", "--rate", "200"}, nil, nil, in, &stderr)
		_ = in.Close() // never fails
	}()
	var text strings.Builder
	records := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "  chat-messages  ") {
			if records++; records == 10 {
				stop()
			}
		}
	}
	if code := <-ended; code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit code %d, standard error: %s", code, &stderr)
	}
	for _, want := range []string{"\nEverything that was sent is in Kafka, and nothing else.\n", "\nQuarantined: nothing.\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, &text)
		}
	}
}
